"""Which tokens stand in front of a text before a model reads it.

Many models were trained on texts that open with a token of their own (`<bos>`, `<s>`); without it they are in a state
they were never in: Gemma 3 270M has a perplexity of 14 on a sentence with it and of 2,425 without. Their tokenizers put
it there by themselves, and that is what "auto" follows. It is the same rule that lm-evaluation-harness has by default.
"""

from typing import TYPE_CHECKING, Literal, get_args

from engine.errors import ParameterError

if TYPE_CHECKING:
    from engine.models.loaded import ScoringModel

Bos = Literal["auto", "on", "off"]
"""'auto': as the model's own tokenizer opens a text. 'on': with its opening token in any case. 'off': with nothing."""
BOS: tuple[Bos, ...] = get_args(Bos)


def opening_ids(model: "ScoringModel", bos: Bos) -> tuple[int, ...]:
    """Ids that are put in front of each text or window; none for a model that needs none.

    Raises
    ------
    ParameterError
        The choice is unknown, or 'on' and the model has no token that opens a text.
    """
    check(bos)
    own = model.tokenizer.opening_ids
    if bos == "off" or (bos == "auto" and not own):
        return ()
    if own:
        return own
    if model.bos_id is None:
        raise ParameterError(f"{model.title} has no token that opens a text. Turn the opening token off.")
    return (model.bos_id,)


def check(bos: Bos) -> None:
    """Raise a `ParameterError` for an unknown choice."""
    if bos not in BOS:
        raise ParameterError(f"bos is {bos!r}; it must be 'auto', 'on' or 'off'.")


def choice(bos: Bos, prepend_bos: bool | None) -> Bos:
    """The choice meant by `bos` and by `prepend_bos`, an older way to say 'on' or 'off'; None leaves it to `bos`."""
    if prepend_bos is None:
        return bos
    return "on" if prepend_bos else "off"

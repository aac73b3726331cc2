"""Texts as points: the last hidden state of each text's last token, kept by model and text."""

from collections.abc import Mapping, Sequence

import numpy as np

from engine import errors
from engine.arrays import Floats32, Ints
from engine.evaluation import hidden_states
from engine.evaluation.corpora.corpus import digest
from engine.evaluation.runs.batches import Keeper
from engine.models.loaded import LoadedModel, ScoringModel
from engine.models.opening import Bos, opening_ids
from engine.steps import Progress, Steps, blocking

MOST_TOKENS = 1024
"""mauve-text's own limit: of a longer text the beginning counts."""
BATCH_TOKENS = 2048
APART = "Each text is read alone: this network gives other numbers for texts of unlike lengths read together."
"""Said if the slower way is taken."""
SHORT_TOKENS = 24
"""Texts whose median is below this say little to a feature of their last token."""


def text_features_steps(
    model: ScoringModel, texts: Sequence[str], *, bos: Bos = "auto", keep: Keeper | None = None, what: str = "texts"
) -> Steps[Floats32]:
    """Features (texts, width) in float32: last hidden state, after the final norm, at the last token.

    The same as mauve-text's featuriser gives for GPT-2. Texts already featured by this model cost nothing; `what` names
    the set in the progress line. Texts are read together if the network gives the same for padded rows.

    Raises
    ------
    InputError
        A text has no tokens, and nothing opens it.
    ParameterError
        The opening token is asked for and the model has none.
    """
    keep = keep or Keeper()
    yield Progress(f"Looking up features of {what}", 0, len(texts), "texts")
    limit = min(MOST_TOKENS, model.context_length)
    opening = opening_ids(model, bos)
    digests = [digest([text]) for text in texts]
    key = f"{model.key} first {limit} tokens" + (f" opened by {list(opening)}" if opening else "")
    known = keep.features(key, list(dict.fromkeys(digests)))
    missing = {name: text for name, text in zip(digests, texts, strict=True) if name not in known}
    encoded = {name: _encoded(model, text, opening)[:limit] for name, text in missing.items()}
    message = f"Reading {what} with {model.title}{_apart(model, encoded)}"
    ordered = sorted(encoded)
    for places in hidden_states.batches([len(encoded[name]) for name in ordered], BATCH_TOKENS):
        names = [ordered[place] for place in places]
        states = hidden_states.tail_states(model, [encoded[name] for name in names], [1] * len(names))
        found = dict(zip(names, states.float().cpu().numpy(), strict=True))
        keep.put_features(key, found)
        known.update(found)
        yield Progress(message, len(known), len(set(digests)), "texts")
    return np.stack([known[name] for name in digests])


text_features = blocking(text_features_steps)


def _encoded(model: ScoringModel, text: str, opening: tuple[int, ...]) -> Ints:
    ids = np.array([*opening, *model.tokenizer.encode(text).token_ids.tolist()], dtype=np.int64)
    if not ids.size:
        raise errors.InputError(f"The text {text[:40]!r} has no tokens for {model.title}. Leave it out.")
    return ids


def _apart(model: ScoringModel, encoded: Mapping[str, Ints]) -> str:
    """Why texts are read one by one, if they are."""
    longest = max(map(len, encoded.values()), default=0)
    asked = isinstance(model, LoadedModel) and len(encoded) > 1
    return f". {APART}" if asked and not hidden_states.pads(model, longest) else ""


def short_note(model: ScoringModel, texts: Sequence[str], what: str) -> tuple[str, ...]:
    """A note if half of the texts are shorter than `SHORT_TOKENS` tokens."""
    median = float(np.median([len(model.tokenizer.encode(text)) for text in texts]))
    if median >= SHORT_TOKENS:
        return ()
    return (f"Half of {what} have {median:.0f} tokens or fewer: MAUVE was made for texts of a hundred and more.",)

"""The texts of a start model's tokens, without loading the model."""

from engine import registry, sources
from engine.errors import ModelAbsentError
from engine.quiet import quiet_libraries
from engine.sources import scratch
from engine.tokens import TextTokenizer
from engine.training.config import SCRATCH


def token_texts(start: str) -> tuple[str, ...]:
    """Text of every token, in the order of ids, of the model that a run starts from.

    Raises
    ------
    UnknownModelError, ModelAbsentError
        Where there is no such model, or it is not on this machine.
    """
    tokenizer = TextTokenizer(scratch.gpt2_tokenizer() if start == SCRATCH else _tokenizer_of(start))
    return tuple(tokenizer.token_texts(range(tokenizer.size)))


def _tokenizer_of(name: str):  # type: ignore[no-untyped-def] # transformers has no types
    from transformers import AutoTokenizer

    spec = registry.resolve(name)
    path = sources.availability(spec).path
    if path is None:
        raise ModelAbsentError(f"{spec.title} is not on this machine. Fetch it on the models page.")
    with quiet_libraries():
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)

"""The texts of a start model's tokens, without loading the model, and which of its tokens are no text."""

import re
from dataclasses import dataclass
from typing import Any

from engine import sources
from engine.errors import ModelAbsentError
from engine.models import registry
from engine.quiet import quiet_libraries
from engine.sources import scratch
from engine.text.tokens import TextTokenizer
from engine.training.config import SCRATCH

_CONTROL_NAME = re.compile(r"<[|\uff5c].+[|\uff5c]>|[<\[](?:unused|reserved|extra|pad|mask)[^>\]]*[>\]]", re.IGNORECASE)
"""Names of control tokens among added ones that are not marked as such."""


@dataclass(frozen=True)
class Vocabulary:
    """Texts of all tokens of a model, in the order of ids, and the ids of those that stand for no text."""

    texts: tuple[str, ...]
    control_ids: frozenset[int]


def read(start: str) -> Vocabulary:
    """Read the tokens of the model that a run starts from.

    A network made from scratch has no control tokens: with random weights no token controls anything yet, and all are
    alike. So "<|endoftext|>", which has an x in its name, is one of the 985 tokens of GPT-2 that do.

    Raises
    ------
    UnknownModelError, ModelAbsentError
        There is no such model, or it is not on this machine.
    """
    tokenizer = _tokenizer_of(start)
    texts = tuple(tokenizer.token_texts(range(tokenizer.size)))
    return Vocabulary(texts, frozenset() if start == SCRATCH else control_ids_of(tokenizer))


def control_ids_of(tokenizer: TextTokenizer) -> frozenset[int]:
    """Ids that stand for no text: marked as special, or added under a name that only control tokens have."""
    added = tokenizer.backend.added_tokens_decoder
    return frozenset(tokenizer.backend.all_special_ids) | {
        index for index, token in added.items() if token.special or _CONTROL_NAME.fullmatch(token.content)
    }


def _tokenizer_of(start: str) -> TextTokenizer:
    if start == SCRATCH:
        return TextTokenizer(scratch.gpt2_tokenizer())
    from transformers import AutoTokenizer

    spec = registry.resolve(start)
    path = sources.availability(spec).path
    if path is None:
        raise ModelAbsentError(f"{spec.title} is not on this machine. Fetch it on the models page.")
    with quiet_libraries():
        backend: Any = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    return TextTokenizer(backend)

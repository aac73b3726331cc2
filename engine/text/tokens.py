"""Text to tokens and back: ids, exact character spans, and a readable string for every id.

A byte-level tokenizer may cut a character into several tokens. Every token here carries the span of all the characters
it has bytes of, so that such tokens overlap, and a token that is not whole characters is shown as bytes, `⟨F0 9F⟩`.
"""

import hashlib
import itertools
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.arrays import Ints
from engine.text import texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SENTENCEPIECE_SPACE = "▁"
# What extends a character beside marks: jamo after a syllable's first, joiners, halfwidth voicing marks, skin tones,
# tags.
_EXTENDERS = re.compile(
    "[\u1160-\u11ff\ud7b0-\ud7ff\u200c\u200d\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)


@dataclass(frozen=True, eq=False)
class Encoding:
    """The tokens of one text.

    Attributes
    ----------
    token_ids : (n,) int64. A tokenizer that drops white space may find no token in a text of it: n is then 0.
    spans : (n, 2) int64, start and end in characters of the text. No span is empty; starts and ends never fall;
        together they cover the text without gaps, and two neighbours overlap just where they share a character.
    """

    token_ids: Ints
    spans: Ints

    def __post_init__(self) -> None:
        if self.token_ids.ndim != 1 or self.spans.shape != (len(self.token_ids), 2):
            raise ValueError(f"token_ids {self.token_ids.shape} and spans {self.spans.shape} do not belong together")

    def __len__(self) -> int:
        return len(self.token_ids)


class TextTokenizer:
    """A Hugging Face fast tokenizer, asked only what scoring needs.

    Text that spells a special token ("<|endoftext|>") is plain text here unless asked otherwise, and nothing is added
    to it.
    """

    def __init__(self, backend: "PreTrainedTokenizerFast") -> None:
        self.backend = backend

    @cached_property
    def size(self) -> int:
        """Number of ids the tokenizer knows: the highest id plus one. The logits may be wider (padding)."""
        return max(self.backend.get_vocab().values()) + 1

    @cached_property
    def vocabulary_id(self) -> str:
        """SHA-256 of the map from id to token. Equal ids mean that distributions over tokens can be compared."""
        by_id = sorted((index, token) for token, index in self.backend.get_vocab().items())
        return hashlib.sha256(json.dumps(by_id).encode()).hexdigest()

    @cached_property
    def opening_ids(self) -> tuple[int, ...]:
        """Ids that the tokenizer itself puts in front of every text; none for GPT-2, `<bos>` for Gemma."""
        found = self.backend("a", add_special_tokens=True, return_special_tokens_mask=True, verbose=False)
        pairs = zip(found["input_ids"], found["special_tokens_mask"], strict=True)
        return tuple(token_id for token_id, _ in itertools.takewhile(lambda pair: pair[1], pairs))

    def encode(self, text: str, *, special_tokens: bool = False) -> Encoding:
        """Ids and character spans of `text`, without opening tokens.

        Parameters
        ----------
        text : any text that is not empty
        special_tokens : whether text that spells a special token is read as that token

        Raises
        ------
        TextError
            If the text is empty or holds a lone surrogate.
        """
        texts.check_text(text)
        ids = np.asarray(self._cut(text, special_tokens)["input_ids"], dtype=np.int64)
        table = self._bytes
        pieces = [table[token_id] for token_id in ids.tolist()]
        if all(pieces) and b"".join(pieces) == text.encode("utf-8"):
            return Encoding(ids, _spans_of_bytes(text, pieces))
        # The tokenizer rewrites text before cutting it (adds a space, composes characters): take its word for it.
        offsets = self._cut(text, special_tokens, return_offsets_mapping=True)["offset_mapping"]
        return Encoding(ids, _tiled(np.asarray(offsets, dtype=np.int64).reshape(-1, 2), text))

    def token_texts(self, ids: Iterable[int] | Ints) -> list[str]:
        """One string for people per id (n,). What is not whole characters shows as bytes, never as U+FFFD."""
        table = self._texts
        size = len(table)
        listed = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        return [table[i] if 0 <= i < size else f"⟨unused {i}⟩" for i in listed]

    def _cut(self, text: str, special_tokens: bool, **wanted: bool) -> Any:
        return self.backend(
            text,
            add_special_tokens=False,
            split_special_tokens=not special_tokens,
            verbose=False,
            return_attention_mask=False,
            **wanted,
        )

    @cached_property
    def _bytes(self) -> list[bytes]:
        """UTF-8 bytes that each id stands for, in the order of ids; empty for ids that no token has."""
        table = [b""] * self.size
        decoder = str(json.loads(self.backend.backend_tokenizer.to_str())["decoder"])
        added = {index: token.content for index, token in self.backend.added_tokens_decoder.items()}
        as_bytes = _from_byte_level if "ByteLevel" in decoder else _from_sentencepiece
        for token, index in self.backend.get_vocab().items():
            table[index] = added[index].encode() if index in added else as_bytes(token)
        return table

    @cached_property
    def _texts(self) -> list[str]:
        names = {index: token for token, index in self.backend.get_vocab().items()}
        return [_readable(data) if index in names else f"⟨unused {index}⟩" for index, data in enumerate(self._bytes)]


def byte_alphabet() -> dict[str, int]:
    """The 256 characters byte-level tokenizers write bytes with: printable ones stand for themselves.

    The same table as GPT-2's `bytes_to_unicode` (Radford et al., 2019), the other way round.

    Examples
    --------
    >>> byte_alphabet()["Ġ"], byte_alphabet()["a"]
    (32, 97)
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    return alphabet | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTE_ALPHABET = byte_alphabet()


def _from_byte_level(token: str) -> bytes:
    try:
        return bytes(_BYTE_ALPHABET[character] for character in token)
    except KeyError:  # a token added later and written as it is
        return token.encode()


def _from_sentencepiece(token: str) -> bytes:
    match = _BYTE_TOKEN.fullmatch(token)
    if match:
        return bytes([int(match[1], 16)])
    return token.replace(_SENTENCEPIECE_SPACE, " ").encode("utf-8", "surrogatepass")


def _readable(data: bytes) -> str:
    r"""Text of `data`, with the bytes that are not whole characters written out.

    Examples
    --------
    >>> _readable(b" \xf0\x9f")
    ' ⟨F0 9F⟩'
    """
    parts: list[str] = []
    while data:
        try:
            parts.append(data.decode("utf-8"))
            break
        except UnicodeDecodeError as error:
            # `error.end` may stop within a run of stray bytes: the next turn takes up the rest.
            parts += [data[: error.start].decode("utf-8"), f"⟨{data[error.start : error.end].hex(' ').upper()}⟩"]
            data = data[error.end :]
    return "".join(parts).replace("⟩⟨", " ").replace("\ufffd", "⟨EF BF BD⟩")


def _spans_of_bytes(text: str, pieces: list[bytes]) -> Ints:
    """Character spans (n, 2) of tokens whose bytes, joined, are the text's."""
    data = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    character_of_byte = np.cumsum((data & 0xC0) != 0x80) - 1  # continuation bytes are 10xxxxxx
    ends = np.cumsum([len(piece) for piece in pieces])
    starts = np.concatenate([[0], ends[:-1]])
    spans: Ints = np.stack([character_of_byte[starts], character_of_byte[ends - 1] + 1], axis=1).astype(np.int64)
    return spans


def _tiled(offsets: Ints, text: str) -> Ints:
    """A tokenizer's own offsets (n, 2) made to cover the text: gaps closed, empty spans joined to a neighbour.

    A combining mark that belongs to no token, since the tokenizer composed it with its letter or dropped it, goes to
    the tokens of that letter. Other characters that belong to none go to the next token, those after the last one to
    the last. A token that stands for no character of the text, such as a space the tokenizer puts in front, shares the
    next token's. A text of such characters only has no tokens, and no spans.
    """
    if not len(offsets):
        return offsets
    length = len(text)
    offsets = _with_marks(offsets, text)
    starts, ends = np.maximum.accumulate(offsets[:, 0]), np.maximum.accumulate(offsets[:, 1])
    ends = np.minimum(ends, length)
    ends[-1] = length
    reached = np.concatenate([[0], ends[:-1]])
    starts = np.minimum(starts, reached)
    starts = np.minimum(starts, starts[starts < length].max())
    for i in range(len(ends) - 2, -1, -1):
        if ends[i] <= starts[i]:
            ends[i] = ends[i + 1]
    return np.stack([starts, np.maximum.accumulate(ends)], axis=1).astype(np.int64)


def _with_marks(offsets: Ints, text: str) -> Ints:
    """The offsets, each moved on over the marks behind it that no token has."""
    bounds = np.zeros(len(text) + 1, dtype=np.int64)
    np.add.at(bounds, offsets[:, 0].clip(0, len(text)), 1)
    np.add.at(bounds, offsets[:, 1].clip(0, len(text)), -1)
    uncovered = np.flatnonzero(np.cumsum(bounds[:-1]) == 0)
    after = np.arange(len(text) + 1)
    for place in uncovered[::-1].tolist():
        if _extends_a_character(text[place]):
            after[place] = after[place + 1]
    starts, ends = offsets.T
    return np.stack([starts, np.where(ends > starts, after[ends.clip(0, len(text))], ends)], axis=1)


def _extends_a_character(character: str) -> bool:
    r"""Whether a character is a part of the one before it: a mark, a joiner, a further jamo, a skin tone.

    The property Grapheme_Extend of Unicode (Standard Annex 29) with spacing marks, joiners and the jamo that compose.

    Examples
    --------
    >>> [_extends_a_character(character) for character in "e\u0301 \ufe0f"]
    [False, True, False, True]
    """
    return unicodedata.category(character) in {"Mn", "Mc", "Me"} or bool(_EXTENDERS.match(character))

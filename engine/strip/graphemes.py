"""Where cells and words begin: what a reader takes for one character, and what stands between white space.

A tokenizer cuts text where it likes, within characters too. Cells put that right for the eye; words, for those who
count in words. Both are ranges of tokens, given by their first token. Nothing here knows of scores or of a page.
"""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import regex

from engine.arrays import Ints

# A text is set in a monospaced face when this share of its lines is indented: then columns matter.
_INDENTED_SHARE_OF_CODE = 0.2
_CLUSTER = regex.compile(r"\X")
_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


def cell_starts(text: str, spans: Ints, starts: list[int]) -> list[int]:
    """Those starts at which a reader sees a new character: an extended grapheme cluster of Unicode's annex 29.

    A token that begins inside one, with a mark, a skin tone or half a flag, belongs to the cell before.
    """
    clusters = {found.start() for found in _CLUSTER.finditer(text)}
    at = spans[starts, 0].tolist()
    return [start for start, place in zip(starts, at, strict=True) if place in clusters or start == starts[0]]


def cell_texts(text: str, spans: Ints, edges: list[int]) -> list[str]:
    """Text of each cell, given the tokens (or spans) its cells begin at and the end."""
    return [text[spans[start, 0] : spans[stop - 1, 1]] for start, stop in pairwise(edges)]


def word_starts(texts: Sequence[str]) -> list[int]:
    r"""Which pieces of text begin a word; a word is what stands between white space, punctuation included.

    Pieces of white space stand alone. Scripts written without spaces have no such words: each piece is one.

    Examples
    --------
    >>> word_starts(["The", " hea", "t", "map", ",", "\n", "too"])
    [0, 1, 5, 6]
    """
    return [0, *(at for at, (left, right) in enumerate(pairwise(texts), 1) if _breaks(left, right))] if texts else []


def _breaks(left: str, right: str) -> bool:
    edge_is_space = left[-1:].isspace() or right[:1].isspace()
    return edge_is_space or (_spaceless(left[-1:]) and _spaceless(right[:1]))


def _spaceless(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_WITHOUT_SPACES) if character else False


def is_code(text: str) -> bool:
    """Whether the text is indented like code, and so wants a monospaced face."""
    lines = [line for line in text.splitlines() if line.strip()]
    indented = sum(line.startswith(("  ", "\t")) for line in lines)
    return indented >= max(2.0, _INDENTED_SHARE_OF_CODE * len(lines))

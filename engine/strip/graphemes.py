"""Where cells and words begin: what a reader takes for one character, and what stands between white space.

A tokenizer cuts text where it likes, within characters too. Cells put that right for the eye; words, for those who
count in words. Both are ranges of tokens, given by their first token. Nothing here knows of scores or of a page.
"""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from engine.arrays import Ints

# A text is set in a monospaced face when this share of its lines is indented: then columns matter.
_INDENTED_SHARE_OF_CODE = 0.2
# Zero-width joiner and skin tones; variation selectors and accents are marks by category.
_JOINERS = "\u200d" + "".join(map(chr, range(0x1F3FB, 0x1F400)))
_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


def cell_starts(text: str, spans: Ints, starts: list[int]) -> list[int]:
    """Those starts at which a reader sees a new character.

    A mark or a skin tone alone has no place of its own: it belongs to the cell before.
    """
    at = spans[starts, 0].tolist()
    return [start for start, place in zip(starts, at, strict=True) if not place or not _joined(text, place)]


def _joined(text: str, at: int) -> bool:
    """Whether the character at `at` is drawn as part of the one before it."""
    before, here = text[at - 1], text[at]
    if before.isspace():
        return False
    return here in _JOINERS or before == _JOINERS[0] or unicodedata.category(here) in ("Mn", "Mc", "Me")


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

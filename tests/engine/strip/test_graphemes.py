"""Cells and words: every character whole, every word between white space."""

from itertools import pairwise

import numpy as np
import pytest

from engine.strip import graphemes
from tests import readings


@pytest.mark.parametrize("character", ["👍🏽", "👩\u200d🚀", "e\u0301", "❤\ufe0f", "कि"])
def test_what_is_drawn_as_one_character_is_one_cell(character: str) -> None:
    spans = np.array([[i, i + 1] for i in range(len(character) + 2)])
    text = f"a{character}b"
    starts = graphemes.cell_starts(text, spans, list(range(len(text))))
    assert graphemes.cell_texts(text, spans, [*starts, len(text)]) == ["a", character, "b"]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([], []),
        (["Hello"], ["Hello"]),
        (["The", " hea", "t", "map"], ["The", " heatmap"]),
        (["end", ".", " Next"], ["end.", " Next"]),
        (["a", "\n", "\n", "b"], ["a", "\n", "\n", "b"]),
        (["  ", "if", " x", ":"], ["  ", "if", " x:"]),
        (["well ", "then"], ["well ", "then"]),
        (["日", "本", "語"], ["日", "本", "語"]),
        (["コ", "ードは", " ok"], ["コ", "ードは", " ok"]),
        ([" شك", "را"], [" شكرا"]),
    ],
)
def test_words_are_what_stands_between_white_space(pieces: list[str], words: list[str]) -> None:
    starts = graphemes.word_starts(pieces)
    assert ["".join(pieces[start:stop]) for start, stop in pairwise([*starts, len(pieces)])] == words * bool(pieces)


def test_indented_text_is_code_and_prose_is_not() -> None:
    assert graphemes.is_code(readings.CODE)
    assert not graphemes.is_code(readings.ENGLISH)
    assert not graphemes.is_code("")

"""Cells and words: every character whole, every word between white space."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.strip import graphemes
from tests import readings


def cells(text: str, cuts: list[int]) -> list[str]:
    """What is shown of a text whose tokens end at `cuts` and at its end."""
    spans = np.array(list(pairwise([0, *cuts, len(text)])))
    starts = graphemes.cell_starts(text, spans, list(range(len(spans))))
    return graphemes.cell_texts(text, spans, [*starts, len(spans)])


def cut_everywhere(text: str) -> list[str]:
    return cells(text, list(range(1, len(text))))


@pytest.mark.parametrize(
    "character",
    [
        "👍🏽",  # skin tone
        "👩\u200d🚀",  # joined emoji
        "👨\u200d👩\u200d👧\u200d👦",
        "🏳\ufe0f\u200d🌈",
        "e\u0301",  # accents
        "o\u0302\u0323",
        "❤\ufe0f",  # variation selector
        "1\ufe0f\u20e3",  # keycap
        "🇩🇪",  # flag of two letters
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # flag of tags
        "\u1112\u1161\u11ab",  # Hangul: leading, vowel, trailing
        "\ud558\u11ab",  # a syllable of two, and a trailing one
        "कि",  # Devanagari with a vowel sign
        "क्ष",  # conjuncts
        "न्दि",
        "กำ",  # Thai with a spacing vowel
        "\u0600١",  # Arabic number sign before a digit
        "\r\n",
    ],
)
def test_what_is_drawn_as_one_character_is_one_cell(character: str) -> None:
    assert cut_everywhere(f"a{character}b") == ["a", character, "b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Kinds of Unicode's GraphemeBreakTest: rules GB3 to GB999 where they join and where they part.
        ("  ", [" ", " "]),
        (" \u0308", [" \u0308"]),
        ("\r\u0308", ["\r", "\u0308"]),
        ("\n\r", ["\n", "\r"]),
        ("\u0001\u0308", ["\u0001", "\u0308"]),
        ("\u1100\u1100", ["\u1100\u1100"]),
        ("\uac00\u1160", ["\uac00\u1160"]),
        ("\uac01\u1160", ["\uac01", "\u1160"]),
        ("\u11a8\u1100", ["\u11a8", "\u1100"]),
        ("a\u0903", ["a\u0903"]),
        ("\u0600 ", ["\u0600 "]),
        ("a🇦🇧🇨🇩", ["a", "🇦🇧", "🇨🇩"]),
        ("🇦🇧\u200d🇨", ["🇦🇧\u200d", "🇨"]),
        ("🇦a🇧", ["🇦", "a", "🇧"]),
        ("a\u200db", ["a\u200d", "b"]),
        ("a\u200d🛑", ["a\u200d", "🛑"]),
        ("👶🏿👶", ["👶🏿", "👶"]),
        ("🛑\u200d🛑", ["🛑\u200d🛑"]),
        ("क\u094dत", ["क\u094dत"]),
        ("क\u094d\u200dत", ["क\u094d\u200dत"]),
        ("कत", ["क", "त"]),
        ("क\u094da", ["क\u094d", "a"]),
    ],
)
def test_cells_begin_where_unicode_says_that_characters_do(text: str, expected: list[str]) -> None:
    assert cut_everywhere(text) == expected


def test_a_token_that_begins_within_a_character_stands_in_the_cell_before() -> None:
    assert cells("🇩🇪🇫🇷!", [1, 3]) == ["🇩🇪🇫🇷!"]
    assert cells("🇩🇪🇫🇷!", [1, 2]) == ["🇩🇪", "🇫🇷!"]
    assert cells("cafe\u0301 noir", [4, 5]) == ["cafe\u0301", " noir"]


def test_a_mark_at_the_start_has_a_cell_of_its_own() -> None:
    assert cut_everywhere("\u0301a") == ["\u0301", "a"]


_PIECES = st.sampled_from(
    ["a", " ", "\r\n", "e\u0301", "\u0301", "👩\u200d🚀", "🇩🇪", "🇫", "👍🏽", "क्षि", "\u1112", "\u1161", "日", "\u200d"]
)


@given(st.data())
def test_joined_cells_give_the_text_back_and_each_ends_where_a_token_does(data: st.DataObject) -> None:
    text = "".join(data.draw(st.lists(_PIECES, min_size=1, max_size=20))) + data.draw(st.text(max_size=5))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=12))) if len(text) > 1 else []
    shown = cells(text, cuts)
    assert "".join(shown) == text
    assert {len("".join(shown[:n])) for n in range(1, len(shown))} <= set(cuts)


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

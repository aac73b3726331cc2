import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.models.loaded import LoadedModel
from engine.text import alignment
from tests.engine import fakes

BYTES = fakes.byte_tokenizer()
PAIRS = fakes.byte_tokenizer((("e", "Ġ"), ("a", "b"), ("b", "a"), ("Ŀ", "ð"), ("ab", "ab")))


def spans(*borders: int) -> np.ndarray:
    """Tokens between neighbouring borders."""
    return np.array(list(itertools.pairwise(borders)))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (spans(0, 2, 4), spans(0, 2, 4), [[0, 2], [2, 4]]),
        (spans(0, 1, 4), spans(0, 3, 4), [[0, 4]]),
        (spans(0, 1, 2, 5, 6), spans(0, 2, 3, 6), [[0, 2], [2, 6]]),
        (np.array([[0, 1], [0, 1], [1, 2]]), spans(0, 1, 2), [[0, 1], [1, 2]]),
        (np.array([[0, 2], [1, 3], [3, 4]]), spans(0, 1, 2, 3, 4), [[0, 3], [3, 4]]),
    ],
    ids=["equal", "crossing", "mixed", "a character of two tokens", "tokens that share a character"],
)
def test_common_spans_are_these(a: np.ndarray, b: np.ndarray, expected: list[list[int]]) -> None:
    assert alignment.common_spans(a, b).spans.tolist() == expected
    assert alignment.common_spans(b, a).spans.tolist() == expected


@given(text=st.text("abe 🙂½", min_size=1, max_size=40))
@settings(deadline=None)
def test_common_spans_tile_the_text_and_their_tokens_cover_them_exactly(text: str) -> None:
    a, b = PAIRS.encode(text).spans, BYTES.encode(text).spans
    aligned = alignment.common_spans(a, b)
    assert aligned.spans[0, 0] == 0
    assert aligned.spans[-1, 1] == len(text)
    assert (aligned.spans[1:, 0] == aligned.spans[:-1, 1]).all()
    for side, ranges in ((a, aligned.ranges_a), (b, aligned.ranges_b)):
        assert ranges[-1, 1] == len(side)
        for (start, stop), (first, last) in zip(aligned.spans, ranges, strict=True):
            assert (side[first:last, 0].min(), side[first:last, 1].max()) == (start, stop)


def test_gpt2_and_smollm2_agree_on_words_and_differ_on_digits(smollm2: LoadedModel, tiny_gpt2: LoadedModel) -> None:
    text = "The year 1234 cost ½ 🙂."
    a, b = (model.tokenizer.encode(text) for model in (tiny_gpt2, smollm2))
    aligned = alignment.common_spans(a.spans, b.spans)
    pieces = [text[start:stop] for start, stop in aligned.spans]
    assert pieces[:2] == ["The", " year"]
    assert "".join(pieces) == text
    assert " 🙂" in pieces or "🙂" in pieces
    assert any(set(piece) & set("1234") and len(piece) > 1 for piece in pieces)


def test_sums_are_nan_where_a_token_is_unpredicted() -> None:
    summed = alignment.sums(np.array([np.nan, -1.0, -2.0, -4.0]), np.array([[0, 2], [2, 4]]))
    np.testing.assert_array_equal(summed, [np.nan, -6.0])


def test_tokenizations_of_different_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="end at characters 2 and 3"):
        alignment.common_spans(spans(0, 2), spans(0, 3))


def test_pieces_are_turned_into_the_tokens_of_each_side() -> None:
    ranges = np.array([[0, 1], [1, 1], [1, 4]])
    assert alignment.tokens_in(ranges, [0, 1, 2]) == [0, 1, 2, 3]
    assert alignment.tokens_in(ranges, []) == []

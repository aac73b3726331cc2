"""Windows cover the stream, and their order can be computed from any point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from tools.distil.packing import Windows, window_numbers


def test_windows_predict_every_token_of_the_stream_once() -> None:
    windows = Windows(np.arange(23, dtype=np.uint16), context=5)
    assert windows.count == 4
    found = windows.at(np.arange(4))
    assert found[:, 1:].flatten().tolist() == list(range(1, 21))
    assert found[:, 0].tolist() == [0, 5, 10, 15]
    assert windows.first(99).shape == (4, 6)


def test_too_little_text_is_refused() -> None:
    with pytest.raises(InputError, match="less than one window"):
        Windows(np.arange(5, dtype=np.uint16), context=5)


@given(st.integers(1, 20), st.integers(0, 50), st.integers(1, 30))
def test_the_order_is_the_same_from_wherever_it_is_taken_up(count: int, start: int, wanted: int) -> None:
    whole = window_numbers(count, 7, 0, start + wanted)
    assert window_numbers(count, 7, start, wanted).tolist() == whole[start:].tolist()


def test_each_round_has_every_window_once_in_an_order_of_its_own() -> None:
    first, second = window_numbers(50, 7, 0, 100).reshape(2, 50)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first.tolist() != second.tolist()
    assert first.tolist() != window_numbers(50, 8, 0, 50).tolist()

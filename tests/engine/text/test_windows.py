import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ParameterError
from engine.text import windows


@pytest.mark.parametrize(
    ("n", "window", "stride", "bos", "expected"),
    [
        (1, 4, 2, False, []),
        (1, 4, 2, True, [(0, 1, 0)]),
        (4, 4, 2, False, [(0, 4, 1)]),
        (4, 4, 2, True, [(0, 3, 0), (1, 4, 3)]),
        (5, 4, 2, False, [(0, 4, 1), (1, 5, 4)]),
        (9, 4, 2, False, [(0, 4, 1), (2, 6, 4), (4, 8, 6), (5, 9, 8)]),
        (9, 4, 3, False, [(0, 4, 1), (3, 7, 4), (5, 9, 7)]),
        (10, 6, 3, False, [(0, 6, 1), (3, 9, 6), (4, 10, 9)]),
        (7, 4, 3, True, [(0, 3, 0), (3, 6, 3), (4, 7, 6)]),
        (3, 2, 1, False, [(0, 2, 1), (1, 3, 2)]),
    ],
)
def test_windows_are_these(n: int, window: int, stride: int, bos: bool, expected: list[tuple[int, int, int]]) -> None:
    found = windows.rolling_windows(n, windows.plan(1024, window, stride, opening=int(bos)))
    assert [(w.start, w.stop, w.first) for w in found] == expected


@given(data=st.data(), n=st.integers(1, 300), window=st.integers(4, 60), opening=st.integers(0, 3))
def test_each_token_is_predicted_once_and_from_something(
    data: st.DataObject, n: int, window: int, opening: int
) -> None:
    stride = data.draw(st.integers(1, window - max(1, opening)))
    found = windows.rolling_windows(n, windows.plan(1024, window, stride, opening=opening))
    predicted = [token for w in found for token in range(w.first, w.stop)]
    assert predicted == list(range(0 if opening else 1, n))
    for w in found:
        assert w.stop - w.start + opening <= window
        assert w.first - w.start + opening >= 1


@given(n=st.integers(2, 300), window=st.integers(2, 60))
def test_later_windows_are_full_and_leave_half_as_context(n: int, window: int) -> None:
    plan = windows.plan(1024, window, None)
    for w in windows.rolling_windows(n, plan)[1:]:
        assert w.stop - w.start == window
        assert w.first - w.start >= window - window // 2


def test_defaults_are_the_context_and_half_of_it() -> None:
    plan = windows.plan(1024, None, None)
    assert (plan.window, plan.stride) == (1024, 512)
    assert windows.plan(1024, 100, None).stride == 50


@pytest.mark.parametrize(
    ("window", "stride", "said"),
    [
        (1025, None, "The window is 1,025 tokens; this model reads 2 to 1,024"),
        (1, None, "The window is 1 tokens"),
        (100, 100, "The stride is 100 tokens; with a window of 100 it must be 1 to 99"),
        (100, 0, "The stride is 0 tokens"),
    ],
)
def test_settings_out_of_range_are_refused_with_value_and_limit(window: int, stride: int | None, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        windows.plan(1024, window, stride)

"""Rolling windows: how a text longer than the context is read so that each token is predicted exactly once.

This module knows nothing of models: it counts.
"""

from dataclasses import dataclass

from engine.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens start..stop-1 are read at once, tokens first..stop-1 of them are predicted here."""

    start: int
    stop: int
    first: int


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Window and stride in tokens, checked against a context length. A BOS token takes one place in each window."""

    window: int
    stride: int
    bos: bool

    @property
    def room(self) -> int:
        """Tokens of the text in one window."""
        return self.window - self.bos


def plan(context_length: int, window: int | None, stride: int | None, *, bos: bool = False) -> WindowPlan:
    """Fill in the defaults (the whole context; half the window) and check both.

    Raises
    ------
    ParameterError
        Where the window is not in 2..context_length, or the stride not in 1..window-1, which leaves each predicted
        token at least one token to be predicted from.

    Examples
    --------
    >>> plan(1024, None, None)
    WindowPlan(window=1024, stride=512, bos=False)
    """
    window = context_length if window is None else window
    if not 2 <= window <= context_length:
        raise ParameterError(
            f"The window is {window:,} tokens; this model reads 2 to {context_length:,} at once. Choose one in between."
        )
    stride = window // 2 if stride is None else stride
    if not 1 <= stride <= window - 1:
        raise ParameterError(
            f"The stride is {stride:,} tokens; with a window of {window:,} it must be 1 to {window - 1:,}, "
            "so that every token has something before it."
        )
    return WindowPlan(window, stride, bos)


def rolling_windows(n: int, window: int, stride: int, *, bos: bool = False) -> tuple[Window, ...]:
    """Windows over n tokens.

    The first window predicts all it can, which is everything but the first token, unless a BOS token stands in front.
    Each further window moves on by `stride` tokens and predicts those; the last one ends with the text and keeps its
    full length, so that its tokens have as much context as the others'. One token alone predicts nothing: no window.

    Parameters
    ----------
    n
        Tokens of the text, >= 1.
    window, stride
        Tokens read at once, a BOS token included, and tokens moved on; as `plan` allows them.
    bos
        Whether a BOS token opens every window.

    Examples
    --------
    >>> [(w.start, w.stop, w.first) for w in rolling_windows(10, 6, 3)]
    [(0, 6, 1), (3, 9, 6), (4, 10, 9)]
    """
    if n == 1 and not bos:
        return ()
    room = window - bos
    stop = min(n, room)
    windows = [Window(0, stop, 0 if bos else 1)]
    while stop < n:
        first, stop = stop, min(n, stop + stride)
        windows.append(Window(stop - room, stop, first))
    return tuple(windows)

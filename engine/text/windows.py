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
    """Window and stride in tokens, checked against a context length.

    `opening` is the number of places that opening tokens take in each window. `predicts_first` says whether the text's
    first token is predicted: not without an opening token, nor if a second model that walks along has none.
    """

    window: int
    stride: int
    opening: int = 0
    predicts_first: bool = False

    @property
    def room(self) -> int:
        """Tokens of the text in one window."""
        return self.window - self.opening


def plan(
    context_length: int, window: int | None, stride: int | None, *, opening: int = 0, predicts_first: bool | None = None
) -> WindowPlan:
    """Fill in the defaults (the whole context; half the window) and check both.

    Raises
    ------
    ParameterError
        The window is not in 2..context_length, or leaves no room beside the opening tokens, or the stride is so long
        that a predicted token would have nothing before it.

    Examples
    --------
    >>> plan(1024, None, None).stride
    512
    """
    window = context_length if window is None else window
    least = max(2, opening + 1)
    if not least <= window <= context_length:
        raise ParameterError(
            f"The window is {window:,} tokens; this model reads {least} to {context_length:,} at once. "
            "Choose one in between."
        )
    stride = window // 2 if stride is None else stride
    most = window - max(1, opening)
    if not 1 <= stride <= most:
        raise ParameterError(
            f"The stride is {stride:,} tokens; with a window of {window:,} it must be 1 to {most:,}, "
            "so that every token has something before it."
        )
    return WindowPlan(window, stride, opening, bool(opening) if predicts_first is None else predicts_first)


def rolling_windows(n: int, plan: WindowPlan) -> tuple[Window, ...]:
    """Windows over n tokens.

    The first window predicts all it can, which is everything but the first token, unless an opening token stands in
    front. Each further window moves on by the stride and predicts those; the last one ends with the text and keeps its
    full length, so that its tokens have as much context as the others'. One token alone predicts nothing: no window.

    Parameters
    ----------
    n : tokens of the text, >= 1
    plan : what `engine.text.windows.plan` gives

    Examples
    --------
    >>> [(w.start, w.stop, w.first) for w in rolling_windows(10, WindowPlan(6, 3))]
    [(0, 6, 1), (3, 9, 6), (4, 10, 9)]
    """
    if n == 1 and not plan.predicts_first:
        return ()
    stop = min(n, plan.room)
    windows = [Window(0, stop, 0 if plan.predicts_first else 1)]
    while stop < n:
        first, stop = stop, min(n, stop + plan.stride)
        windows.append(Window(stop - plan.room, stop, first))
    return tuple(windows)

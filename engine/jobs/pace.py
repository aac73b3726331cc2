"""How long work is getting on, measured from its steps: how far it is, how fast, and how long it has left.

The time left is that of the whole work, from the share done of all its stages, and the speed that of the last half
minute, because stages differ and so do the guesses at their sizes.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.steps import Progress

WINDOW_SECONDS = 30.0
LEAST_SECONDS = 2.0
"""Over less time than this nothing is said of the speed."""


@dataclass(frozen=True, slots=True)
class Status:
    """A piece of long work at one moment.

    Parameters
    ----------
    progress : the last step, None before the first
    rate : units of `progress` per second, None while not known
    seconds_left : until the whole work is done, None while not known
    ahead : pieces of other people's work that come first
    behind : None if nothing comes first; else what is being done before it, of one's own or nobody's ('' if not known)
    stopping : whether it was told to stop and is at its last step
    """

    progress: Progress | None = None
    rate: float | None = None
    seconds_left: float | None = None
    ahead: int = 0
    behind: str | None = None
    stopping: bool = False


class Meter:
    """Measures one piece of work. `status` may be read from any thread while another notes steps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.status = Status()
        self._clock = clock
        self._share, self._count = _Line(), _Line()
        self._counted = 0
        self._kept = False

    def note(self, progress: Progress, at: float | None = None) -> None:
        """Take note of a step, made at `at` seconds of the clock; now, if it is left out."""
        if progress.kept:
            self._kept = True
            return
        at = self._clock() if at is None else at
        last, share = self.status.progress or progress, progress.fraction or 0.0
        if self._kept or share < (last.fraction or 0.0):  # no faster for what was done before; a stage of its own
            self._share.restart()
        if self._kept or progress.unit != last.unit:
            self._count.restart()
        self._kept = False
        self._counted += max(0, progress.done - last.done)
        self._share.add(at, share)
        self._count.add(at, self._counted)
        speed = self._share.slope
        left = (1.0 - share) / speed if speed and progress.fraction is not None else None
        self.status = Status(progress, self._count.slope, left)


class _Line:
    """A quantity that grows in time, remembered as far back as the window reaches."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()

    def restart(self) -> None:
        self._points.clear()

    def add(self, at: float, value: float) -> None:
        self._points.append((at, value))
        while len(self._points) > 2 and self._points[1][0] <= at - WINDOW_SECONDS:
            self._points.popleft()

    @property
    def slope(self) -> float | None:
        """Growth per second, or None while there is too little to tell it from."""
        (start, first), (end, last) = self._points[0], self._points[-1]
        return (last - first) / (end - start) if end - start >= LEAST_SECONDS and last > first else None

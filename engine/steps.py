"""Long work as a generator of finished steps.

A long computation is a generator that yields a `Progress` after each step and returns its result. A page, a test,
the command line and a notebook drive it alike, and it can be stopped at any step by not asking for the next one.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been done so far.

    `done` and `total` count the same `unit` ("tokens", "bytes", "steps"); `total` is None while it is not known.
    `message` is one plain sentence fragment for a person, e.g. "Scoring with SmolLM2 135M".
    """

    message: str
    done: int = 0
    total: int | None = None
    unit: str = "steps"

    @property
    def fraction(self) -> float | None:
        """Share done in [0, 1], or None while the total is not known."""
        if not self.total:
            return None
        return min(1.0, self.done / self.total)


Steps = Generator[Progress, None, T]
"""A computation in steps: yields `Progress`, returns a `T`."""


def run(steps: Steps[T], on_progress: Callable[[Progress], None] | None = None) -> T:
    """Drive `steps` to the end and return its result, calling `on_progress` after each step."""
    while True:
        try:
            progress = next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result
        if on_progress is not None:
            on_progress(progress)

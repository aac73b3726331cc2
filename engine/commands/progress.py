"""What a command says on stderr: its progress, notes, and why it ends."""

import contextlib
import sys
from typing import TypeVar

from engine import steps
from engine.steps import Progress, Steps

T = TypeVar("T")
_WIPE = "\r\033[K"


def say(*lines: str) -> None:
    """Write lines to stderr."""
    _write("".join(f"{line}\n" for line in lines))


def _write(text: str) -> None:
    if sys.stderr is not None:  # a process may be started without
        sys.stderr.write(text)
        sys.stderr.flush()


class Line:
    """Progress as one line that rewrites itself on a terminal, and as one line per message in a log."""

    def __init__(self) -> None:
        self._last = ""
        self._on_terminal = sys.stderr is not None and sys.stderr.isatty()

    def show(self, progress: Progress) -> None:
        """Say how far the work has come."""
        if self._on_terminal:
            share = f" {progress.fraction:.0%}" if progress.fraction is not None else ""
            _write(f"{_WIPE}{progress.message}{share}")
        elif progress.message != self._last:
            say(progress.message)
        self._last = progress.message

    def close(self) -> None:
        """Wipe the line from the terminal, for whatever is said next."""
        if self._on_terminal and self._last:
            _write(_WIPE)


def run(work: Steps[T]) -> T:
    """Do the work, showing its progress."""
    with contextlib.closing(Line()) as line:
        return steps.run(work, line.show)

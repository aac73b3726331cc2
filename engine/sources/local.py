"""Models in a directory on this machine."""

from pathlib import Path

from engine.errors import ModelAbsentError, ModelFilesError
from engine.sources import weights
from engine.sources.availability import Availability, bytes_under
from engine.sources.kinds import LocalPath

_ADAPTER = "adapter_config.json"


def availability(source: LocalPath) -> Availability:
    """Whether the directory looks like a model in Hugging Face layout."""
    fault = _fault(source.path)
    if fault is not None:
        return Availability("missing", None, bytes_under(source.path), fault)
    return Availability("here", source.path, bytes_under(source.path), "On this machine.")


def fetch(source: LocalPath) -> Path:
    """The directory itself: there is nothing to fetch."""
    fault = _fault(source.path)
    if fault is not None:
        raise ModelAbsentError(fault)
    return source.path


def last_change(path: Path) -> str:
    """Time of the last change of any file in `path`; files that are gone or that a link misses do not count."""
    times = [0]
    for file in path.iterdir():
        try:
            times.append(file.stat().st_mtime_ns)
        except OSError:  # a link that leads nowhere, or a file deleted just now
            continue
    return f"{max(times):x}"


def _fault(path: Path) -> str | None:
    """What keeps a directory from being a model, in one sentence."""
    try:
        if not path.is_dir():
            return f"There is no directory {str(path)!r} any more."
        return _adapter(path) or _incomplete(path)
    except OSError as error:
        return f"{str(path)!r} cannot be read: {error.strerror}."


def _incomplete(path: Path) -> str | None:
    if not (path / "config.json").is_file():
        return f"{str(path)!r} holds no config.json, so it is not a model in Hugging Face layout."
    strange = _no_file_or_directory(path)
    if strange is not None:
        return f"{strange} is neither a file nor a directory; a model's files are regular files."
    try:
        weights.weight_files(path)
    except ModelFilesError as error:
        return str(error)
    return None


def _no_file_or_directory(path: Path) -> Path | None:
    """A pipe, socket or device in `path`: opening one may wait forever."""
    entries = sorted(entry for entry in path.iterdir() if entry.exists())
    return next((entry for entry in entries if not entry.is_file() and not entry.is_dir()), None)


def _adapter(path: Path) -> str | None:
    """What to say of a directory with an adapter and no weights of a whole model."""
    whole = (path / weights.SINGLE, path / weights.INDEX)
    if not (path / _ADAPTER).is_file() or any(file.exists() for file in whole):
        return None
    config = weights.json_object(path / _ADAPTER)
    kind = "a LoRA adapter" if config.get("peft_type") == "LORA" else "an adapter"
    base = str(config.get("base_model_name_or_path") or "another model")[:200]
    return (
        f"{str(path)!r} is {kind} of {base}, not a whole model: merge it into that model "
        "(merge_and_unload in peft), save the result and give its directory."
    )

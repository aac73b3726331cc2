"""The files that hold a model's weights: which of a directory belong to it, and whether they are whole.

Only safetensors are read: other formats can run code when they are opened. The library that loads a model trusts an
index to name such files, so what it names is checked here, before it sees the directory.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import paths
from engine.errors import ModelFilesError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_ENDING = ".safetensors"
_MOST_HEADER_BYTES = 100_000_000  # safetensors' own limit
_MOST_INDEX_BYTES = 100_000_000
_MOST_CONFIG_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Tensor:
    """What a file's header says of one tensor: where its bytes lie, counted from the end of the header, among it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def weight_files(directory: Path) -> tuple[Path, ...]:
    """The files whose weights make the model in `directory`, by name: one, or those that its index names.

    Raises
    ------
    ModelFilesError
        There are none, one is missing or no regular file, or the index names what may not be read.
    """
    first = _first_file(directory)
    if not first.name.endswith(".json"):
        return (_regular(first),)
    names = _named_in(_regular(first))
    return tuple(_regular(directory / _allowed(name, first)) for name in names)


def _first_file(directory: Path) -> Path:
    """The weights, or their index: the file that is looked for in this order when a model is loaded."""
    named = json_object(directory / "config.json").get("transformers_weights")
    if named is not None:
        name = str(named)
        return directory / (name if name == INDEX else _allowed(name, directory / "config.json"))
    for name in (SINGLE, INDEX):
        if (directory / name).is_file() or (directory / name).is_symlink():
            return directory / name
    raise ModelFilesError(_without_weights(directory))


def _without_weights(directory: Path) -> str:
    others = sorted(path.name for path in directory.glob("*" + _ENDING))
    if (directory / SINGLE).exists():
        return f"{directory / SINGLE} is not a regular file."
    if others:
        return (
            f"{str(directory)!r} holds {others[0]}, but neither {SINGLE} nor {INDEX}, which says which files belong "
            "together. Copy all files of the model."
        )
    return f"{str(directory)!r} holds no .safetensors file; weights in other formats are never read."


def _named_in(index: Path) -> list[str]:
    names = json_object(index, _MOST_INDEX_BYTES).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelFilesError(f"{index} is damaged. {remedy(index.parent)}")
    return sorted({str(name) for name in names.values()})


def _allowed(name: str, named_by: Path) -> str:
    """A file's name, if it is that of a safetensors file beside the one that names it."""
    if name.endswith(_ENDING) and Path(name).name == name and "\\" not in name and "\0" not in name:
        return name
    shown = name if len(name) <= 80 else name[:77] + "..."
    raise ModelFilesError(
        f"{named_by} names {shown!r}, which is not a .safetensors file beside it; "
        "weights in other formats are never read."
    )


def _regular(path: Path) -> Path:
    if path.is_file():
        return path
    if path.is_symlink() or not path.exists():
        links = " (the link to it leads nowhere)" if path.is_symlink() else ""
        raise ModelFilesError(f"{path.name} is missing in {str(path.parent)!r}{links}. {remedy(path.parent)}")
    raise ModelFilesError(f"{path} is not a regular file.")


def json_object(path: Path, most_bytes: int = _MOST_CONFIG_BYTES) -> dict[str, Any]:
    """The JSON object in a file of at most so many bytes; empty if there is none, or it cannot be read."""
    try:
        if not path.is_file() or path.stat().st_size > most_bytes:
            return {}
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def tensors(path: Path) -> list[Tensor]:
    """What the header of a safetensors file lists.

    Raises
    ------
    ModelFilesError
        The file is not a safetensors file, or is cut short.
    """
    try:
        header, begin = _header(path)
        found = [_tensor(name, entry) for name, entry in header.items() if name != "__metadata__"]
        whole = begin + max((tensor.end for tensor in found), default=0) == path.stat().st_size
    except OSError as error:
        raise ModelFilesError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError) as error:
        raise ModelFilesError(f"{path} is damaged. {remedy(path.parent)}") from error
    if not whole:
        raise ModelFilesError(f"{path} is damaged: it is not as long as it says. {remedy(path.parent)}")
    return found


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and where the weights begin."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if not 0 < length <= _MOST_HEADER_BYTES:
            raise ValueError("no header")
        return dict(json.loads(file.read(length)).items()), 8 + length


def _tensor(name: str, entry: Any) -> Tensor:
    shape = tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise ValueError("a size that is no number")
    return Tensor(name, str(entry["dtype"]), shape, begin, end)


def tensors_of(directory: Path) -> list[Tensor]:
    """Every tensor of the model in `directory`, as the headers of its files list them; raises as these do."""
    return [tensor for path in weight_files(directory) for tensor in tensors(path)]


def is_whole(directory: Path) -> bool:
    """Whether all weights are there and as long as they say; reads headers only."""
    try:
        tensors_of(directory)
    except ModelFilesError:
        return False
    return True


def remedy(directory: Path) -> str:
    """What to do about damaged files in `directory`: it depends on whose they are.

    What this program made or fetched it can make or fetch again. A person's own files may be the only ones there are.
    """
    if directory.parent.name == "snapshots":  # the hub's cache; fetching replaces what is damaged
        return "Fetch the model again."
    if paths.models_dir() in directory.parents:
        return f"Delete the directory {directory} and fetch the model again."
    return "Copy its files again from where you have them."

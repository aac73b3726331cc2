"""How much memory a model will take, before it is loaded: from the headers of its safetensors files."""

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ModelFilesError
from engine.model import Precision
from engine.sources import scratch
from engine.sources.kinds import Scratch

if TYPE_CHECKING:
    from engine.registry import ModelSpec

_MOST_HEADER_BYTES = 100_000_000  # safetensors' own limit
_KEPT_WHOLE = ("embed", "wte", "wpe", "lm_head", "embed_out")
"""Parts of names of the matrices that int8 and nf4 leave as they are: embeddings and the head."""
_WHOLE_BYTES: dict[Precision, int] = {"float32": 4, "bfloat16": 2, "int8": 4, "nf4": 4}
_MATRIX_BYTES: dict[Precision, float] = {"float32": 4, "bfloat16": 2, "int8": 1, "nf4": 0.5 + 4 / 64}
"""Bytes a weight; nf4 has a float32 scale for each 64 weights."""


def weights_bytes(directory: Path, precision: Precision) -> int:
    """Bytes of the weights in `directory` once loaded in `precision`; the overhead of loading is not in it.

    Raises
    ------
    ModelFilesError
        Where a file is no safetensors file or is cut short.
    """
    total = 0.0
    for name, shape in tensor_shapes(directory):
        matrix = len(shape) == 2 and not any(part in name for part in _KEPT_WHOLE)
        total += math.prod(shape) * (_MATRIX_BYTES[precision] if matrix else _WHOLE_BYTES[precision])
    return int(total)


def stated_bytes(spec: "ModelSpec", precision: Precision) -> int:
    """The same for a model whose files are not here yet, as if every weight were one of a matrix."""
    count = scratch.parameters(spec.source) if isinstance(spec.source, Scratch) else spec.parameters
    return int((count or 0) * _MATRIX_BYTES[precision])


def tensor_shapes(directory: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor in the safetensors files of `directory`."""
    for path in sorted(directory.glob("model*.safetensors")):
        for name, entry in _header(path).items():
            if name != "__metadata__":
                yield name, tuple(entry["shape"])


def _header(path: Path) -> dict[str, dict[str, list[int]]]:
    damaged = ModelFilesError(f"{path} is damaged. Delete that directory and fetch the model again.")
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        if not 0 < length <= _MOST_HEADER_BYTES:
            raise damaged
        try:
            header: dict[str, dict[str, list[int]]] = json.loads(file.read(length))
        except ValueError:
            raise damaged from None
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if 8 + length + max(ends, default=0) != path.stat().st_size:
        raise damaged
    return header

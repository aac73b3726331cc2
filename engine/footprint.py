"""How much memory a model will take, before it is loaded: from the headers of its safetensors files."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.model import Precision
from engine.sources import scratch, weights
from engine.sources.kinds import Scratch

if TYPE_CHECKING:
    from engine.registry import ModelSpec

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
        Where a file is missing, no safetensors file or cut short.
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
    """Name and shape of every tensor of the model in `directory`."""
    for path in weights.weight_files(directory):
        for tensor in weights.tensors(path):
            yield tensor.name, tensor.shape

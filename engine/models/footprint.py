"""How much memory a model will take, before it is loaded: from the headers of its safetensors files."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from engine.models.loaded import Precision
from engine.sources import scratch, weights
from engine.sources.kinds import Scratch

if TYPE_CHECKING:
    from engine.sources.kinds import ModelSpec

_KEPT_WHOLE = ("embed", "wte", "wpe", "lm_head", "embed_out")
"""Parts of names of the matrices that int8 and nf4 leave as they are: embeddings and the head."""
_WHOLE_BYTES: dict[Precision, int] = {"float32": 4, "bfloat16": 2, "int8": 4, "nf4": 4, "fp4": 4}
_FOUR_BITS = 0.5 + 4 / 64
"""Bytes per weight: there is a float32 scale for each 64 weights."""
_MATRIX_BYTES: dict[Precision, float] = {"float32": 4, "bfloat16": 2, "int8": 1, "nf4": _FOUR_BITS, "fp4": _FOUR_BITS}
_QUANTISED = frozenset({"U8", "I8"})
"""What safetensors calls the types that bitsandbytes stores weights in."""


def weights_bytes(directory: Path, precision: Precision) -> int:
    """Bytes of the weights in `directory` once loaded in `precision`; the overhead of loading is not in it.

    Weights that are stored in whole numbers are quantised already and are loaded as they are.

    Raises
    ------
    ModelFilesError
        If a file is missing, is not a safetensors file, or is cut short.
    """
    tensors = weights.tensors_of(directory)
    quantised = any(tensor.dtype in _QUANTISED for tensor in tensors)
    total = 0.0
    for tensor in tensors:
        matrix = len(tensor.shape) == 2 and not quantised and not any(part in tensor.name for part in _KEPT_WHOLE)
        if tensor.dtype in _QUANTISED:
            total += tensor.end - tensor.begin
        else:
            total += math.prod(tensor.shape) * (_MATRIX_BYTES[precision] if matrix else _WHOLE_BYTES[precision])
    return int(total)


def stated_bytes(spec: "ModelSpec", precision: Precision) -> int:
    """The same for a model whose files are not here yet, as if every weight were one of a matrix."""
    count = scratch.parameters(spec.source) if isinstance(spec.source, Scratch) else spec.parameters
    return int((count or 0) * _MATRIX_BYTES[precision])

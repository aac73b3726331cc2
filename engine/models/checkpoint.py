"""What a checkpoint is: the precision its weights were stored in, and the one a network really came out in.

A precision is never assumed. Weights that were stored in 4 bits stay in 4 bits whatever is asked for, so a comparison
of such a "float32" with its "nf4" would compare a model with itself.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from engine.errors import ModelFilesError, ParameterError, UnsupportedModelError
from engine.models import hardware
from engine.models.hardware import Choice
from engine.models.loaded import Precision
from engine.sources import weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from engine.sources.kinds import ModelSpec

_NAMES: dict[Precision, str] = {"int8": "8 bits (int8)", "nf4": "4 bits (nf4)", "fp4": "4 bits (fp4)"}
_FLOATS: dict[torch.dtype, Precision] = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


def choose(spec: "ModelSpec", path: Path | None, precision: str, device: str) -> Choice:
    """Device and precision for a model whose files are in `path`, or nowhere yet, with the reason.

    Raises
    ------
    ParameterError
        The model cannot have this precision, because it was stored in another; or see `engine.models.hardware.choose`.
    """
    stored = None if path is None else stored_precision(path)
    if stored is None:
        return hardware.choose(precision, device)
    if precision not in {"auto", stored}:
        raise ParameterError(
            f"{spec.title} was stored in {_NAMES[stored]}, so it cannot be loaded in {precision}: what was rounded "
            f"away is gone. Choose {stored} or leave the choice to the program."
        )
    found = hardware.choose("auto", device)
    return replace(found, precision=stored, reason=f"Its files were stored in {_NAMES[stored]}, and stay so.")


def stored_precision(path: Path) -> Precision | None:
    """The precision that bitsandbytes stored the weights in `path` in; None if they were not quantised by it."""
    settings = quantisation(path)
    if settings.get("quant_method", "bitsandbytes") != "bitsandbytes":
        return None
    if settings.get("load_in_8bit"):
        return "int8"
    if settings.get("load_in_4bit"):
        return "nf4" if settings.get("bnb_4bit_quant_type") == "nf4" else "fp4"
    return None


def quantisation(path: Path) -> dict[str, Any]:
    """The `quantization_config` of a model's config.json; empty if it has none, or the file cannot be read."""
    settings = weights.json_object(path / "config.json").get("quantization_config")
    return settings if isinstance(settings, dict) else {}


def precision_of(network: "PreTrainedModel", title: str) -> Precision:
    """The precision that a loaded network has, read off its layers.

    Raises
    ------
    UnsupportedModelError
        It has one that this program does not know.
    ModelFilesError
        It has no weights at all.
    """
    for module in network.modules():
        kind = type(module).__name__
        if kind == "Linear8bitLt":
            return "int8"
        if kind == "Linear4bit":
            weight: Any = module.weight
            return "nf4" if weight.quant_type == "nf4" else "fp4"
    counts: Counter[torch.dtype] = Counter()
    for parameter in network.parameters():
        counts[parameter.dtype] += parameter.numel()
    if not counts:
        raise ModelFilesError(f"{title} has no weights.")
    dtype = counts.most_common(1)[0][0]
    if dtype not in _FLOATS:
        raise UnsupportedModelError(f"{title} came out in {str(dtype).removeprefix('torch.')}, which is not used here.")
    return _FLOATS[dtype]

"""How much of what the device can do a training run does: its measured matrix rate, and the arithmetic of a token."""

from time import perf_counter

import torch
from transformers import GPT2LMHeadModel

from engine.model import LoadedModel

_SIZES = {"cuda": 8192, "cpu": 768}
"""Side of the square matrices: large enough to fill the device, small enough to take no time."""
_ROUNDS = 5


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second in the fastest of a few large matrix products, 2 n^3 of them in each."""
    size = _SIZES.get(device.type, 4096)
    matrix = torch.ones(size, size, device=device, dtype=dtype)
    times = []
    for _ in range(_ROUNDS + 1):  # the first one sets the library up
        start = perf_counter()
        product = matrix @ matrix
        product[0, 0].item()  # waits for the device
        times.append(perf_counter() - start)
    return float(2.0 * size**3 / min(times))


def operations_per_token(student: GPT2LMHeadModel, teacher: LoadedModel, context: int) -> float:
    """Floating-point operations of one token of training: the teacher forwards, the student forwards and backwards.

    Two operations a weight that is multiplied with (position embeddings are not; a tied head is, once) and four a
    position attended to and unit of width, half of the positions on average; backwards costs twice forwards.
    """
    positions = student.transformer.wpe.weight.numel()
    weights = sum(weights.numel() for weights in student.parameters()) - positions
    taught = sum(weights.numel() for weights in teacher.network.parameters())
    return (
        2 * taught
        + _attention(teacher.network.config, context)
        + 3 * (2 * weights + _attention(student.config, context))
    )


def _attention(config: object, context: int) -> float:
    layers, width = getattr(config, "num_hidden_layers"), getattr(config, "hidden_size")  # noqa: B009
    return float(4 * layers * width * context / 2)

"""What this machine has, and which device and precision follow from it."""

import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil
import torch

from engine.errors import ParameterError
from engine.models.loaded import PRECISIONS, Precision

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_CGROUP_USES = (Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"))
_BFLOAT16_CAPABILITY = (8, 0)  # NVIDIA Ampere; older ones emulate bfloat16
_RACE_SIZE = 384
_RACE_ROUNDS = 7
_CLEARLY_FASTER = 1.15


@dataclass(frozen=True)
class Accelerator:
    """A GPU: its name for torch ('cuda:0', 'mps'), its name for people, its memory in bytes, its capability."""

    device: str
    title: str
    memory_bytes: int
    capability: tuple[int, int] | None


@dataclass(frozen=True)
class Hardware:
    """What this machine has. Memory in bytes, as far as this process may use it."""

    cpu_cores: int
    memory_bytes: int
    memory_free_bytes: int
    accelerators: tuple[Accelerator, ...]


@dataclass(frozen=True)
class Choice:
    """A device and a precision, and why, in one sentence for a person."""

    device: torch.device
    precision: Precision
    reason: str


def describe() -> Hardware:
    """What this machine has now."""
    memory = psutil.virtual_memory()
    limit = _first_number(_CGROUP_LIMITS)
    total, free = memory.total, memory.available
    if limit is not None and limit < total:
        used = _first_number(_CGROUP_USES) or 0
        total, free = limit, min(free, max(0, limit - used))
    return Hardware(_usable_cores(), total, free, accelerators())


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _first_number(paths: tuple[Path, ...]) -> int | None:
    """The number in the first of `paths` that is there; None if there is none or it says 'max'."""
    for path in paths:
        try:
            return int(path.read_text())
        except (OSError, ValueError):
            continue
    return None


def free_bytes(device: torch.device) -> int:
    """Memory in bytes that this process can still take on a device, whatever its kind."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = describe().memory_free_bytes
    if device.type == "mps":  # one memory for both, of which the GPU may take a share
        return max(0, min(free, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()))
    return free


@cache
def accelerators() -> tuple[Accelerator, ...]:
    """GPUs torch can use, in its order."""
    found = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            found.append(Accelerator(f"cuda:{index}", card.name, card.total_memory, (card.major, card.minor)))
    if torch.backends.mps.is_available():
        limit = torch.mps.recommended_max_memory()
        found.append(Accelerator("mps", "Apple GPU", limit, None))
    return tuple(found)


def choose(precision: str = "auto", device: str = "auto") -> Choice:
    """Device and precision for what was asked, with the reason.

    Parameters
    ----------
    precision : 'auto' or one of `engine.models.loaded.PRECISIONS`
    device : 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'

    Raises
    ------
    ParameterError
        If there is no such precision, or this machine has no such device.
    """
    chosen, where = _choose_device(device)
    if precision == "auto":
        best, why = _best_precision(chosen)
        return Choice(chosen, best, f"{where}; {why}.")
    if precision not in PRECISIONS:
        raise ParameterError(f"There is no precision {precision!r}. Choose auto, {', '.join(PRECISIONS)}.")
    if precision in ("int8", "nf4") and chosen.type == "mps":
        raise ParameterError(f"{precision} does not run on an Apple GPU. Choose bfloat16, or the device cpu.")
    return Choice(chosen, precision, f"{where}; {precision} was asked for.")


def _choose_device(device: str) -> tuple[torch.device, str]:
    cards = accelerators()
    if device == "auto":
        if cards:
            which = "the GPU" if len(cards) == 1 else "the first GPU"
            return torch.device(cards[0].device), f"On {cards[0].title}, {which} of this machine"
        return torch.device("cpu"), "On the CPU, as there is no GPU that torch can use"
    if device == "cpu":
        return torch.device("cpu"), "On the CPU, as asked"
    for card in cards:
        if device in (card.device, card.device.split(":")[0]):
            return torch.device(card.device), f"On {card.title}, as asked"
    here = ", ".join(["cpu", *(card.device for card in cards)])
    raise ParameterError(f"This machine has no device {device!r}. It has {here}.")


def _best_precision(device: torch.device) -> tuple[Precision, str]:
    if device.type == "cpu":
        return _best_on_cpu()
    for card in accelerators():
        if card.device == str(device) and card.capability is not None and card.capability < _BFLOAT16_CAPABILITY:
            return "float32", "float32, as this GPU has no bfloat16 arithmetic"
    return "bfloat16", "bfloat16, which this GPU computes fastest"


@cache
def _best_on_cpu() -> tuple[Precision, str]:
    """bfloat16 if the CPU has instructions for it, else whichever wins a race of a few milliseconds."""
    flags = torch.cpu.get_capabilities()
    for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512")):
        if flags.get(flag):
            return "bfloat16", f"bfloat16, which this CPU has instructions for ({name})"
    if _race(torch.float32) > _CLEARLY_FASTER * _race(torch.bfloat16):
        return "bfloat16", "bfloat16, which won a short race against float32 on this CPU"
    return "float32", "float32, as this CPU has no fast bfloat16 arithmetic"


def _race(dtype: torch.dtype) -> float:
    """Seconds of the fastest of a few matrix products in `dtype`."""
    matrix = torch.ones(_RACE_SIZE, _RACE_SIZE, dtype=dtype)
    times = []
    for _ in range(_RACE_ROUNDS):
        start = time.perf_counter()
        torch.mm(matrix, matrix)
        times.append(time.perf_counter() - start)
    return min(times)

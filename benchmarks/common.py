"""What all benchmarks share: the machine's description, medians, and where results go."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def machine() -> dict[str, Any]:
    """Processor, memory, accelerator and versions, and how busy the machine is right now."""
    import psutil
    import torch
    import transformers

    return {
        "processor": _processor(),
        "processor_flags": _processor_flags(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": torch.get_num_threads(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "date": datetime.now(UTC).date().isoformat(),
    }


def write_results(name: str, results: Mapping[str, Any]) -> Path:
    """Write benchmarks/results/NAME.json and print it."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return path


def interleaved(
    ways: Mapping[str, Callable[[], object]], rounds: int, *, cpu_time: bool = False
) -> dict[str, list[float]]:
    """Seconds of each way in each round, after one that does not count; the ways take turns, so that a busy moment hits
    all of them. `cpu_time` counts this process's processor time, which other processes hardly change.
    """
    clock = process_time if cpu_time else perf_counter
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = clock()
            way()
            seconds[name].append(clock() - start)
    return seconds


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median over the rounds of the ratio within each round."""
    return round(statistics.median(a / b for a, b in zip(above, below, strict=True)), 3)


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown"


def _processor_flags() -> list[str]:
    """The instruction sets that decide how fast, and in which precision, matrices are multiplied; Linux on x86 only."""
    return sorted(flag for flag in _cpuinfo("flags").split() if flag.startswith(("avx", "amx", "fma", "f16c")))


def _cpuinfo(field: str) -> str:
    """The field's value for the first processor; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")


def peak_extra_bytes(run: Callable[[], object]) -> int:
    """Peak resident memory of this process during `run` over what it held before. Linux only."""
    before = _status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    run()
    return _status_bytes("VmHWM") - before


def _status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

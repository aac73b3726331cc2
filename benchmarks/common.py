"""What the benchmarks share: options, turns, fresh processes, texts, the machine's description, where results go.

Each runs from the project's folder, all of them with `make bench`:

    python -m benchmarks.scoring            measures and writes benchmarks/results/scoring.json
    python -m benchmarks.scoring --quick    under a minute, to see that it works: figures are printed, not kept
    python -m benchmarks.scoring --help     all options

Texts that are not the project's own are read from the folder that BENCH_DATA names.
"""

import argparse
import bz2
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NoReturn, ParamSpec, TypeVar

import numpy as np
import psutil
import torch
import transformers

from engine.evaluation.runs.batches import RunKeeper
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import RunStore
from engine.models.loaded import LoadedModel
from engine.paths import ASSETS, ROOT, cache_dir
from engine.steps import Progress

DATA = Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data")
RESULTS = ROOT / "benchmarks" / "results"

P = ParamSpec("P")
T = TypeVar("T")
Measure = Callable[[argparse.Namespace], dict[str, Any]]
Option = tuple[Any, Any, str]
"""Usual value, value for `--quick`, help. The usual value's type is the option's; False makes it a switch."""

ROUNDS: Option = (7, 1, "rounds in which the ways take turns")
CPU_TIME: Option = (False, False, "count processor time, not the clock's: for a busy machine, with --threads 1")


def run(name: str, about: str | None, measure: Measure, **options: Option) -> None:
    """Measure as the command line asks, print the results, and write them to benchmarks/results/NAME.json.

    `name` may hold options in braces. Numbers are cut to five digits. `bounds_met` false ends the program with 1.
    """
    chosen = _chosen(about, options)
    kept: dict[str, Any] = {"machine": machine()}
    kept["settings"] = {option: value for option, value in vars(chosen).items() if option != "quick"}
    kept |= measure(chosen)
    exact = json.dumps(kept, default=np.generic.item)
    short = json.loads(exact, parse_float=lambda number: float(f"{float(number):.5g}"))
    text = json.dumps(short, indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(text)
    if not chosen.quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name.format_map(vars(chosen))}.json").write_text(text, encoding="utf-8")
        sys.exit(not kept.get("bounds_met", True))


def _chosen(about: str | None, options: Mapping[str, Option]) -> argparse.Namespace:
    quick = "--quick" in sys.argv
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small settings; nothing is written")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    for name, (usual, small, words) in options.items():
        default, flag = small if quick else usual, "--" + name.replace("_", "-")
        if usual is False:
            parser.add_argument(flag, action="store_true", help=words)
        elif isinstance(usual, list):
            parser.add_argument(flag, type=type(usual[0]), nargs="*", default=default, help=words)
        else:
            parser.add_argument(flag, type=type(usual), default=default, help=words)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    return chosen


def skip(why: str) -> NoReturn:
    """End a benchmark that cannot run here; the next one can."""
    print(f"Skipped: {why}")
    sys.exit(0)


def say(what: object) -> None:
    """Tell on stderr what is being measured, or was."""
    print(what, file=sys.stderr)


def show(progress: Progress) -> None:
    """Tell on stderr how far a long computation is, always in the same line."""
    if progress.total:
        end = "\n" if progress.done == progress.total else ""
        line = f"\r{progress.message}: {progress.done:,} of {progress.total:,} {progress.unit}"
        print(f"{line:<100}", end=end, file=sys.stderr)


def machine() -> dict[str, Any]:
    """Processor, memory, accelerator and versions, and how busy the machine is right now."""
    return {
        "processor": _cpuinfo("model name") or platform.processor() or "unknown",
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
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function of the running script gives in a process that has done nothing yet, with as many threads."""
    spawn, threads = get_context("spawn"), (torch.get_num_threads(),)
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=torch.set_num_threads, initargs=threads) as process:
        return process.submit(function, *args, **kwargs).result()


def peak_extra_bytes(run: Callable[[], object]) -> int:
    """Peak resident memory of this process during `run` over what it held before. Linux only, as the kernel counts."""
    before = _status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    run()
    return _status_bytes("VmHWM") - before


def _status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def data(file: str) -> str:
    """The text of a packed file in the folder that BENCH_DATA names; the benchmark is skipped where it is missing."""
    if not (DATA / file).exists():
        skip(f"{file} is not in {DATA}. Set BENCH_DATA to the folder that has it.")
    return bz2.decompress((DATA / file).read_bytes()).decode()


def own_text(folder: str, model: LoadedModel, tokens: int) -> str:
    """The project's own texts in a folder of assets/, joined, repeated and cut to so many tokens."""
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in sorted((ASSETS / folder).glob("*.txt")))
    while len(model.tokenizer.encode(text)) < tokens:
        text += "\n\n" + text
    return beginning(text, model, tokens)


def beginning(text: str, model: LoadedModel, tokens: int) -> str:
    """The first so many tokens of a text that has as many."""
    return text[: model.tokenizer.encode(text).spans[tokens - 1, 1]]


def keeper(kind: str, run_id: str) -> RunKeeper:
    """Keeps the batches of a long benchmark, so that one that was stopped goes on."""
    store = RunStore(cache_dir() / "benchmarks" / f"{kind}.sqlite")
    store.begin(Plan(run_id, kind, "benchmark", {}, [], ""))
    return RunKeeper(store, run_id)

"""What each precision of the embedded model costs and loses on this machine.

    python benchmarks/precisions.py [--rounds 5] [--tokens 512] [--threads 2] [--cpu-time]

For each precision: seconds to load, megabytes of weights and of a fresh process after one pass, time for a pass over
the tokens as a ratio to float32 in the same round (median), and the mean KL divergence from float32 on the same text.
The process's memory counts the pages of the weights' file too, which the system takes back when it needs them.
On a busy machine take `--threads 1 --cpu-time`, which counts processor time instead of the clock's.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil
import torch

from benchmarks import common
from engine import sources, steps
from engine.models import registry
from engine.models.loaded import PRECISIONS, LoadedModel
from engine.models.loading import load_model
from engine.scoring import compare

COLUMNS = {
    "load_seconds": "load (s)",
    "weights_mb": "weights (MB)",
    "process_mb": "process (MB)",
    "time_over_float32": "time / float32",
    "mean_kl_nats": "mean KL (nats)",
    "same_top1": "same top 1",
}


def text_of(model: LoadedModel, tokens: int) -> str:
    """The project's own example texts, cut to so many tokens."""
    examples = sorted((common.ROOT / "assets" / "examples").glob("*.txt"))
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in examples)
    while len(encoding := model.tokenizer.encode(text)) < tokens:
        text += "\n\n" + text
    return text[: encoding.spans[tokens - 1, 1]]


def alone(precision: str, tokens: int, cpu_time: bool) -> dict[str, float]:
    """Loading one precision in this process, which has loaded nothing else."""
    import transformers  # noqa: F401  so that importing is not counted as loading

    load_model(registry.DEFAULT_MODEL, precision, "cpu")  # the first load also imports what loading needs
    clock = process_time if cpu_time else perf_counter
    start = clock()
    model = load_model(registry.DEFAULT_MODEL, precision, "cpu")
    seconds = clock() - start
    model.hidden_states(torch.zeros(1, tokens, dtype=torch.int64))
    return {
        "load_seconds": round(seconds, 2),
        "weights_mb": round(model.memory_bytes / 1e6),
        "process_mb": round(psutil.Process().memory_info().rss / 1e6),
    }


def alone_in_a_process(precision: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--alone", precision, "--tokens", str(arguments.tokens)]
    command += ["--threads", str(arguments.threads), *(["--cpu-time"] if arguments.cpu_time else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def against_float32(precision: str, exact: LoadedModel, arguments: argparse.Namespace) -> dict[str, float]:
    """Time and divergence of one precision beside float32."""
    model = load_model(registry.DEFAULT_MODEL, precision, "cpu")
    text = text_of(exact, arguments.tokens)
    ids = torch.from_numpy(exact.tokenizer.encode(text).token_ids.copy())[None]
    ways = {"exact": lambda: exact.hidden_states(ids), "rough": lambda: model.hidden_states(ids)}
    seconds = common.interleaved(ways, arguments.rounds, cpu_time=arguments.cpu_time)
    comparison = compare.compare_models(exact, model, text)
    kl, same = comparison.kl_ab, comparison.same_top1
    assert kl is not None
    assert same is not None
    return {
        "time_over_float32": common.median_ratio(seconds["rough"], seconds["exact"]),
        "median_seconds": round(statistics.median(seconds["rough"]), 3),
        "mean_kl_nats": round(float(kl[1:].mean()), 5),
        "same_top1": round(float(same[1:].mean()), 3),
    }


def table(rows: dict[str, dict[str, float]]) -> str:
    head = ["precision", *COLUMNS.values()]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for precision, row in rows.items():
        lines.append(f"| {' | '.join([precision, *(str(row[name]) for name in COLUMNS)])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.alone:
        print(json.dumps(alone(arguments.alone, arguments.tokens, arguments.cpu_time)))
        return
    machine: dict[str, Any] = common.machine()
    steps.run(sources.fetch_steps(registry.resolve(registry.DEFAULT_MODEL)))
    exact = load_model(registry.DEFAULT_MODEL, "float32", "cpu")
    rows = {
        precision: alone_in_a_process(precision, arguments) | against_float32(precision, exact, arguments)
        for precision in PRECISIONS
    }
    settings = {"model": exact.spec.name, "tokens": arguments.tokens, "rounds": arguments.rounds}
    settings["clock"] = "processor time" if arguments.cpu_time else "wall clock"
    common.write_results("precisions", {"machine": machine, "settings": settings, "precisions": rows})
    print("\n" + table(rows))


if __name__ == "__main__":
    main()

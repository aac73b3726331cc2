"""What each precision of the embedded model costs and loses on this machine.

For each precision: seconds to load, megabytes of weights and of a fresh process after one pass, time for a pass over
the tokens as a ratio to float32 in the same round (median), and the mean KL divergence from float32 on the same text.
The process's memory counts the pages of the weights' file too, which the system takes back when it needs them.
"""

import statistics
from argparse import Namespace
from time import perf_counter, process_time
from typing import Any

import psutil
import torch

from benchmarks import common
from engine.models.loaded import PRECISIONS, LoadedModel
from engine.models.loading import load_model
from engine.models.registry import DEFAULT_MODEL
from engine.scoring import compare


def alone(precision: str, tokens: int, cpu_time: bool) -> dict[str, float]:
    """Loading one precision in this process, which has loaded nothing else."""
    load_model(DEFAULT_MODEL, precision, "cpu")  # the first load also imports what loading needs
    clock = process_time if cpu_time else perf_counter
    start = clock()
    model = load_model(DEFAULT_MODEL, precision, "cpu")
    seconds = clock() - start
    model.hidden_states(torch.zeros(1, tokens, dtype=torch.int64))
    return {
        "load_seconds": seconds,
        "weights_mb": model.memory_bytes / 1e6,
        "process_mb": psutil.Process().memory_info().rss / 1e6,
    }


def against_float32(precision: str, exact: LoadedModel, chosen: Namespace) -> dict[str, float]:
    """Time and divergence of one precision beside float32."""
    model = load_model(DEFAULT_MODEL, precision, "cpu")
    text = common.own_text("examples", exact, chosen.tokens)
    ids = torch.from_numpy(exact.tokenizer.encode(text).token_ids.copy())[None]
    ways = {"exact": lambda: exact.hidden_states(ids), "rough": lambda: model.hidden_states(ids)}
    seconds = common.interleaved(ways, chosen.rounds, cpu_time=chosen.cpu_time)
    comparison = compare.compare_models(exact, model, text)
    kl, same = comparison.kl_ab, comparison.same_top1
    assert kl is not None
    assert same is not None
    return {
        "time_over_float32": common.median_ratio(seconds["rough"], seconds["exact"]),
        "median_seconds": statistics.median(seconds["rough"]),
        "mean_kl_nats": kl[1:].mean(),
        "same_top1": same[1:].mean(),
    }


def measure(chosen: Namespace) -> dict[str, Any]:
    exact = load_model(DEFAULT_MODEL, "float32", "cpu")
    rows = {
        precision: common.in_fresh_process(alone, precision, chosen.tokens, chosen.cpu_time)
        | against_float32(precision, exact, chosen)
        for precision in PRECISIONS
    }
    return {"model": exact.spec.name, "precisions": rows}


if __name__ == "__main__":
    options = {"rounds": (5, 1, common.ROUNDS[2]), "tokens": (512, 64, "length of the text")}
    common.run("precisions", __doc__, measure, cpu_time=common.CPU_TIME, **options)

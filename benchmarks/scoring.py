"""Scoring 1,000 tokens of the embedded model in bfloat16: ours, the plain way, and the transformer body alone.

Time is taken in rounds in which the ways take turns; a ratio is the median of the rounds' ratios. Memory is the peak
of a fresh process over what it held before, after one run of the body. Linux only, as the kernel counts that peak.
"""

import statistics
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import common
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.models.registry import DEFAULT_MODEL
from engine.scoring import score

TOP_K = 10
TARGETS = {"time_over_body": 1.4, "plain_over_ours": 2.3, "memory_share_of_plain": 0.10}


@torch.inference_mode()
def plain(model: LoadedModel, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """All logits, a log-softmax in float32, sorting for ranks and top k."""
    logits = model.logits(model.hidden_states(ids[None]))[0, :-1]
    log_probs = torch.log_softmax(logits.float(), dim=-1)
    order = log_probs.argsort(dim=-1, descending=True)
    target = ids[1:, None]
    ranks = (order == target).int().argmax(dim=-1) + 1
    entropies = -(log_probs.exp() * log_probs).sum(dim=-1)
    top = order[:, :TOP_K]
    return log_probs.gather(1, target), ranks, entropies, top, log_probs.gather(1, top)


def ways(model: LoadedModel, tokens: int) -> dict[str, Callable[[], object]]:
    text = common.own_text("examples", model, tokens)
    ids = torch.from_numpy(model.tokenizer.encode(text).token_ids.copy())
    return {
        "body": lambda: model.hidden_states(ids[None]),
        "ours": lambda: score.score_text(model, text, top_k=TOP_K),
        "plain": lambda: plain(model, ids),
    }


def peak_extra_bytes(way: str, tokens: int) -> int:
    run = ways(load_model(DEFAULT_MODEL, "bfloat16", "cpu"), tokens)
    run["body"]()
    return common.peak_extra_bytes(run[way])


def measure(chosen: Namespace) -> dict[str, Any]:
    model = load_model(DEFAULT_MODEL, "bfloat16", "cpu")
    seconds = common.interleaved(ways(model, chosen.tokens), chosen.rounds, cpu_time=chosen.cpu_time)
    peaks = {way: common.in_fresh_process(peak_extra_bytes, way, chosen.tokens) for way in seconds}
    return {
        "model": model.title,
        "results": {
            "time_over_body": common.median_ratio(seconds["ours"], seconds["body"]),
            "plain_over_ours": common.median_ratio(seconds["plain"], seconds["ours"]),
            "memory_share_of_plain": peaks["ours"] / peaks["plain"],
        },
        "targets": TARGETS,
        "median_seconds": {way: statistics.median(taken) for way, taken in seconds.items()},
        "fastest_seconds": {way: min(taken) for way, taken in seconds.items()},
        "peak_extra_mb": {way: peak / 1e6 for way, peak in peaks.items()},
    }


if __name__ == "__main__":
    tokens = (1000, 200, "length of the text")
    common.run("scoring", __doc__, measure, tokens=tokens, rounds=common.ROUNDS, cpu_time=common.CPU_TIME)

"""Scoring 1,000 tokens of the embedded model in bfloat16: ours, the plain way, and the transformer body alone.

    python benchmarks/scoring.py [--rounds 7] [--threads 2] [--cpu-time]

Time is taken in rounds in which the ways take turns; a ratio is the median of the rounds' ratios. Memory is the peak
of a fresh process over what it held before, after one run of the body. Linux only, as the kernel counts that peak.
On a busy machine take `--threads 1 --cpu-time`, which counts processor time instead of the clock's.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks import common
from engine import sources, steps
from engine.models import registry
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.scoring import score

TOKENS = 1_000
TOP_K = 10
TARGETS = {"time_over_body": 1.4, "plain_over_ours": 2.3, "memory_share_of_plain": 0.10}


def text_of(model: LoadedModel, tokens: int) -> str:
    """The project's own example texts, repeated and cut to so many tokens."""
    examples = sorted((common.ROOT / "assets" / "examples").glob("*.txt"))
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in examples)
    while len(encoding := model.tokenizer.encode(text)) < tokens:
        text += "\n\n" + text
    return text[: encoding.spans[tokens - 1, 1]]


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


def ways(model: LoadedModel) -> dict[str, Callable[[], object]]:
    text = text_of(model, TOKENS)
    ids = torch.from_numpy(model.tokenizer.encode(text).token_ids.copy())
    return {
        "body": lambda: model.hidden_states(ids[None]),
        "ours": lambda: score.score_text(model, text, top_k=TOP_K),
        "plain": lambda: plain(model, ids),
    }


def peak_extra_bytes(way: str) -> int:
    """Peak resident memory of one run of `way` over what this process held before it."""
    model = load_model(registry.DEFAULT_MODEL, precision="bfloat16", device="cpu")
    run = ways(model)
    run["body"]()
    return common.peak_extra_bytes(run[way])


def in_fresh_process(way: str) -> int:
    command = [sys.executable, __file__, "--memory-of", way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu-time", action="store_true", help="count processor time, not the clock's")
    parser.add_argument("--memory-of", choices=["body", "ours", "plain"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print(peak_extra_bytes(arguments.memory_of))
        return
    machine = common.machine()
    steps.run(sources.fetch_steps(registry.resolve(registry.DEFAULT_MODEL)))
    model = load_model(registry.DEFAULT_MODEL, precision="bfloat16", device="cpu")
    seconds = common.interleaved(ways(model), arguments.rounds, cpu_time=arguments.cpu_time)
    peaks = {way: in_fresh_process(way) for way in seconds}
    results = {
        "time_over_body": common.median_ratio(seconds["ours"], seconds["body"]),
        "plain_over_ours": common.median_ratio(seconds["plain"], seconds["ours"]),
        "memory_share_of_plain": round(peaks["ours"] / peaks["plain"], 3),
    }
    common.write_results(
        "scoring",
        {
            "what": f"{TOKENS} tokens, {model.title}, top {TOP_K}",
            "machine": machine,
            "clock": "processor time" if arguments.cpu_time else "wall",
            "results": results,
            "targets": TARGETS,
            "median_seconds": {way: round(statistics.median(taken), 3) for way, taken in seconds.items()},
            "fastest_seconds": {way: round(min(taken), 3) for way, taken in seconds.items()},
            "peak_extra_mb": {way: round(peak / 1e6, 1) for way, peak in peaks.items()},
        },
    )


if __name__ == "__main__":
    main()

"""Training a bias: speed against the plain loop, the default run's claims, and the price of a leash.

    python benchmarks/training.py              about three minutes on two cores
    python benchmarks/training.py --record     also writes the example that the page opens with

Plain loop: the same network, optimiser and batches, but logits and log-softmax at every position, as a loop written
with the library's own forward pass does, of which only the last position enters the loss.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks import common
from engine import steps as engine_steps
from engine.models.loading import load_model
from engine.models.registry import DEFAULT_MODEL
from engine.training import loop, presets, real_text, sampling, starting
from engine.training.config import BiasConfig
from engine.training.records import TrainingRun

ROUNDS = 7
BETAS = (3.0, 10.0)
EXAMPLE = common.ROOT / "assets" / "training" / "example_run.json"


def one_step(config: BiasConfig, *, all_positions: bool) -> Callable[[], object]:
    """A function that makes one update on a fresh batch."""
    trainee = engine_steps.run(starting.start_steps(config))
    optimiser = torch.optim.AdamW(trainee.trained, lr=config.learning_rate, fused=True)
    batches = torch.Generator().manual_seed(config.seed)

    def step() -> None:
        ids = sampling.random_prompts(trainee, config.batch_size, config.context_length, batches).to(trainee.device)
        if all_positions:
            log_probs = torch.log_softmax(trainee.network(input_ids=ids, use_cache=False).logits, dim=-1)[:, -1]
        else:
            log_probs = trainee.log_probs(trainee.hidden_states(ids)[:, -1])
        optimiser.zero_grad(set_to_none=True)
        trainee.target.loss(log_probs, config.direction).backward()
        optimiser.step()
        if trainee.device.type == "cuda":
            torch.cuda.synchronize()

    return step


def speed(config: BiasConfig) -> dict[str, Any]:
    ways = {"last_position": one_step(config, all_positions=False), "plain": one_step(config, all_positions=True)}
    seconds = common.interleaved(ways, ROUNDS)
    return {
        "steps_per_second": round(1 / statistics.median(seconds["last_position"]), 2),
        "plain_steps_per_second": round(1 / statistics.median(seconds["plain"]), 2),
        "times_faster": common.median_ratio(seconds["plain"], seconds["last_position"]),
        "target_times_faster": 3,
    }


def default_run(device: str) -> tuple[dict[str, Any], TrainingRun]:
    begun = time.perf_counter()
    run = loop.train_bias(replace(BiasConfig(), device=device)).run
    counts = {(each.when, each.kind): each.wanted_count for each in run.generations}
    return {
        "wall_seconds_with_samples": round(time.perf_counter() - begun, 1),
        "training_seconds": round(run.steps[-1].seconds, 1),
        "steps": run.config.steps,
        "kl_first": round(run.steps[0].kl, 3),
        "kl_last": round(run.steps[-1].kl, 5),
        "wanted_of_200_before": counts["before", "random"],
        "wanted_of_200_after": counts["after", "random"],
        "wanted_of_200_after_real_prompts": counts["after", "real"],
        "targets": {"kl_last": 0.01, "wanted_of_200_after": 190, "wall_seconds": 60},
    }, run


def frontier() -> list[dict[str, Any]]:
    """A pretrained model without and with beta: what each nat buys."""
    model = load_model(DEFAULT_MODEL, precision="float32")
    held = presets.preset("held").config
    configs = [presets.preset("ruined").config, *(replace(held, beta=beta) for beta in BETAS)]
    rows = []
    for config in configs:
        begun = time.perf_counter()
        run = loop.train_bias(replace(config, measure_every=config.steps, sample_every=config.steps), model).run
        rows.append(_row(run, time.perf_counter() - begun))
    return rows


def _row(run: TrainingRun, seconds: float) -> dict[str, Any]:
    first, last = run.steps[0], run.last_measured
    counts = {(each.when, each.kind): each.wanted_count for each in run.generations}
    return {
        "pull_on": run.config.pull_on,
        "beta": run.config.beta,
        "steps": run.config.steps,
        "wanted_after_training_input": round(last.wanted_mass, 4),
        "wanted_in_held_out_text_start": round(first.wanted_mass_text or 0.0, 5),
        "wanted_in_held_out_text": round(last.wanted_mass_text or 0.0, 4),
        "wanted_times_start": round((last.wanted_mass_text or 0.0) / (first.wanted_mass_text or 1.0), 1),
        "kl_to_start_nats": round(last.kl_to_start or 0.0, 3),
        "perplexity_times_start": [
            None if ratio is None else round(ratio, 3)
            for ratio in (last.perplexity_ratio, last.perplexity_ratio_low, last.perplexity_ratio_high)
        ],
        "wanted_of_200_real_prompts": [counts["before", "real"], counts["after", "real"]],
        "seconds": round(seconds, 1),
    }


def memory_of_start() -> dict[str, float]:
    """What remembering the start model costs, against a second copy of it, in MB."""
    model = load_model(DEFAULT_MODEL, precision="float32")
    trainee = engine_steps.run(starting.start_steps(presets.preset("held").config, model))
    views = real_text.start_views(trainee)
    kept = sum(weight.numel() for weight in views[0].head.parameters()) + sum(view.hidden.numel() for view in views)
    whole = sum(weight.numel() for weight in trainee.network.parameters())
    return {"kept_mb": round(4 * kept / 1e6, 1), "second_copy_mb": round(4 * whole / 1e6, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the example run of the page")
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": common.machine(), "threads_of_speed_and_default_run": 1}
    all_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the page's training process has it
    results["speed"] = speed(replace(BiasConfig(), device="cpu"))
    results["default_run"], run = default_run("cpu")
    if options.record:
        EXAMPLE.write_text(json.dumps(run.to_dict(), ensure_ascii=False) + "\n", encoding="utf-8")
    if torch.cuda.is_available():
        results["gpu_speed"] = speed(replace(BiasConfig(), device="cuda"))
        default_run("cuda")  # the first run pays for starting CUDA
        results["gpu_default_run"], _ = default_run("cuda")
        results["gpu_default_run"]["targets"]["wall_seconds"] = 5
    torch.set_num_threads(all_threads)
    results["memory_of_the_start_model"] = memory_of_start()
    results["frontier"] = frontier()
    common.write_results("training", results)


if __name__ == "__main__":
    main()

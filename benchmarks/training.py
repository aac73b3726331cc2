"""Training a bias: speed against the plain loop, the default run's claims, and the price of a leash.

Plain loop: the same network, optimiser and batches, but logits and log-softmax at every position, as a loop written
with the library's own forward pass does, of which only the last position enters the loss.
"""

import json
import statistics
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from benchmarks import common
from engine import steps as engine_steps
from engine.models.loading import load_model
from engine.models.registry import DEFAULT_MODEL
from engine.paths import ASSETS
from engine.training import loop, presets, real_text, sampling, starting
from engine.training.config import BiasConfig
from engine.training.records import TrainingRun

EXAMPLE = ASSETS / "training" / "example_run.json"


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


def speed(config: BiasConfig, rounds: int) -> dict[str, Any]:
    ways = {"last_position": one_step(config, all_positions=False), "plain": one_step(config, all_positions=True)}
    seconds = common.interleaved(ways, rounds)
    return {
        "steps_per_second": 1 / statistics.median(seconds["last_position"]),
        "plain_steps_per_second": 1 / statistics.median(seconds["plain"]),
        "times_faster": common.median_ratio(seconds["plain"], seconds["last_position"]),
        "target_times_faster": 3,
    }


def default_run(config: BiasConfig, target_seconds: float) -> tuple[dict[str, Any], TrainingRun]:
    begun = time.perf_counter()
    run = loop.train_bias(config).run
    counts = wanted_counts(run)
    return {
        "wall_seconds_with_samples": time.perf_counter() - begun,
        "training_seconds": run.steps[-1].seconds,
        "steps": run.config.steps,
        "kl_first": run.steps[0].kl,
        "kl_last": run.steps[-1].kl,
        "wanted_of_200_before": counts["before", "random"],
        "wanted_of_200_after": counts["after", "random"],
        "wanted_of_200_after_real_prompts": counts["after", "real"],
        "targets": {"kl_last": 0.01, "wanted_of_200_after": 190, "wall_seconds": target_seconds},
    }, run


def wanted_counts(run: TrainingRun) -> dict[tuple[str, str], int]:
    """Wanted tokens of 200, before or after training, on random or real prompts."""
    return {(each.when, each.kind): each.wanted_count for each in run.generations}


def frontier(betas: list[float], most_steps: int) -> list[dict[str, Any]]:
    """A pretrained model without and with beta: what each nat buys."""
    model = load_model(DEFAULT_MODEL, "float32")
    held = presets.preset("held").config
    configs = [presets.preset("ruined").config, *(replace(held, beta=beta) for beta in betas)]
    rows = []
    for config in configs:
        steps = min(config.steps, most_steps)
        begun = time.perf_counter()
        run = loop.train_bias(replace(config, steps=steps, measure_every=steps, sample_every=steps), model).run
        rows.append(row(run, time.perf_counter() - begun))
    return rows


def row(run: TrainingRun, seconds: float) -> dict[str, Any]:
    first, last = run.steps[0], run.last_measured
    assert first.wanted_mass_text is not None
    assert last.wanted_mass_text is not None
    counts = wanted_counts(run)
    return {
        "pull_on": run.config.pull_on,
        "beta": run.config.beta,
        "steps": run.config.steps,
        "wanted_after_training_input": last.wanted_mass,
        "wanted_in_held_out_text_start": first.wanted_mass_text,
        "wanted_in_held_out_text": last.wanted_mass_text,
        "wanted_times_start": last.wanted_mass_text / first.wanted_mass_text,
        "kl_to_start_nats": last.kl_to_start,
        "perplexity_times_start": [last.perplexity_ratio, last.perplexity_ratio_low, last.perplexity_ratio_high],
        "wanted_of_200_real_prompts": [counts["before", "real"], counts["after", "real"]],
        "seconds": seconds,
    }


def memory_of_start() -> dict[str, float]:
    """What remembering the start model costs, against a second copy of it, in MB."""
    model = load_model(DEFAULT_MODEL, "float32")
    trainee = engine_steps.run(starting.start_steps(presets.preset("held").config, model))
    views = real_text.start_views(trainee)
    kept = sum(weight.numel() for weight in views[0].head.parameters()) + sum(view.hidden.numel() for view in views)
    whole = sum(weight.numel() for weight in trainee.network.parameters())
    return {"kept_mb": 4 * kept / 1e6, "second_copy_mb": 4 * whole / 1e6}


def measure(chosen: Namespace) -> dict[str, Any]:
    base = BiasConfig()
    config = replace(base, device="cpu", steps=min(base.steps, chosen.steps))
    torch.set_num_threads(1)  # as the page's training process has it
    results: dict[str, Any] = {"threads_of_speed_and_default_run": 1, "speed": speed(config, chosen.rounds)}
    results["default_run"], run = default_run(config, target_seconds=60)
    if chosen.record and not chosen.quick:
        EXAMPLE.write_text(json.dumps(run.to_dict(), ensure_ascii=False) + "\n", encoding="utf-8")
    if torch.cuda.is_available():
        on_gpu = replace(config, device="cuda")
        results["gpu_speed"] = speed(on_gpu, chosen.rounds)
        loop.train_bias(on_gpu)  # the first run pays for starting CUDA
        results["gpu_default_run"], _ = default_run(on_gpu, target_seconds=5)
    torch.set_num_threads(chosen.threads)
    results["memory_of_the_start_model"] = memory_of_start()
    results["frontier"] = frontier(chosen.betas, chosen.steps)
    return results


if __name__ == "__main__":
    common.run(
        "training",
        __doc__,
        measure,
        rounds=common.ROUNDS,
        betas=([3.0, 10.0], [3.0], "of the leash on the pretrained model"),
        steps=(1000, 2, "most updates of a run"),
        record=(False, False, "also write the example that the page opens with"),
    )

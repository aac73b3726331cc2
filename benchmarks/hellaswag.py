"""HellaSwag: the same choices and log-likelihoods as lm-evaluation-harness, and how much faster.

Gemma 3 270M, whose tokenizer opens texts by itself, is compared if its weights are here (python -m engine fetch
gemma3-270m --accept-licence). A part whose number of items is 0 is left out, and what was measured of it before stays.

Reads hellaswag_val_full.txt.bz2. lm-evaluation-harness is compared where it is installed, beside the project rather
than in it: pip install --no-deps lm-eval==0.4.13 (with its few imports: evaluate, sacrebleu ...), or put another
environment's packages on PYTHONPATH. Batches are kept in a store of their own, so that a run that was stopped goes on;
the speed of each is that of the batches computed.
"""

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import common
from engine import sources, steps
from engine.evaluation.hellaswag import evaluate, items
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.models import registry
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.models.opening import Bos

HARNESS_BATCHES = (1, 8)
ROUND_ITEMS = 20
"""Items of one turn: all ways take turns, so that a busy moment of the machine hits each."""
TARGETS = {"float32_over_harness": 1.7, "default_over_harness": 3.0, "log_likelihood_difference": 1e-3}
PUBLISHED_ACC_NORM = 0.409
GEMMA = "gemma3-270m"
PIP_LINE = "pip install --no-deps lm-eval==0.4.13"

Way = Callable[[list[HellaSwagItem]], np.ndarray]
"""(n, 4) log-likelihoods of the endings of n items."""


def ours(model: LoadedModel, bos: Bos = "auto") -> Way:
    return lambda some: evaluate.evaluate_hellaswag(model, some, bos=bos).log_likelihoods


def harness(model: LoadedModel, batch_size: int) -> Way:
    """`HFLM.loglikelihood`, asked as its HellaSwag task asks."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    theirs = HFLM(pretrained=model.network, tokenizer=model.tokenizer.backend, batch_size=batch_size)

    def log_likelihoods(some: list[HellaSwagItem]) -> np.ndarray:
        requests = [
            Instance("loglikelihood", doc={}, arguments=(item.context, " " + ending), idx=index)
            for item in some
            for index, ending in enumerate(item.endings)
        ]
        found = theirs.loglikelihood(requests, disable_tqdm=True)
        return np.array([log_likelihood for log_likelihood, _ in found]).reshape(-1, 4)

    return log_likelihoods


def by_turns(
    ways: Mapping[str, Way], some: list[HellaSwagItem]
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Log-likelihoods (n, 4) by each way, and its seconds in each turn."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for start in range(0, len(some), ROUND_ITEMS):
        for name, way in ways.items():
            begun = perf_counter()
            found[name].append(way(some[start : start + ROUND_ITEMS]))
            seconds[name].append(perf_counter() - begun)
        common.say(f"{min(start + ROUND_ITEMS, len(some))} of {len(some)} items by {', '.join(ways)}")
    return {name: np.concatenate(parts) for name, parts in found.items()}, seconds


def against_harness(some: list[HellaSwagItem]) -> dict[str, Any]:
    """The embedded model's agreement, and seconds per item."""
    exact, faster = load_model(registry.DEFAULT_MODEL, "float32"), load_model(registry.DEFAULT_MODEL)
    sizes = {str(size): harness(exact, size) for size in HARNESS_BATCHES}
    found, seconds = by_turns(sizes | {"ours_float32": ours(exact), "ours_default": ours(faster)}, some)
    best = min(sizes, key=lambda size: sum(seconds[size]))
    theirs = found[str(HARNESS_BATCHES[-1])]
    return {
        "items": len(some),
        "harness_batch_size": int(best),
        "largest_log_likelihood_difference": np.abs(theirs - found["ours_float32"]).max(),
        "same_choices": same(theirs, found["ours_float32"], some),
        "same_choices_default_precision": same(theirs, found["ours_default"], some),
        "seconds_an_item": {name: sum(taken) / len(some) for name, taken in seconds.items()},
        "float32_over_harness": common.median_ratio(seconds[best], seconds["ours_float32"]),
        "default_over_harness": common.median_ratio(seconds[best], seconds["ours_default"]),
        "default_precision": faster.precision,
        "targets": TARGETS,
    }


def agreement(model: LoadedModel, some: list[HellaSwagItem]) -> dict[str, Any]:
    """Choices and log-likelihoods of a model, and what its opening token changes."""
    ways = {"theirs": harness(model, HARNESS_BATCHES[0]), "ours": ours(model), "bare": ours(model, "off")}
    found, _ = by_turns(ways, some)
    labels = [item.label for item in some]
    acc_norm = {name: (by_character(found[name], some) == labels).mean() for name in ("ours", "bare")}
    return {
        "model": model.title,
        "items": len(some),
        "largest_log_likelihood_difference": np.abs(found["theirs"] - found["ours"]).max(),
        "same_choices": same(found["theirs"], found["ours"], some),
        "same_choices_without_the_opening_token": same(found["theirs"], found["bare"], some),
        "acc_norm": acc_norm["ours"],
        "acc_norm_without_the_opening_token": acc_norm["bare"],
    }


def by_character(log_likelihoods: np.ndarray, some: list[HellaSwagItem]) -> np.ndarray:
    """(n,) the likeliest ending of each item by character."""
    lengths = np.array([[len(ending) for ending in item.endings] for item in some])
    return (log_likelihoods / lengths).argmax(axis=1)


def same(a: np.ndarray, b: np.ndarray, some: list[HellaSwagItem]) -> dict[str, float]:
    """Share of items with the same choice, by both conventions."""
    return {
        "acc": (a.argmax(1) == b.argmax(1)).mean(),
        "acc_norm": (by_character(a, some) == by_character(b, some)).mean(),
    }


def accuracy(model: LoadedModel, some: list[HellaSwagItem]) -> dict[str, Any]:
    """Accuracies over many items, kept batch by batch."""
    keep = common.keeper("hellaswag", f"hellaswag {model.key} {len(some)}")
    result = steps.run(evaluate.evaluate_hellaswag_steps(model, some, keep=keep), common.show)
    found = {convention: result.accuracy(convention) for convention in evaluate.CONVENTIONS}
    return {
        "model": model.title,
        "items": len(result),
        **{name: {"value": it.value, "error": it.error} for name, it in found.items()},
        "published_acc_norm": PUBLISHED_ACC_NORM,
        "errors_from_published": (found["acc_norm"].value - PUBLISHED_ACC_NORM) / found["acc_norm"].error,
        "about": "The published figure is of the original weights. Ours are read from 4-bit storage (Q4_1), which may "
        "cost a point or two, and the six-line file has lost the border between ctx_a and ctx_b.",
        "items_per_second": len(result) / result.seconds,
    }


def measure(chosen: Namespace) -> dict[str, Any]:
    everything = items.read_item_set(common.data("hellaswag_val_full.txt.bz2")).items
    order = np.random.default_rng(0).permutation(len(everything))  # a longer sample begins with the shorter
    mixed = [everything[index] for index in order]
    kept = common.RESULTS / "hellaswag.json"
    results: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() and not chosen.quick else {}
    if chosen.items or chosen.acc_items:  # the machine and settings of this run stand for these
        results = {name: part for name, part in results.items() if name not in ("machine", "settings")}
    try:
        results |= compared(mixed[: chosen.items], mixed[: chosen.gemma_items])
    except ImportError as error:
        common.say(f"Not compared with lm-evaluation-harness ({error}). Install it: {PIP_LINE}")
    if chosen.acc_items:
        results["accuracy"] = accuracy(load_model(registry.DEFAULT_MODEL), mixed[: chosen.acc_items])
    return results


def compared(some: list[HellaSwagItem], for_gemma: list[HellaSwagItem]) -> dict[str, Any]:
    """The parts that need the harness.

    Raises
    ------
    ImportError
        It is not installed.
    """
    import lm_eval

    found: dict[str, Any] = {}
    if some:
        found["harness"] = {"version": lm_eval.__version__, **against_harness(some)}
    if for_gemma and sources.availability(registry.resolve(GEMMA)).state == "here":
        measured = agreement(load_model(GEMMA, "float32"), for_gemma)
        found["harness_gemma"] = {"machine": common.machine(), "version": lm_eval.__version__, **measured}
    return found


if __name__ == "__main__":
    common.run(
        "hellaswag",
        __doc__,
        measure,
        items=(400, 2, "compared with the harness"),
        acc_items=(1000, 4, "for the accuracies"),
        gemma_items=(100, 2, "compared with the harness for Gemma 3 270M"),
    )

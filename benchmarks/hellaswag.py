"""HellaSwag: the same choices and log-likelihoods as lm-evaluation-harness, and how much faster.

    python benchmarks/hellaswag.py [--items 400] [--acc-items 1000] [--gemma-items 100] [--threads 2]

Gemma 3 270M, whose tokenizer opens texts by itself, is compared if its weights are here (python -m engine fetch
gemma3-270m --accept-licence). A part whose number of items is 0 is left out, and what was measured of it before stays.

Reads ../shared/data/hellaswag_val_full.txt.bz2. lm-evaluation-harness is compared where it is installed, beside the
project rather than in it: pip install --no-deps lm-eval==0.4.13 (with its few imports: evaluate, sacrebleu ...), or put
another environment's packages on PYTHONPATH. Batches are kept in a store of their own, so that a run that was stopped
goes on; the speed of each is that of the batches computed.
"""

import argparse
import bz2
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from benchmarks import common
from engine import paths, sources, steps
from engine.evaluation.hellaswag import evaluate, items
from engine.evaluation.hellaswag.evaluate import HellaSwagResult
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.runs.batches import RunKeeper
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import RunStore
from engine.models import registry
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.steps import Progress

DATA = common.ROOT.parent / "shared" / "data" / "hellaswag_val_full.txt.bz2"
HARNESS_BATCHES = (1, 8)
ROUND_ITEMS = 20
"""Items of one turn: both ways take turns, so that a busy moment of the machine hits both."""
TARGETS = {"float32_over_harness": 1.7, "default_over_harness": 3.0, "log_likelihood_difference": 1e-3}
PUBLISHED_ACC_NORM = 0.409
GEMMA = "gemma3-270m"
PIP_LINE = "pip install --no-deps lm-eval==0.4.13"


def sample(count: int) -> list[HellaSwagItem]:
    """A seeded sample of the validation set; a longer one begins with the shorter."""
    everything = items.read_item_set(bz2.decompress(DATA.read_bytes()).decode()).items
    order = np.random.default_rng(0).permutation(len(everything))[:count]
    return [everything[index] for index in order]


def harness_log_likelihoods(harness: Any, some: list[HellaSwagItem]) -> np.ndarray:
    """(n, 4) from `HFLM.loglikelihood`, asked as its HellaSwag task asks."""
    from lm_eval.api.instance import Instance

    requests = [
        Instance("loglikelihood", doc={}, arguments=(item.context, " " + ending), idx=index)
        for item in some
        for index, ending in enumerate(item.endings)
    ]
    found = harness.loglikelihood(requests, disable_tqdm=True)
    return np.array([log_likelihood for log_likelihood, _ in found]).reshape(-1, 4)


def against_harness(model: LoadedModel, faster: LoadedModel, some: list[HellaSwagItem]) -> dict[str, Any]:
    """Both on the same items by turns: agreement, and seconds per item."""
    from lm_eval.models.huggingface import HFLM

    backend = model.tokenizer.backend
    harnesses = {size: HFLM(pretrained=model.network, tokenizer=backend, batch_size=size) for size in HARNESS_BATCHES}
    seconds: dict[str, list[float]] = {
        name: [] for name in ("ours_float32", "ours_default", *map(str, HARNESS_BATCHES))
    }
    theirs, ours, quick = [], [], []
    for start in range(0, len(some), ROUND_ITEMS):
        part = some[start : start + ROUND_ITEMS]
        for size, harness in harnesses.items():
            begun = perf_counter()
            found = harness_log_likelihoods(harness, part)
            seconds[str(size)].append(perf_counter() - begun)
        theirs.append(found)
        for name, used, into in (("ours_float32", model, ours), ("ours_default", faster, quick)):
            begun = perf_counter()
            into.append(evaluate.evaluate_hellaswag(used, part).log_likelihoods)
            seconds[name].append(perf_counter() - begun)
        print(f"{start + len(part)} of {len(some)} items against the harness", file=sys.stderr)
    best = min(map(str, HARNESS_BATCHES), key=lambda size: sum(seconds[size]))
    return {
        "items": len(some),
        "harness_batch_size": int(best),
        "largest_log_likelihood_difference": float(np.abs(np.concatenate(theirs) - np.concatenate(ours)).max()),
        "same_choices": same(theirs, ours, some),
        "same_choices_default_precision": same(theirs, quick, some),
        "seconds_an_item": {name: round(sum(taken) / len(some), 4) for name, taken in seconds.items()},
        "float32_over_harness": common.median_ratio(seconds[best], seconds["ours_float32"]),
        "default_over_harness": common.median_ratio(seconds[best], seconds["ours_default"]),
        "default_precision": faster.precision,
        "targets": TARGETS,
    }


def agreement(model: LoadedModel, some: list[HellaSwagItem]) -> dict[str, Any]:
    """Both on the same items, without timing: choices and log-likelihoods, and what the opening token changes."""
    from lm_eval.models.huggingface import HFLM

    harness = HFLM(pretrained=model.network, tokenizer=model.tokenizer.backend, batch_size=HARNESS_BATCHES[0])
    theirs, ours, bare = [], [], []
    for start in range(0, len(some), ROUND_ITEMS):
        part = some[start : start + ROUND_ITEMS]
        theirs.append(harness_log_likelihoods(harness, part))
        ours.append(evaluate.evaluate_hellaswag(model, part).log_likelihoods)
        bare.append(evaluate.evaluate_hellaswag(model, part, bos="off").log_likelihoods)
        print(f"{start + len(part)} of {len(some)} items of {model.title} against the harness", file=sys.stderr)
    return {
        "model": model.title,
        "items": len(some),
        "largest_log_likelihood_difference": float(np.abs(np.concatenate(theirs) - np.concatenate(ours)).max()),
        "same_choices": same(theirs, ours, some),
        "same_choices_without_the_opening_token": same(theirs, bare, some),
        "acc_norm": right(ours, some),
        "acc_norm_without_the_opening_token": right(bare, some),
    }


def right(sums: list[np.ndarray], some: list[HellaSwagItem]) -> float:
    """Share of items whose likeliest ending by character is the true one."""
    lengths = np.array([[len(ending) for ending in item.endings] for item in some])
    chosen = (np.concatenate(sums) / lengths).argmax(1)
    return float((chosen == [item.label for item in some]).mean())


def same(theirs: list[np.ndarray], ours: list[np.ndarray], some: list[HellaSwagItem]) -> dict[str, float]:
    """Share of items with the same choice, by both conventions."""
    a, b = np.concatenate(theirs), np.concatenate(ours)
    lengths = np.array([[len(ending) for ending in item.endings] for item in some])
    return {
        "acc": float((a.argmax(1) == b.argmax(1)).mean()),
        "acc_norm": float(((a / lengths).argmax(1) == (b / lengths).argmax(1)).mean()),
    }


def accuracy(model: LoadedModel, some: list[HellaSwagItem], store: RunStore) -> dict[str, Any]:
    """Accuracies over many items, kept batch by batch."""
    run_id = f"hellaswag {model.key} {len(some)}"
    store.begin(Plan(run_id, "hellaswag", "benchmark", {}, [], ""))
    work = evaluate.evaluate_hellaswag_steps(model, some, keep=RunKeeper(store, run_id))
    result: HellaSwagResult = steps.run(work, say)
    found = {convention: result.accuracy(convention) for convention in evaluate.CONVENTIONS}
    return {
        "model": model.title,
        "items": len(result),
        **{name: {"value": round(it.value, 4), "error": round(it.error, 4)} for name, it in found.items()},
        "published_acc_norm": PUBLISHED_ACC_NORM,
        "errors_from_published": round((found["acc_norm"].value - PUBLISHED_ACC_NORM) / found["acc_norm"].error, 2),
        "about": "The published figure is of the original weights. Ours are read from 4-bit storage (Q4_1), which may "
        "cost a point or two, and the six-line file has lost the border between ctx_a and ctx_b.",
        "items_per_second": round(len(result) / result.seconds, 3),
    }


def say(progress: Progress) -> None:
    if progress.done and progress.done % 50 < 4:
        print(f"{progress.message}: {progress.done} of {progress.total} {progress.unit}", file=sys.stderr)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--items", type=int, default=400, help="compared with the harness")
    options.add_argument("--acc-items", type=int, default=1000, help="for the accuracies")
    options.add_argument("--gemma-items", type=int, default=100, help="compared with the harness for Gemma 3 270M")
    options.add_argument("--threads", type=int)
    chosen = options.parse_args()
    if not DATA.exists():
        sys.exit(f"{DATA} is not here; this benchmark needs it.")
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    kept = common.RESULTS / "hellaswag.json"
    results: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    if chosen.items or chosen.acc_items:
        results["machine"] = common.machine()
    try:
        results |= compared(chosen.items, chosen.gemma_items)
    except ImportError as error:
        print(f"Not compared with lm-evaluation-harness ({error}). Install it: {PIP_LINE}", file=sys.stderr)
    if chosen.acc_items:
        store = RunStore(paths.cache_dir() / "benchmarks" / "hellaswag.sqlite")
        results["accuracy"] = accuracy(load_model(registry.DEFAULT_MODEL), sample(chosen.acc_items), store)
    common.write_results("hellaswag", results)


def compared(count: int, gemma_count: int) -> dict[str, Any]:
    """The parts that need the harness.

    Raises
    ------
    ImportError
        It is not installed.
    """
    import lm_eval

    found: dict[str, Any] = {}
    if count:
        model, faster = load_model(registry.DEFAULT_MODEL, precision="float32"), load_model(registry.DEFAULT_MODEL)
        found["harness"] = {"version": lm_eval.__version__, **against_harness(model, faster, sample(count))}
    if gemma_count and sources.availability(registry.resolve(GEMMA)).state == "here":
        measured = agreement(load_model(GEMMA, precision="float32"), sample(gemma_count))
        found["harness_gemma"] = {"machine": common.machine(), "version": lm_eval.__version__, **measured}
    return found


if __name__ == "__main__":
    main()

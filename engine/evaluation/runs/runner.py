"""Doing a kept run, from the start or from where it stopped, and reading its result back without a model."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from engine import errors, export
from engine.evaluation.divergence import evaluate
from engine.evaluation.divergence import result as divergence_result
from engine.evaluation.divergence.result import CorpusDivergence
from engine.evaluation.hellaswag import evaluate as hellaswag
from engine.evaluation.hellaswag.evaluate import HellaSwagResult
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.mauve import run as mauve_run
from engine.evaluation.mauve.run import MauveRun
from engine.evaluation.runs import plans
from engine.evaluation.runs.batches import Keeper, RunKeeper
from engine.evaluation.runs.store import Run, RunStore
from engine.models import opening
from engine.models.loaded import LoadedModel
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from engine.steps import Steps

Load = Callable[[ModelRequest], Steps[LoadedModel]]
"""From what was asked for to a loaded model, e.g. `ModelPool.load_steps`."""


@dataclass(frozen=True, eq=False)
class HellaSwagRun:
    """The items that every model has answered, and what each made of them."""

    items: tuple[HellaSwagItem, ...]
    results: tuple[HellaSwagResult, ...]


Result = CorpusDivergence | HellaSwagRun | MauveRun


def run_steps(store: RunStore, run_id: str, load: Load) -> Steps[Run]:
    """Do what is left of a run and mark it finished.

    Raises
    ------
    ComparisonError
        A model is not the one the run began with.
    EngineError
        Whatever loading or evaluating refuses.
    """
    run = store.run(run_id)
    if run.finished:
        return run
    keep, inputs = RunKeeper(store, run_id), store.inputs(run_id)
    result: Result
    if run.kind == "divergence":
        result = yield from _divergence_steps(store, run, inputs, keep, load)
    elif run.kind == "hellaswag":
        result = yield from _hellaswag_steps(store, run, inputs, keep, load)
    else:
        result = yield from _mauve_steps(store, run, inputs, keep, load)
    return store.finish(run_id, summary(result))


def reopen(store: RunStore, run_id: str) -> Result | None:
    """The result of a run as far as it has come; None where that is nothing yet."""
    run = store.run(run_id)
    done = store.places(run_id)
    if not done:
        return None
    inputs = store.inputs(run_id)
    if run.kind == "divergence":
        return divergence_result.reopened(store.batches(run_id, evaluate.STAGE), inputs)
    if run.kind == "hellaswag":
        items = plans.items_of(inputs)
        stages = sorted({stage for stage, _ in done})
        results = [hellaswag.reopened(store.batches(run_id, stage), items) for stage in stages]
        return HellaSwagRun(*hellaswag.shared(items, results))
    return mauve_run.reopened(store, run_id)


def summary(result: Result) -> dict[str, Any]:
    """The numbers of a result, JSON-ready, without per-token columns."""
    found: dict[str, Any]
    if isinstance(result, CorpusDivergence):
        found = _divergence_summary(result)
    elif isinstance(result, HellaSwagRun):
        found = {"models": [_hellaswag_summary(one) for one in result.results]}
    else:
        found = mauve_run.summary(result)
    ready: dict[str, Any] = export.json_ready(found)
    return ready


def described(run: Run) -> dict[str, Any]:
    """A run and its result for export: what was asked, with what, and the numbers; None while unfinished."""
    named = ("id", "kind", "title", "finished", "created", "updated", "settings", "models", "data_hash", "versions")
    return {**{name: getattr(run, name) for name in named}, "result": run.summary if run.finished else None}


def _divergence_summary(result: CorpusDivergence) -> dict[str, Any]:
    correlations = ("pearson", "spearman", "pearson_per_character")
    named = ("shared_vocabulary", "kl_undefined_reason", "common_tokens", "outside", *correlations)
    spent = ("tokens_base", "tokens_candidate", "seconds_base", "seconds_candidate")
    bits = ("bits_per_byte_base", "bits_per_byte_candidate", "bits_per_byte_difference")
    estimates = ("perplexity_base", "perplexity_candidate", *bits)
    return {
        "base": result.base_title,
        "candidate": result.candidate_title,
        "tokens": len(result),
        **{name: getattr(result, name) for name in (*named, *spent)},
        **{name: asdict(getattr(result, name)) for name in estimates},
        "statistics": None if result.statistics is None else asdict(result.statistics),
        "notes": list(result.notes),
    }


def _hellaswag_summary(result: HellaSwagResult) -> dict[str, Any]:
    return {
        "model": result.model_title,
        "items": len(result),
        "left_out": result.left_out,
        "notes": list(result.notes),
        "seconds": result.seconds,
        **{convention: asdict(result.accuracy(convention)) for convention in hellaswag.CONVENTIONS},
    }


def _divergence_steps(
    store: RunStore, run: Run, inputs: list[str], keep: Keeper, load: Load
) -> Steps[CorpusDivergence]:
    asked = run.settings
    base = yield from _loaded(store, run, "base", ModelRequest.read(asked["base"]), load)
    candidate = yield from _loaded(store, run, "candidate", ModelRequest.read(asked["candidate"]), load)
    return (
        yield from evaluate.corpus_divergence_steps(
            base,
            candidate,
            inputs,
            window=asked["window"],
            stride=asked["stride"],
            bos=plans.bos_of(asked),
            special_tokens=plans.special_tokens_of(asked),
            common_tokens=plans.common_tokens_of(asked),
            keep=keep,
        )
    )


def _hellaswag_steps(store: RunStore, run: Run, inputs: list[Any], keep: Keeper, load: Load) -> Steps[HellaSwagRun]:
    items, bos = plans.items_of(inputs), plans.bos_of(run.settings)
    results = []
    for number, listed in enumerate(run.settings["models"]):
        stage = f"model {number + 1}"
        model = yield from _loaded(store, run, stage, ModelRequest.read(listed), load)
        results.append((yield from hellaswag.evaluate_hellaswag_steps(model, items, bos=bos, keep=keep, stage=stage)))
    return HellaSwagRun(*hellaswag.shared(items, results))


def _mauve_steps(store: RunStore, run: Run, inputs: dict[str, Any], keep: Keeper, load: Load) -> Steps[MauveRun]:
    features = yield from _loaded(store, run, "features", ModelRequest.read(run.settings["features"]), load)
    writers = []
    for number, listed in enumerate(run.settings["models"]):
        writers.append((yield from _loaded(store, run, f"model {number + 1}", ModelRequest.read(listed), load)))
    bos = plans.bos_of(run.settings)
    return (yield from mauve_run.mauve_run_steps(features, writers, inputs, run.settings, keep, bos=bos))


def _loaded(store: RunStore, run: Run, role: str, wanted: ModelRequest, load: Load) -> Steps[LoadedModel]:
    """Load a model, record it with the run, and refuse one that is not the run's."""
    known = store.run(run.id).models.get(role)
    model = yield from load(wanted if known is None else replace(wanted, precision=known["precision"]))
    if known is None:
        described = _described(model, plans.bos_of(run.settings))
        store.set_models(run.id, {**store.run(run.id).models, role: described})
    elif known["key"] != model.key:
        raise errors.ComparisonError(
            f"Run {run.id} began with {known['key']}; now the same name gives {model.key}. Continue it where that "
            "model is, or delete the run and start anew."
        )
    return model


def _described(model: LoadedModel, bos: Bos) -> dict[str, Any]:
    opening_ids = opening.opening_ids(model, bos)
    return {
        "key": model.key,
        "title": model.title,
        "name": model.spec.name,
        "precision": model.precision,
        "revision": model.revision,
        "device": str(model.device),
        "reason": model.reason,
        "parameters": model.spec.parameters,
        "memory_bytes": model.memory_bytes,
        "opening_ids": opening_ids,
        "opening_tokens": model.tokenizer.token_texts(opening_ids),
    }

"""Doing a kept run, from the start or from where it stopped, and reading its result back without a model."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine import errors, export
from engine.evaluation.evaluation import Work
from engine.evaluation.kinds import EVALUATIONS
from engine.evaluation.runs import planning
from engine.evaluation.runs.batches import RunKeeper
from engine.evaluation.runs.store import Run, RunStore
from engine.models import opening
from engine.models.loaded import LoadedModel
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from engine.steps import Steps

Load = Callable[[ModelRequest], Steps[LoadedModel]]
"""From what was asked for to a loaded model, e.g. `ModelPool.load_steps`."""


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

    def recorded(role: str, wanted: ModelRequest) -> Steps[LoadedModel]:
        return _loaded(store, run, role, wanted, load)

    work = Work(run.settings, store.inputs(run_id), RunKeeper(store, run_id), recorded)
    result = yield from EVALUATIONS[run.kind].steps(work)
    return store.finish(run_id, summary(run, result))


def reopen(store: RunStore, run_id: str) -> Any:
    """The result of a run as far as it has come, of the type its evaluation gives; None if that is nothing yet."""
    run = store.run(run_id)
    return EVALUATIONS[run.kind].reopen(store, run) if store.places(run_id) else None


def summary(run: Run, result: Any) -> dict[str, Any]:
    """The numbers of a run's result, JSON-ready, without per-token columns."""
    ready: dict[str, Any] = export.json_ready(EVALUATIONS[run.kind].summary(result))
    return ready


def described(run: Run) -> dict[str, Any]:
    """A run and its result for export: what was asked, with what, and the numbers; None while unfinished."""
    named = ("id", "kind", "title", "finished", "created", "updated", "settings", "models", "data_hash", "versions")
    found = {name: getattr(run, name) for name in named}
    return {**found, "notes": list(run.notes), "result": run.summary if run.finished else None}


def _loaded(store: RunStore, run: Run, role: str, wanted: ModelRequest, load: Load) -> Steps[LoadedModel]:
    """Load a model, record it with the run, and refuse one that is not the run's."""
    known = store.run(run.id).models.get(role)
    model = yield from load(wanted if known is None else replace(wanted, precision=known["precision"]))
    if known is None:
        described = _described(model, planning.bos_of(run.settings))
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
        **{name: getattr(model, name) for name in ("key", "title", "precision", "revision", "reason", "memory_bytes")},
        "name": model.spec.name,
        "device": str(model.device),
        "parameters": model.spec.parameters,
        "opening_ids": opening_ids,
        "opening_tokens": model.tokenizer.token_texts(opening_ids),
    }

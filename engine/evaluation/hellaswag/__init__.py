"""HellaSwag, as an evaluation: how often one or two models find the true ending of a question the likeliest.

items      contexts and endings, read from files
hub_items  the validation set from the hub
packing    an item as tokens, and items packed into batches whose context is computed once
evaluate   log-likelihoods of the endings, and accuracy by three conventions
paired     two models on the same items
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine import errors, formatting
from engine.evaluation.evaluation import Work
from engine.evaluation.hellaswag import evaluate
from engine.evaluation.hellaswag.evaluate import CONVENTIONS, HellaSwagResult
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.row import Row, kept_estimate
from engine.evaluation.runs import planning
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run, RunStore
from engine.models import opening
from engine.models.loading import LOADING_CHARACTERS
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from engine.steps import Stages, Steps

KIND, TITLE = "hellaswag", "HellaSwag"


@dataclass(frozen=True, eq=False)
class HellaSwagAnswers:
    """The items that every model has answered, and what each made of them."""

    items: tuple[HellaSwagItem, ...]
    results: tuple[HellaSwagResult, ...]


def plan(
    judged: Sequence[ModelRequest], items: Sequence[HellaSwagItem], *, bos: Bos = "auto", notes: Sequence[str] = ()
) -> Plan:
    """A run of `evaluate_hellaswag_steps` over `items` for one or two models; `notes` say how the items were read."""
    if not items:
        raise errors.InputError("There are no items to evaluate.")
    opening.check(bos)
    settings = {"models": planning.listed(*judged), "bos": bos}
    title = f"{' and '.join(model.title for model in judged)} on {formatting.counted(len(items), 'HellaSwag item')}"
    inputs = [[item.context, list(item.endings), item.label] for item in items]
    return planning.make(KIND, title, settings, inputs, notes=notes)


def models(settings: Mapping[str, Any]) -> list[ModelRequest]:
    """The models that are asked."""
    return planning.wanted(settings["models"])


def steps(work: Work) -> Steps[HellaSwagAnswers]:
    """Ask one model after the other."""
    items, bos = _items(work.inputs), planning.bos_of(work.settings)
    asked_of, results = models(work.settings), []
    size = sum(len(item.context) + sum(map(len, item.endings)) for item in items)
    stages = Stages(*[LOADING_CHARACTERS, size] * len(asked_of))
    for number, wanted in enumerate(asked_of, start=1):
        stage = f"model {number}"
        model = yield from stages.next(work.load(stage, wanted))
        asked = evaluate.evaluate_hellaswag_steps(model, items, bos=bos, keep=work.keep, stage=stage)
        results.append((yield from stages.next(asked)))
    return HellaSwagAnswers(*evaluate.shared(items, results))


def reopen(store: RunStore, run: Run) -> HellaSwagAnswers:
    """The answers kept, of the items that every model that was asked has answered."""
    items = _items(store.inputs(run.id))
    stages = sorted({stage for stage, _ in store.places(run.id)})
    results = [evaluate.reopened(store.batches(run.id, stage), items) for stage in stages]
    return HellaSwagAnswers(*evaluate.shared(items, results))


def summary(found: HellaSwagAnswers) -> dict[str, Any]:
    """Accuracies of each model."""
    return {"models": [_numbers(one) for one in found.results]}


def rows(run: Run | None) -> list[Row]:
    """The two accuracies that are published."""
    asked: list[dict[str, Any]] = [] if run is None else run.summary["models"]
    basis = f"{asked[0]['items']:,} items, {planning.opening_note(run.settings)}" if run is not None and asked else ""
    found = []
    for convention in ("acc", "acc_norm"):
        first, last = (kept_estimate(one[convention]) for one in (asked[0], asked[-1])) if asked else (None, None)
        found.append(Row(f"HellaSwag, {convention}", "share", "higher", first, last, basis, "questions"))
    return found


def _items(inputs: Sequence[Any]) -> tuple[HellaSwagItem, ...]:
    return tuple(HellaSwagItem(context, (a, b, c, d), label) for context, (a, b, c, d), label in inputs)


def _numbers(one: HellaSwagResult) -> dict[str, Any]:
    return {
        "model": one.model_title,
        "items": len(one),
        "left_out": one.left_out,
        "notes": list(one.notes),
        "seconds": one.seconds,
        **{convention: asdict(one.accuracy(convention)) for convention in CONVENTIONS},
    }

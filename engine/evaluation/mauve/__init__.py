"""MAUVE, as an evaluation: how close a set of texts is to human ones, given or written by one or two models.

crowds      the two sets: given, or openings continued by models; from texts to a score, each stage kept
writing     how a network is asked for one next token after another
generation  openings continued by a model
tails       the text that new tokens add
features    texts as points
clusters    points quantised, and what MAUVE measures on the histograms
score       the score
halves      its error, and what sets that are alike score
result      what is found, as it is shown and as batches keep it
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from engine import errors, formatting
from engine.evaluation.evaluation import Work
from engine.evaluation.mauve import crowds, result, score
from engine.evaluation.mauve.generation import Sampling
from engine.evaluation.mauve.result import MauveSets
from engine.evaluation.row import Row, kept_estimate
from engine.evaluation.runs import planning
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run, RunStore
from engine.models import opening
from engine.models.loading import LOADING_CHARACTERS
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from engine.steps import Stages, Steps

KIND, TITLE = "mauve", "MAUVE"


def plan(
    features: ModelRequest,
    human: Sequence[str],
    *,
    other: Sequence[str] | None = None,
    writers: Sequence[ModelRequest] = (),
    openings: Sequence[str] | None = None,
    opening_tokens: int = 12,
    sampling: Sampling | None = None,
    seeds: int = len(score.DEFAULT_SEEDS),
    bos: Bos = "auto",
    notes: Sequence[str] = (),
) -> Plan:
    """A run of MAUVE between `human` and either the set `other` or what one or two `writers` write.

    `features` is the model whose hidden states place the texts. `openings` is how each of `human` begins, if that is
    not its first `opening_tokens` tokens; `seeds` the number of k-means seeds; `bos` what stands in front of each text
    for all models; `notes` say how the texts were read.
    """
    if (other is None) == (not writers):
        raise errors.ParameterError("Give either a second set of texts or models that write it.")
    score.check_sizes(len(human), len(human) if other is None else len(other))
    if openings is not None and len(openings) != len(human):
        raise errors.ParameterError(f"{len(openings):,} openings for {len(human):,} texts.")
    opening.check(bos)
    settings = {
        "features": planning.listed(features)[0],
        "models": planning.listed(*writers) if writers else [],
        "opening_tokens": opening_tokens,
        "sampling": asdict(sampling or Sampling()),
        "seeds": seeds,
        "bos": bos,
    }
    inputs = {"human": list(human), "other": None if other is None else list(other), "openings": openings}
    against = " and ".join(model.title for model in writers) or "a given set"
    title = f"MAUVE of {formatting.counted(len(human), 'text')} against {against}"
    return planning.make(KIND, title, settings, inputs, notes=notes)


def models(settings: Mapping[str, Any]) -> list[ModelRequest]:
    """The models that write; none for a given set."""
    return planning.wanted(settings["models"])


def steps(work: Work) -> Steps[MauveSets]:
    """Write what is to be written, place all texts and score the sets."""
    (placing,) = planning.wanted([work.settings["features"]])
    writing, writers = models(work.settings), []
    stages = Stages(*[LOADING_CHARACTERS] * (1 + len(writing)), *crowds.sizes(work, len(writing)))
    features = yield from stages.next(work.load("features", placing))
    for number, wanted in enumerate(writing, start=1):
        writers.append((yield from stages.next(work.load(f"model {number}", wanted))))
    bos = planning.bos_of(work.settings)
    found = crowds.Crowds(work.inputs["human"], [("Given set", work.inputs["other"])])
    if writers:
        found = yield from stages.next(crowds.written_steps(work, writers, features.tokenizer, bos))
    batches = yield from stages.next(crowds.scored_steps(features, found, work.settings["seeds"], bos, work.keep))
    return result.assembled(batches)


def reopen(store: RunStore, run: Run) -> MauveSets | None:
    """The sets scored so far."""
    batches = list(store.batches(run.id, result.STAGE))
    return result.assembled(batches) if batches else None


def summary(found: MauveSets) -> dict[str, Any]:
    """The numbers of each set."""
    return {
        "features": found.feature_title,
        "writing": found.writing,
        "texts": len(found.human),
        "sets": [_numbers(one) for one in found.sets],
    }


def rows(run: Run | None) -> list[Row]:
    """The score of each model's texts."""
    if run is None:
        return [Row("MAUVE", "", "higher", None, None, "")]
    scores = [kept_estimate(one["score"]) for one in run.summary["sets"]]
    basis = f"{run.summary['texts']:,} texts, {run.summary['writing']}, {planning.opening_note(run.settings)}"
    return [Row("MAUVE", "", "higher", scores[0], scores[-1], basis + reference_text(run.summary), "texts")]


def reference_text(summary: Mapping[str, Any]) -> str:
    """What sets that are alike score in a run's summary, to follow what the score rests on; empty in older runs.

    Examples
    --------
    >>> alike = {"score": {"value": 0.9612, "error": 0.0104}}
    >>> reference_text({"sets": [{"reference": {"texts": [250, 250], "alike": alike}}]})
    '; 250 human texts against 250 others score 0.961 ± 0.010'
    """
    found = summary["sets"][0].get("reference")
    if not found:
        return ""
    (first, second), alike = found["texts"], found["alike"]["score"]
    return f"; {first:,} human texts against {second:,} others score {alike['value']:.3f} ± {alike['error']:.3f}"


def _numbers(one: result.MauveSet) -> dict[str, Any]:
    found = one.result
    return {
        "title": one.title,
        "texts": len(one.texts),
        **{name: asdict(getattr(found, name)) for name in ("score", "mauve_star", "frontier_integral")},
        "interval": list(found.interval),
        "reference": None if found.reference is None else asdict(found.reference),
        **{name: getattr(found, name) for name in ("seed_spread", "splits", "buckets")},
        "seeds": [clustering.seed for clustering in found.clusterings],
        "scores": [clustering.score for clustering in found.clusterings],
        "notes": list(found.notes),
    }

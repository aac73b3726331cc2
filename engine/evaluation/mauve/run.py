"""MAUVE from texts: openings continued by models, texts turned into features, features scored; each stage kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from engine import errors
from engine.arrays import Floats, Floats32, Ints
from engine.evaluation.corpora.corpus import repeated_note
from engine.evaluation.mauve import score as mauve
from engine.evaluation.mauve.features import short_note, text_features_steps
from engine.evaluation.mauve.generation import Sampling, continue_texts_steps
from engine.evaluation.mauve.halves import Halves
from engine.evaluation.mauve.score import Clustering, MauveResult
from engine.evaluation.runs.batches import Content, Keeper, kept_steps
from engine.evaluation.runs.store import Batch, RunStore
from engine.evaluation.statistics import Estimate
from engine.models.loaded import LoadedModel
from engine.models.opening import Bos
from engine.steps import Progress, Steps
from engine.text.tokens import TextTokenizer

_CLUSTERING_ARRAYS = ("p_labels", "q_labels", "p_histogram", "q_histogram", "curve")
_BOOTSTRAP, _HALVES = "bootstrap_scores", "halves"
STAGE = "mauve"
BOOTSTRAP_NOTE = (
    "This score was kept by an earlier version: its ± comes from a bootstrap, which is up to six times too large if "
    "the sets are alike, and human against human was not measured. Score the same texts again for both."
)


@dataclass(frozen=True, eq=False)
class MauveSet:
    """One set of texts scored against the human ones."""

    title: str
    texts: tuple[str, ...]
    result: MauveResult


@dataclass(frozen=True, eq=False)
class MauveRun:
    """The human texts and every set scored against them; `feature_title` is the model that placed the texts."""

    human: tuple[str, ...]
    sets: tuple[MauveSet, ...]
    feature_title: str
    writing: str
    """How the models wrote, for a person; empty for a given set."""


@dataclass(frozen=True, slots=True)
class _Pair:
    opening: str
    human: str


def mauve_run_steps(
    features: LoadedModel,
    writers: Sequence[LoadedModel],
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    keep: Keeper,
    *,
    bos: Bos = "auto",
) -> Steps[MauveRun]:
    """Do a run as `engine.evaluation.runs.plans.plan_mauve` describes it; `bos` is for reading and writing alike."""
    sampling = Sampling(**settings["sampling"])
    notes: tuple[str, ...] = ()
    if writers:
        yield Progress("Cutting the openings", 0, len(inputs["human"]), "texts")
        pairs = _openings(features.tokenizer, inputs, settings["opening_tokens"], sampling.new_tokens)
        dropped = len(inputs["human"]) - len(pairs)
        notes += (f"{dropped:,} texts are no longer than their opening and were left out.",) if dropped else ()
        mauve.check_sizes(len(pairs), len(pairs))
        human = [pair.human for pair in pairs]
        sets = []
        for number, writer in enumerate(writers):
            limits = _limits(writer.tokenizer, pairs, sampling.new_tokens)
            texts = yield from continue_texts_steps(
                writer,
                [pair.opening for pair in pairs],
                sampling,
                bos=bos,
                limits=limits,
                keep=keep,
                stage=f"texts {number + 1}",
            )
            sets.append((writer.title, texts))
    else:
        human, sets = inputs["human"], [("Given set", inputs["other"])]
    scored = []
    p_features = yield from text_features_steps(features, human, bos=bos, keep=keep, what="the human texts")
    for number, (title, texts) in enumerate(sets):
        q_features = yield from text_features_steps(features, texts, bos=bos, keep=keep, what=f"texts of {title}")
        said = (*notes, *short_note(features, human, "the human texts"), *_repeats(human, texts))
        data = {"title": title, "texts": texts, "human": human if number == 0 else None, "notes": said}
        data |= {"features": features.title, "writing": sampling.sentence if writers else ""}
        work = _score_steps(p_features, q_features, settings["seeds"], data)
        batch = yield from kept_steps(keep, STAGE, number, lambda work=work: work)  # type: ignore[misc]
        scored.append(batch)
    return _assembled(scored)


def reopened(store: RunStore, run_id: str) -> MauveRun | None:
    """The sets scored so far, or None."""
    batches = list(store.batches(run_id, STAGE))
    return _assembled(batches) if batches else None


def summary(run: MauveRun) -> dict[str, Any]:
    """The numbers, JSON-ready but for NaN."""
    return {
        "features": run.feature_title,
        "writing": run.writing,
        "texts": len(run.human),
        "sets": [
            {
                "title": one.title,
                "texts": len(one.texts),
                "score": asdict(one.result.score),
                "interval": list(one.result.interval),
                "reference": None if one.result.reference is None else asdict(one.result.reference),
                "mauve_star": asdict(one.result.mauve_star),
                "frontier_integral": asdict(one.result.frontier_integral),
                "seed_spread": one.result.seed_spread,
                "splits": one.result.splits,
                "buckets": one.result.buckets,
                "seeds": [clustering.seed for clustering in one.result.clusterings],
                "scores": [clustering.score for clustering in one.result.clusterings],
                "notes": list(one.result.notes),
            }
            for one in run.sets
        ],
    }


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
    (first, second), score = found["texts"], found["alike"]["score"]
    return f"; {first:,} human texts against {second:,} others score {score['value']:.3f} ± {score['error']:.3f}"


def contrasting_clusters(result: MauveResult, count: int = 4) -> Ints:
    """Clusters of the first clustering where the shares of P and Q differ most, largest difference first."""
    first = result.clusterings[0]
    order = np.argsort(-np.abs(first.p_histogram - first.q_histogram), kind="stable")
    return order[:count].astype(np.int64)


def _openings(tokenizer: TextTokenizer, inputs: Mapping[str, Any], opening: int, new: int) -> list[_Pair]:
    """Each text's opening, and the text cut to that plus `new` tokens; texts that end with their opening drop out."""
    pairs = []
    for number, text in enumerate(inputs["human"]):
        spans = tokenizer.encode(text).spans
        if inputs["openings"] is not None:
            end = len(inputs["openings"][number])
            opening_tokens = int(np.searchsorted(spans[:, 0], end))
        else:
            opening_tokens = min(opening, len(spans))
            end = int(spans[opening_tokens - 1, 1])
        stop = int(spans[min(opening_tokens + new, len(spans)) - 1, 1])
        if stop > end:
            pairs.append(_Pair(text[:end], text[:stop]))
    if not pairs:
        raise errors.InputError(f"No text is longer than its opening of {opening} tokens. Give longer texts.")
    return pairs


def _limits(tokenizer: TextTokenizer, pairs: Sequence[_Pair], most: int) -> list[int]:
    """As many new tokens as the human text has after the opening, so that length gives nothing away."""
    found = [len(tokenizer.encode(pair.human)) - len(tokenizer.encode(pair.opening)) for pair in pairs]
    return [min(max(1, length), most) for length in found]


def _repeats(human: Sequence[str], texts: Sequence[str]) -> tuple[str, ...]:
    both = len(set(human) & set(texts))
    shared = (f"{both:,} texts are in both sets, which raises the score.",) if both else ()
    return (*repeated_note(human), *repeated_note(texts), *shared)


def _score_steps(p_features: Floats32, q_features: Floats32, seeds: int, data: dict[str, Any]) -> Steps[Content]:
    chosen = tuple(mauve.DEFAULT_SEEDS[0] + number for number in range(seeds))
    clusterings, halves = yield from mauve.measured_steps(p_features, q_features, chosen)
    arrays = {name: np.stack([getattr(clustering, name) for clustering in clusterings]) for name in _CLUSTERING_ARRAYS}
    numbers = [[c.seed, c.score, c.frontier_integral] for c in clusterings]
    sizes = {"texts_p": halves.texts_p, "texts_q": halves.texts_q, "texts_human": halves.texts_human}
    kept = {"clusterings": numbers, _HALVES: {**sizes, "buckets": halves.buckets}}
    return {**arrays, _HALVES: halves.table}, {**data, **kept}


def _assembled(batches: Sequence[Batch]) -> MauveRun:
    human = tuple(batches[0].data["human"])
    sets = tuple(MauveSet(b.data["title"], tuple(b.data["texts"]), _result(b, len(human))) for b in batches)
    return MauveRun(human, sets, batches[0].data["features"], batches[0].data["writing"])


def _result(batch: Batch, texts_p: int) -> MauveResult:
    clusterings = tuple(
        Clustering(
            seed=int(seed),
            score=score,
            frontier_integral=integral,
            **{name: batch.arrays[name][number] for name in _CLUSTERING_ARRAYS},
        )
        for number, (seed, score, integral) in enumerate(batch.data["clusterings"])
    )
    notes = (*mauve.size_notes(texts_p, len(batch.data["texts"])), *batch.data["notes"])
    if _HALVES not in batch.data:
        return _with_bootstrap(mauve.joined(clusterings, (BOOTSTRAP_NOTE, *notes)), batch.arrays[_BOOTSTRAP])
    return mauve.joined(clusterings, notes, Halves(batch.arrays[_HALVES], **batch.data[_HALVES]))


def _with_bootstrap(result: MauveResult, scores: Floats) -> MauveResult:
    """A result kept by an earlier version with its bootstrap `scores` (seeds, draws) as the part of the texts."""
    parts = np.array([scores.std(axis=1, ddof=1).mean(), result.seed_error])
    error = float(np.sqrt(np.nansum(parts**2)))  # a single seed has no spread
    return replace(result, score=Estimate(result.score.value, error))

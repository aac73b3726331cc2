"""What MAUVE finds, as it is shown and as batches keep it, those of earlier versions included."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.arrays import Arrays, Floats, Ints
from engine.evaluation.estimates import Estimate
from engine.evaluation.mauve import score
from engine.evaluation.mauve.clusters import Clustering
from engine.evaluation.mauve.halves import Halves
from engine.evaluation.mauve.score import MauveResult
from engine.evaluation.runs.store import Batch

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
class MauveSets:
    """The human texts and every set scored against them; `feature_title` is the model that placed the texts."""

    human: tuple[str, ...]
    sets: tuple[MauveSet, ...]
    feature_title: str
    writing: str
    """How the models wrote, for a person; empty for a given set."""


def contrasting_clusters(result: MauveResult, count: int = 4) -> Ints:
    """Clusters of the first clustering where the shares of P and Q differ most, largest difference first."""
    first = result.clusterings[0]
    order = np.argsort(-np.abs(first.p_histogram - first.q_histogram), kind="stable")
    return order[:count].astype(np.int64)


def to_record(clusterings: Sequence[Clustering], halves: Halves) -> tuple[Arrays, dict[str, Any]]:
    """What was measured of one set, as a batch holds it."""
    arrays = {name: np.stack([getattr(clustering, name) for clustering in clusterings]) for name in _CLUSTERING_ARRAYS}
    numbers = [[c.seed, c.score, c.frontier_integral] for c in clusterings]
    sizes = {name: getattr(halves, name) for name in ("texts_p", "texts_q", "texts_human", "buckets")}
    return {**arrays, _HALVES: halves.table}, {"clusterings": numbers, _HALVES: sizes}


def halves_of(batch: Batch) -> Halves | None:
    """What the halves scored; None in batches of versions that did not cut any."""
    return Halves(batch.arrays[_HALVES], **batch.data[_HALVES]) if _HALVES in batch.data else None


def assembled(batches: Sequence[Batch]) -> MauveSets:
    """A run out of its scored sets, the first of them at least."""
    human = tuple(batches[0].data["human"])
    sets = tuple(MauveSet(b.data["title"], tuple(b.data["texts"]), _result(b, len(human))) for b in batches)
    return MauveSets(human, sets, batches[0].data["features"], batches[0].data["writing"])


def _result(batch: Batch, texts_p: int) -> MauveResult:
    clusterings = tuple(
        Clustering(
            seed=int(seed),
            score=value,
            frontier_integral=integral,
            **{name: batch.arrays[name][number] for name in _CLUSTERING_ARRAYS},
        )
        for number, (seed, value, integral) in enumerate(batch.data["clusterings"])
    )
    notes = (*score.size_notes(texts_p, len(batch.data["texts"])), *batch.data["notes"])
    halves = halves_of(batch)
    if halves is None:
        return _with_bootstrap(score.joined(clusterings, (BOOTSTRAP_NOTE, *notes)), batch.arrays[_BOOTSTRAP])
    return score.joined(clusterings, notes, halves)


def _with_bootstrap(result: MauveResult, scores: Floats) -> MauveResult:
    """A result kept by an earlier version with its bootstrap `scores` (seeds, draws) as the part of the texts."""
    parts = np.array([scores.std(axis=1, ddof=1).mean(), result.seed_error])
    error = float(np.sqrt(np.nansum(parts**2)))  # a single seed has no spread
    return replace(result, score=Estimate(result.score.value, error))

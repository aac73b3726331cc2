"""MAUVE: how close a set of texts is to another, as the area under a curve of two divergences.

Never a bare number: beside the score stand its error and what sets that are alike score, from halves of the texts
(`engine.evaluation.mauve.halves`). The clusters and the arithmetic are in `engine.evaluation.mauve.clusters`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine import errors
from engine.arrays import Floats, Floats32
from engine.evaluation.estimates import Estimate
from engine.evaluation.mauve.clusters import Clustering, buckets_for, clustered, reduced
from engine.evaluation.mauve.halves import SPLITS, Halves, Reference, estimates_of, halves_steps
from engine.evaluation.resampling import CONFIDENCE
from engine.steps import Progress, Stages, Steps, blocking

LEAST_TEXTS = 100
"""Below this the score is noise: ten texts against ten of the same kind give anything from 0.3 to 1."""
SOUND_TEXTS = 500
"""Below this a score comes with a warning (the authors advise a few thousand)."""
UNEVEN_RATIO = 2.0
DEFAULT_SEEDS = (25, 26, 27, 28, 29)
"""The first is the package's default."""
SPLITS_PER_DEGREE = 2
"""Splits of the same texts are not independent: ten know the variance as well as 5 (equal laws) to 11 degrees of
freedom would (its own spread over 60 to 100 simulated samples of 200 and 500 texts). Intervals take the smaller one."""
_UNKNOWN = Estimate(float("nan"))


@dataclass(frozen=True, eq=False)
class MauveResult:
    """Scores over several clusterings, with what moves them.

    The errors are standard deviations that the mean over these seeds would have over new samples of texts of the same
    sizes, from scores of halves; `notes` are sentences a reader of the number must see.

    Attributes
    ----------
    seed_spread : standard deviation of the score of one k-means seed; NaN for a single one
    reference : what sets that are alike score; None in runs kept by versions that did not measure it
    splits : random splits behind the errors; 0 if there were none
    """

    clusterings: tuple[Clustering, ...]
    buckets: int
    texts_p: int
    texts_q: int
    score: Estimate
    seed_spread: float
    frontier_integral: Estimate
    notes: tuple[str, ...]
    mauve_star: Estimate = _UNKNOWN
    reference: Reference | None = None
    splits: int = 0

    @property
    def curve_band(self) -> tuple[Floats, Floats, Floats]:
        """Mean curve (m, 2), and the lowest and highest curve over seeds, point by point."""
        curves = np.stack([clustering.curve for clustering in self.clusterings])
        return curves.mean(axis=0), curves.min(axis=0), curves.max(axis=0)

    @property
    def seed_error(self) -> float:
        """The part of the error that comes of k-means: the spread of one seed over the root of their number."""
        return float(self.seed_spread / np.sqrt(len(self.clusterings)))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the score that samples of these sizes have on average."""
        from scipy.stats import norm, t

        upper, degrees = (1 + CONFIDENCE) / 2, self.splits // SPLITS_PER_DEGREE
        reach = float(t.ppf(upper, degrees) if degrees else norm.ppf(upper)) * self.score.error
        return max(0.0, self.score.value - reach), min(1.0, self.score.value + reach)


def mauve_score_steps(
    p_features: npt.ArrayLike,
    q_features: npt.ArrayLike,
    *,
    seeds: tuple[int, ...] = DEFAULT_SEEDS,
    buckets: int | None = None,
    splits: int = SPLITS,
) -> Steps[MauveResult]:
    """MAUVE between human texts P (n_p, width) and a set Q (n_q, width), a step per clustering.

    Parameters
    ----------
    p_features, q_features
        One row per text.
    seeds
        Of k-means; the score is their mean.
    buckets
        Number of clusters; a tenth of the smaller set unless given.
    splits
        Random splits of both sets into halves, for the errors and for what sets that are alike score.

    Raises
    ------
    InputError
        Fewer than 100 texts on a side, values that are not finite, widths that differ, or all rows alike.
    ParameterError
        No seed, fewer than two splits, or an impossible number of clusters.
    """
    clusterings, halves = yield from measured_steps(p_features, q_features, seeds, buckets, splits)
    first = clusterings[0]
    return joined(clusterings, size_notes(len(first.p_labels), len(first.q_labels)), halves)


mauve_score = blocking(mauve_score_steps)


def measured_steps(
    p_features: npt.ArrayLike,
    q_features: npt.ArrayLike,
    seeds: tuple[int, ...] = DEFAULT_SEEDS,
    buckets: int | None = None,
    splits: int = SPLITS,
    alike: Floats | None = None,
) -> Steps[tuple[tuple[Clustering, ...], Halves]]:
    """What `mauve_score_steps` joins: a clustering of both sets per seed, and the scores of their halves.

    `alike` is human against human if it is known, as in `engine.evaluation.mauve.halves.halves_steps`.
    """
    p, q = _checked(p_features, "first"), _checked(q_features, "second")
    _check_pair(p, q)
    buckets = buckets or buckets_for(len(p), len(q))
    _check_settings(len(p) + len(q), buckets, seeds, splits)
    both, human = reduced(p, q), reduced(p, p[:0])
    stages = Stages(1, splits)
    clusterings = yield from stages.next(_clustering_steps(both, len(q), buckets, seeds))
    return clusterings, (yield from stages.next(halves_steps(both, human, buckets, seeds, splits, alike)))


def _clustering_steps(
    both: Floats32, texts_q: int, buckets: int, seeds: tuple[int, ...]
) -> Steps[tuple[Clustering, ...]]:
    clusterings = []
    for place, seed in enumerate(seeds):
        yield Progress("Clustering both sets", place, len(seeds), "k-means seeds")
        clusterings.append(clustered(both, texts_q, buckets, seed))
    return tuple(clusterings)


def joined(clusterings: tuple[Clustering, ...], notes: tuple[str, ...], halves: Halves | None = None) -> MauveResult:
    """One result of several clusterings of the same texts; without `halves` the errors are those of k-means alone."""
    table = np.array([one.measures for one in clusterings])
    spreads = table.std(axis=0, ddof=1) if len(table) > 1 else np.full(3, np.nan)
    found = spreads / np.sqrt(len(table)) if halves is None else halves.errors()
    score, star, integral = estimates_of(table.mean(axis=0), found)
    return MauveResult(
        clusterings=clusterings,
        buckets=len(clusterings[0].p_histogram),
        texts_p=len(clusterings[0].p_labels),
        texts_q=len(clusterings[0].q_labels),
        score=score,
        seed_spread=float(spreads[0]),
        frontier_integral=integral,
        notes=notes,
        mauve_star=star,
        reference=None if halves is None else halves.reference(),
        splits=0 if halves is None else halves.splits,
    )


def size_notes(texts_p: int, texts_q: int) -> tuple[str, ...]:
    """What the sizes of two sets say about a score: few texts, or very uneven sets."""
    notes = []
    few = min(texts_p, texts_q)
    if few < SOUND_TEXTS:
        notes.append(
            f"Only {few:,} texts on a side. Below a few thousand texts the score depends on how many there are: sets "
            "that differ score too high, sets that are alike too low. Compare with the score of human against human of "
            "the same size."
        )
    if max(texts_p, texts_q) > UNEVEN_RATIO * few:
        notes.append(
            f"The sets differ much in size ({texts_p:,} and {texts_q:,} texts): the clusters follow the larger one."
        )
    return tuple(notes)


def check_sizes(texts_p: int, texts_q: int) -> None:
    """Refuse sets too small for a score, before any model reads them."""
    few = min(texts_p, texts_q)
    if few < LEAST_TEXTS:
        raise errors.InputError(
            f"A set has {few:,} texts; MAUVE needs at least {LEAST_TEXTS} on each side, better {SOUND_TEXTS} or more: "
            "with fewer the score is noise."
        )


def _checked(features: npt.ArrayLike, which: str) -> Floats32:
    array = np.asarray(features, dtype=np.float32)
    if array.ndim != 2:
        raise errors.InputError(
            f"The {which} set's features have {array.ndim} dimensions; a table (texts, width) is needed."
        )
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise errors.InputError(
            f"{bad.size:,} feature vectors of the {which} set hold NaN or infinity (first: text {bad[0] + 1:,}). The "
            "feature model failed on them; use it in float32."
        )
    return array


def _check_pair(p: Floats32, q: Floats32) -> None:
    check_sizes(len(p), len(q))
    if p.shape[1] != q.shape[1]:
        raise errors.InputError(f"Features of width {p.shape[1]} and {q.shape[1]}: both sets need one feature model.")
    if (p == p[0]).all() and (q == p[0]).all():
        raise errors.InputError(
            "All texts have the same features: both sets repeat one text. There is nothing to compare."
        )


def _check_settings(texts: int, buckets: int, seeds: tuple[int, ...], splits: int) -> None:
    if not seeds or not 2 <= buckets <= texts:
        raise errors.ParameterError(f"{buckets} clusters and {len(seeds)} seeds: at least 2 clusters and 1 seed.")
    if splits < 2:
        raise errors.ParameterError(f"{splits} splits into halves: a spread needs at least 2.")

"""MAUVE: how close a set of texts is to another, as the area under a curve of two divergences.

The histogram arithmetic is the mauve-text package's (GPL-3.0), reached only through this module. The clustering follows
the same steps with faiss and scikit-learn, because the package does not say which text fell into which cluster. Method:
Pillutla et al., "MAUVE: Measuring the Gap Between Neural Text and Human Text using Divergence Frontiers", NeurIPS 2021.
"""

import types
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine import errors
from engine.corpus.statistics import Estimate
from engine.steps import Progress, Steps, run

Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

LEAST_TEXTS = 100
"""Below this the score is noise: ten texts against ten of the same kind give anything from 0.3 to 1."""
SOUND_TEXTS = 500
"""Below this a score comes with a warning (the authors advise a few thousand)."""
UNEVEN_RATIO = 2.0
SCALING = 5.0
CURVE_POINTS = 25
EXPLAINED_VARIANCE = 0.9
DEFAULT_SEEDS = (25, 26, 27, 28, 29)
"""The first is the package's default."""
RESAMPLES = 100


@dataclass(frozen=True, eq=False)
class Clustering:
    """Both sets quantised with one k-means seed.

    Attributes
    ----------
    seed : of k-means
    p_labels, q_labels : (n_p,) and (n_q,), the cluster of each text
    p_histogram, q_histogram : (k,), shares of the texts in each cluster
    curve : (points + 2, 2), exp(-c KL(Q||R)) and exp(-c KL(P||R)) along the mixtures R
    score, frontier_integral : in [0, 1]; near sets have a high score and a low integral
    bootstrap_scores : (resamples,), scores of texts drawn anew within this clustering
    """

    seed: int
    p_labels: Ints
    q_labels: Ints
    p_histogram: Floats
    q_histogram: Floats
    curve: Floats
    score: float
    frontier_integral: float
    bootstrap_scores: Floats


@dataclass(frozen=True, eq=False)
class MauveResult:
    """Scores over several clusterings, with what moves them.

    `score.error` joins the spread over seeds with the bootstrap over texts (root of the sum of squares); `notes` are
    sentences a reader of the number must see.
    """

    clusterings: tuple[Clustering, ...]
    buckets: int
    texts_p: int
    texts_q: int
    score: Estimate
    seed_spread: float
    bootstrap_error: float
    frontier_integral: Estimate
    notes: tuple[str, ...]

    @property
    def curve_band(self) -> tuple[Floats, Floats, Floats]:
        """Mean curve (m, 2), and the lowest and highest curve over seeds, point by point."""
        curves = np.stack([clustering.curve for clustering in self.clusterings])
        return curves.mean(axis=0), curves.min(axis=0), curves.max(axis=0)


def histogram_score(p: Floats, q: Floats) -> tuple[float, float, Floats]:
    """MAUVE, frontier integral and curve of two histograms (k,).

    The package's area rule gives 0.75 for two equal histograms (its curve is then a single corner); equal histograms
    score 1 here.

    Examples
    --------
    >>> round(histogram_score(np.array([0.7, 0.3]), np.array([0.3, 0.7]))[0], 6)
    0.756227
    """
    library = _library()
    weights = np.linspace(1e-6, 1 - 1e-6, CURVE_POINTS)
    curve: Floats = library.get_divergence_curve_for_multinomials(p, q, weights, SCALING)
    integral = float(library.get_fronter_integral(p, q))
    if np.array_equal(p, q):
        return 1.0, integral, curve
    by_x, by_y = curve[np.argsort(curve[:, 0])], curve[np.argsort(curve[:, 1])]
    area = library.compute_area_under_curve
    score = 0.5 * (area(by_x[:, 0], by_x[:, 1]) + area(by_y[:, 1], by_y[:, 0]))
    return float(np.clip(score, 0.0, 1.0)), integral, curve


def mauve_score(
    p_features: npt.ArrayLike,
    q_features: npt.ArrayLike,
    *,
    seeds: tuple[int, ...] = DEFAULT_SEEDS,
    buckets: int | None = None,
    resamples: int = RESAMPLES,
) -> MauveResult:
    """MAUVE between two sets of feature vectors. See `mauve_score_steps`."""
    return run(mauve_score_steps(p_features, q_features, seeds=seeds, buckets=buckets, resamples=resamples))


def mauve_score_steps(
    p_features: npt.ArrayLike,
    q_features: npt.ArrayLike,
    *,
    seeds: tuple[int, ...] = DEFAULT_SEEDS,
    buckets: int | None = None,
    resamples: int = RESAMPLES,
) -> Steps[MauveResult]:
    """MAUVE between P (n_p, width) and Q (n_q, width), a step a k-means seed.

    Parameters
    ----------
    p_features, q_features
        One row a text.
    seeds
        Of k-means; the score is their mean.
    buckets
        Number of clusters; a tenth of the smaller set unless given.
    resamples
        Bootstrap draws of texts per seed.

    Raises
    ------
    InputError
        Fewer than 100 texts on a side, values that are not finite, widths that differ, or all rows alike.
    ParameterError
        No seed, or an impossible number of clusters.
    """
    p, q = _checked(p_features, "first"), _checked(q_features, "second")
    _check_pair(p, q)
    buckets = buckets or max(2, round(min(len(p), len(q)) / 10))
    if not seeds or not 2 <= buckets <= len(p) + len(q):
        raise errors.ParameterError(f"{buckets} clusters and {len(seeds)} seeds: at least 2 clusters and 1 seed.")
    reduced = _reduced(p, q)
    clusterings = []
    for place, seed in enumerate(seeds):
        yield Progress("Clustering both sets", place, len(seeds), "k-means seeds")
        clusterings.append(_clustering(reduced, len(p), buckets, seed, resamples))
    return joined(tuple(clusterings), size_notes(len(p), len(q)))


def joined(clusterings: tuple[Clustering, ...], notes: tuple[str, ...]) -> MauveResult:
    """One result of several clusterings of the same texts."""
    scores = np.array([clustering.score for clustering in clusterings])
    integrals = np.array([clustering.frontier_integral for clustering in clusterings])
    several = len(clusterings) > 1
    spread = float(scores.std(ddof=1)) if several else float("nan")
    bootstrap = float(np.mean([clustering.bootstrap_scores.std(ddof=1) for clustering in clusterings]))
    return MauveResult(
        clusterings=clusterings,
        buckets=len(clusterings[0].p_histogram),
        texts_p=len(clusterings[0].p_labels),
        texts_q=len(clusterings[0].q_labels),
        score=Estimate(float(scores.mean()), float(np.hypot(spread if several else 0.0, bootstrap))),
        seed_spread=spread,
        bootstrap_error=bootstrap,
        frontier_integral=Estimate(float(integrals.mean()), float(integrals.std(ddof=1)) if several else float("nan")),
        notes=notes,
    )


def size_notes(texts_p: int, texts_q: int) -> tuple[str, ...]:
    """What the sizes of two sets say about a score: few texts, or very uneven sets."""
    notes = []
    few = min(texts_p, texts_q)
    if few < SOUND_TEXTS:
        notes.append(
            f"Only {few:,} texts on a side: MAUVE is biased upwards and noisy below {SOUND_TEXTS}. Use it to rank sets "
            "of one size, not as an absolute number."
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


def _checked(features: npt.ArrayLike, which: str) -> Features:
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


def _check_pair(p: Features, q: Features) -> None:
    check_sizes(len(p), len(q))
    if p.shape[1] != q.shape[1]:
        raise errors.InputError(f"Features of width {p.shape[1]} and {q.shape[1]}: both sets need one feature model.")
    if (p == p[0]).all() and (q == p[0]).all():
        raise errors.InputError(
            "All texts have the same features: both sets repeat one text. There is nothing to compare."
        )


def _reduced(p: Features, q: Features) -> Features:
    """Rows of Q then P at unit length, in the fewest directions that hold 90 % of the variance (n, d)."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import normalize

    rows = normalize(np.vstack([q, p]), norm="l2", axis=1)
    # A fixed seed: with every direction kept, the solver draws nothing that could change the result.
    reduced: Features = PCA(n_components=EXPLAINED_VARIANCE, random_state=0).fit_transform(rows)
    return np.ascontiguousarray(reduced, dtype=np.float32)


def _clustering(rows: Features, texts_p: int, buckets: int, seed: int, resamples: int) -> Clustering:
    labels = _kmeans_labels(rows, buckets, seed)
    q_labels, p_labels = labels[: len(rows) - texts_p], labels[len(rows) - texts_p :]
    p = np.bincount(p_labels, minlength=buckets) / len(p_labels)
    q = np.bincount(q_labels, minlength=buckets) / len(q_labels)
    score, integral, curve = histogram_score(p, q)
    bootstrap = _bootstrap_scores(p, q, len(p_labels), len(q_labels), np.random.default_rng(seed), resamples)
    return Clustering(seed, p_labels, q_labels, p, q, curve, score, integral, bootstrap)


def _kmeans_labels(rows: Features, buckets: int, seed: int) -> Ints:
    import faiss

    # Settings and seed offset of mauve-text; one training point a centroid is enough to silence faiss on stderr.
    kmeans = faiss.Kmeans(
        rows.shape[1], buckets, niter=500, nredo=5, update_index=True, seed=seed + 2, min_points_per_centroid=1
    )
    kmeans.train(rows)
    _, labels = kmeans.index.search(rows, 1)
    return np.asarray(labels, dtype=np.int64).reshape(-1)


def _bootstrap_scores(
    p: Floats, q: Floats, n_p: int, n_q: int, generator: np.random.Generator, resamples: int
) -> Floats:
    """Scores of histograms redrawn from the texts; drawing texts anew draws their clusters from a multinomial."""
    p_draws = generator.multinomial(n_p, p, size=resamples) / n_p
    q_draws = generator.multinomial(n_q, q, size=resamples) / n_q
    return np.array([histogram_score(a, b)[0] for a, b in zip(p_draws, q_draws, strict=True)])


def _library() -> types.ModuleType:
    try:
        import mauve  # noqa: F401
    except ImportError as error:
        raise errors.MissingPackageError(
            "MAUVE needs the package mauve-text. Install it: pip install mauve-text==0.4.0 faiss-cpu==1.15.1"
        ) from error
    import sys

    # The package shadows its own module with the function of the same name.
    return sys.modules["mauve.compute_mauve"]

"""Two sets of feature vectors quantised by k-means, and what MAUVE measures on the histograms.

The histogram arithmetic is the mauve-text package's (GPL-3.0), reached only through this module. The clustering follows
the same steps with faiss and scikit-learn, because the package does not say which text fell into which cluster. Method:
Pillutla et al., "MAUVE: Measuring the Gap Between Neural Text and Human Text using Divergence Frontiers", NeurIPS 2021.
"""

import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine import errors
from engine.arrays import Floats, Floats32, Ints

SCALING = 5.0
CURVE_POINTS = 25
EXPLAINED_VARIANCE = 0.9
TEXTS_PER_BUCKET = 10
ONE_THREAD_PRODUCTS = 1e8
"""Rows x directions x clusters below which one thread is faster: with more, the threads wait for each other, on a busy
machine thirty times as long as they work."""
SMOOTHING = 0.5
"""Added to each count for MAUVE* (Krichevsky and Trofimov), so that no cluster is empty."""


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
    """

    seed: int
    p_labels: Ints
    q_labels: Ints
    p_histogram: Floats
    q_histogram: Floats
    curve: Floats
    score: float
    frontier_integral: float

    @property
    def mauve_star(self) -> float:
        """The score of counts with half a text added to each cluster (MAUVE*)."""
        buckets = len(self.p_histogram)
        return star_score(*(np.bincount(labels, minlength=buckets) for labels in (self.p_labels, self.q_labels)))

    @property
    def measures(self) -> tuple[float, float, float]:
        """MAUVE, MAUVE* and frontier integral."""
        return self.score, self.mauve_star, self.frontier_integral


def clustered(rows: Floats32, texts_q: int, buckets: int, seed: int) -> Clustering:
    """Cluster the rows (n, d) of Q followed by those of P."""
    labels = kmeans_labels(rows, buckets, seed)
    q_labels, p_labels = labels[:texts_q], labels[texts_q:]
    p, q = (np.bincount(found, minlength=buckets) / len(found) for found in (p_labels, q_labels))
    score, integral, curve = histogram_score(p, q)
    return Clustering(seed, p_labels, q_labels, p, q, curve, score, integral)


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


def star_score(p_counts: npt.ArrayLike, q_counts: npt.ArrayLike) -> float:
    """MAUVE* of the texts in each cluster (k,): MAUVE with half a text added everywhere (Pillutla et al., JMLR 2023).

    Examples
    --------
    >>> star_score([3, 5], [3, 5]), round(star_score([9, 1], [1, 9]), 3)
    (1.0, 0.156)
    """
    smoothed = [np.asarray(counts, dtype=np.float64) + SMOOTHING for counts in (p_counts, q_counts)]
    p, q = (counts / counts.sum() for counts in smoothed)
    return histogram_score(p, q)[0]


def buckets_for(texts_p: int, texts_q: int) -> int:
    """Number of clusters of two sets, as the package chooses it: a tenth of the smaller one."""
    return max(2, round(min(texts_p, texts_q) / TEXTS_PER_BUCKET))


def reduced(p: Floats32, q: Floats32) -> Floats32:
    """Rows of Q then P at unit length, in the fewest directions that hold 90 % of the variance (n, d)."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import normalize

    rows = normalize(np.vstack([q, p]), norm="l2", axis=1)
    if (rows == rows[0]).all():  # no variance to hold
        return np.zeros((len(rows), 1), dtype=np.float32)
    # A fixed seed: with every direction kept, the solver draws nothing that could change the result.
    found: Floats32 = PCA(n_components=EXPLAINED_VARIANCE, random_state=0).fit_transform(rows)
    return np.ascontiguousarray(found, dtype=np.float32)


def kmeans_labels(rows: Floats32, buckets: int, seed: int) -> Ints:
    """The cluster of each row (n,), with the settings and the seed's offset of mauve-text."""
    import faiss

    # One training point per centroid is enough to silence faiss on stderr.
    kmeans = faiss.Kmeans(
        rows.shape[1], buckets, niter=500, nredo=5, update_index=True, seed=seed + 2, min_points_per_centroid=1
    )
    with _threads(1 if rows.size * buckets < ONE_THREAD_PRODUCTS else faiss.omp_get_max_threads()):
        kmeans.train(rows)
        _, labels = kmeans.index.search(rows, 1)
    return np.asarray(labels, dtype=np.int64).reshape(-1)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let faiss use so many threads for a while."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


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

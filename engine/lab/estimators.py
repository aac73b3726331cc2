"""All estimators of mutual information on one sample, with what each gives and how long it takes."""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from numpy.typing import ArrayLike

from engine import measures


@dataclass(frozen=True, slots=True)
class TimedEstimate:
    """What one estimator says: `value` in nats, `spread` if it is an average (else NaN), `seconds` it took."""

    name: str
    title: str
    value: float
    spread: float
    seconds: float


def all_estimates(
    x: ArrayLike, y: ArrayLike, *, bins: int = 15, neighbours: int = 3, seed: int = 0
) -> tuple[TimedEstimate, ...]:
    """Every estimator of I(X; Y) on samples (n,), (n,): raw histograms, two corrections, nearest neighbours.

    >>> x = np.random.default_rng(0).normal(size=200)
    >>> [one.name for one in all_estimates(x, x**2)]
    ['equal_width', 'percentile', 'miller_madow', 'shuffled', 'nearest']
    """
    importlib.import_module("sklearn.feature_selection")  # before the clock starts

    def less_shuffled() -> measures.Approximation:
        baseline = measures.shuffled_mutual_information(x, y, bins, seed=seed)
        return replace(baseline, value=measures.histogram_mutual_information(x, y, bins) - baseline.value)

    return (
        _timed("equal_width", "Equal-width bins", lambda: measures.histogram_mutual_information(x, y, bins)),
        _timed(
            "percentile", "Percentile bins", lambda: measures.histogram_mutual_information(x, y, bins, "percentile")
        ),
        _timed(
            "miller_madow", "Equal-width, Miller-Madow", lambda: measures.miller_madow_mutual_information(x, y, bins)
        ),
        _timed("shuffled", "Equal-width less shuffled", less_shuffled),
        _timed(
            "nearest",
            f"{neighbours} nearest neighbours",
            lambda: measures.nearest_neighbour_mutual_information(x, y, neighbours, seed),
        ),
    )


def _timed(name: str, title: str, estimate: Callable[[], float | measures.Approximation]) -> TimedEstimate:
    start = time.perf_counter()
    found = estimate()
    seconds = time.perf_counter() - start
    if isinstance(found, measures.Approximation):
        return TimedEstimate(name, title, found.value, found.error, seconds)
    return TimedEstimate(name, title, found, float("nan"), seconds)

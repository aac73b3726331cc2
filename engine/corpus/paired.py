"""Two models on the same questions: who is right where, and is the difference more than luck."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]

RESAMPLES = 10_000
"""Enough that the end points of a 95 % interval move by under a tenth of its width between seeds."""


@dataclass(frozen=True, slots=True)
class PairedOutcome:
    """Counts of the four cases, McNemar's exact test, and the difference of accuracies (b minus a)."""

    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float
    """Two-sided exact probability of a split of the disagreements this uneven, if both were equally good."""
    difference: float
    interval: tuple[float, float]
    """95 % percentile interval of the difference under resampling of items."""


def compare_outcomes(right_a: Bools, right_b: Bools, *, seed: int = 0, resamples: int = RESAMPLES) -> PairedOutcome:
    """Set two models' per-item outcomes (n,) side by side.

    Examples
    --------
    >>> a, b = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 1], bool)
    >>> outcome = compare_outcomes(a, b)
    >>> outcome.only_b, outcome.p_value, outcome.difference
    (2, 1.0, 0.25)
    """
    from scipy import stats

    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    both_right = int((right_a & right_b).sum())
    disagreements = only_a + only_b
    return PairedOutcome(
        both_right=both_right,
        only_a=only_a,
        only_b=only_b,
        both_wrong=right_a.size - both_right - disagreements,
        p_value=float(stats.binomtest(only_b, disagreements, 0.5).pvalue) if disagreements else 1.0,
        difference=(only_b - only_a) / right_a.size if right_a.size else float("nan"),
        interval=_bootstrap_interval(only_a, only_b, right_a.size, seed, resamples),
    )


def _bootstrap_interval(only_a: int, only_b: int, items: int, seed: int, resamples: int) -> tuple[float, float]:
    """95 % interval of (only_b - only_a) / items.

    Resampling items with replacement draws the counts of the cases from a multinomial, so no index is drawn.
    """
    if not items:
        return (float("nan"), float("nan"))
    shares = np.array([only_a, only_b, items - only_a - only_b]) / items
    counts = np.random.default_rng(seed).multinomial(items, shares, size=resamples)
    low, high = np.quantile((counts[:, 1] - counts[:, 0]) / items, [0.025, 0.975])
    return (float(low), float(high))

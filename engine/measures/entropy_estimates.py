"""Entropy estimated from counts, and how far each estimate is off."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from engine.arrays import Floats
from engine.measures.checks import as_counts, as_probabilities, check_positive


def entropy_of_counts(counts: ArrayLike) -> float:
    """Plug-in entropy in nats of the shares n_i / N of counts (K,). On average too low, by about (K - 1) / (2N).

    >>> round(entropy_of_counts([1, 1, 2]), 10)
    1.0397207708
    """
    table = as_counts(counts)
    return float(special.entr(table / table.sum()).sum())


def miller_madow_entropy(counts: ArrayLike) -> float:
    """Plug-in entropy of counts (K,) plus (occupied bins - 1) / (2N) nats: the first-order bias put back. Miller 1955.

    >>> round(miller_madow_entropy([1, 1, 2]) - entropy_of_counts([1, 1, 2]), 10)
    0.25
    """
    table = as_counts(counts)
    return entropy_of_counts(table) + (int(np.count_nonzero(table)) - 1) / (2 * float(table.sum()))


def entropy_with_epsilon(p: ArrayLike, epsilon: float, axis: int = -1) -> Floats:
    """The naive -sum p ln(p + epsilon) in nats, kept to show its error: about -epsilon for each outcome with p > 0.

    `engine.measures.entropy` treats 0 ln 0 = 0 exactly and needs no epsilon. The naive form even goes below 0:

    >>> bool(entropy_with_epsilon([1.0, 0.0], 1e-2) < 0)
    True
    """
    probabilities = as_probabilities(p, axis=axis)
    return np.asarray(-(probabilities * np.log(probabilities + check_positive(epsilon, "Epsilon"))).sum(axis=axis))

"""Entropy, divergence and perplexity of discrete distributions, in nats.

Each function takes probability arrays whose last axis (or `axis`) lists the outcomes, and reduces that axis. Zeros
are handled exactly: 0 ln 0 = 0, and p ln(p/0) is infinite if p > 0, never a large number made by an epsilon.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from engine.arrays import Floats
from engine.measures.checks import as_floats, as_probabilities, as_probability_pair, check_positive
from engine.units import LN2


def entropy(p: ArrayLike, axis: int = -1) -> Floats:
    """H(P) = -sum p ln p in nats, in [0, ln K] for K outcomes.

    Parameters
    ----------
    p : probabilities, summing to 1 along `axis`
    axis : the axis of the outcomes; it is reduced

    Raises
    ------
    InputError
        If P is empty, has NaN or negative entries, or does not sum to 1.

    Examples
    --------
    >>> round(float(entropy([0.1, 0.2, 0.7])), 10)
    0.8018185525
    >>> float(entropy([1.0, 0.0]))
    0.0
    """
    return np.asarray(special.entr(as_probabilities(p, axis=axis)).sum(axis=axis))


def cross_entropy(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Floats:
    """H(P, Q) = -sum p ln q = H(P) + D(P||Q) in nats; infinite if q = 0 for some p > 0.

    >>> p, q = [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]
    >>> bool(np.isclose(cross_entropy(p, q), entropy(p) + kl_divergence(p, q)))
    True
    """
    first, second = as_probability_pair(p, q, axis)
    return np.asarray(-special.xlogy(first, second).sum(axis=axis))


def kl_terms(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Floats:
    """Pointwise terms p ln(p/q) in nats, of the shape of P and Q. Single terms may be negative; their sum is not."""
    first, second = as_probability_pair(p, q, axis)
    return np.asarray(special.rel_entr(first, second))


def kl_divergence(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Floats:
    """D(P||Q) = sum p ln(p/q) in nats, in [0, inf].

    Infinite if Q gives 0 to something P allows; exactly 0 if P = Q; not symmetric. Kullback and Leibler 1951.
    `kl_divergence_of_logs` takes log-probabilities, e.g. a model's.

    Examples
    --------
    >>> round(float(kl_divergence([0.1, 0.2, 0.7], [0.3, 0.3, 0.4])), 10)
    0.2007768011
    >>> round(float(kl_divergence([0.3, 0.3, 0.4], [0.1, 0.2, 0.7])), 10)
    0.2273769039
    >>> float(kl_divergence([0.5, 0.5], [1.0, 0.0]))
    inf
    """
    return np.asarray(kl_terms(p, q, axis).sum(axis=axis)).clip(min=0.0)  # rounding can go below 0


def kl_divergence_of_logs(log_p: ArrayLike, log_q: ArrayLike, axis: int = -1) -> Floats:
    """D(P||Q) in nats from log-probabilities, for values too small to leave the log domain; -inf means probability 0.

    >>> log_p, log_q = np.log([0.1, 0.2, 0.7]), np.log([0.3, 0.3, 0.4])
    >>> round(float(kl_divergence_of_logs(log_p, log_q)), 10)
    0.2007768011
    """
    first, second = np.asarray(log_p, dtype=np.float64), np.asarray(log_q, dtype=np.float64)
    probabilities, _ = as_probability_pair(np.exp(first), np.exp(second), axis)
    allowed = np.isfinite(first)
    ratio = np.where(allowed, first, 0.0) - np.where(allowed, second, 0.0)
    return np.asarray((probabilities * ratio).sum(axis=axis)).clip(min=0.0)


def js_divergence(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Floats:
    """Jensen-Shannon divergence in nats: mean KL of P and Q to their midpoint; symmetric, in [0, ln 2]. Lin 1991.

    >>> round(float(js_divergence([0.1, 0.2, 0.7], [0.3, 0.3, 0.4])), 10)
    0.0519122592
    """
    first, second = as_probability_pair(p, q, axis)
    middle = (first + second) / 2
    terms = special.kl_div(first, middle) + special.kl_div(second, middle)
    return np.asarray(terms.sum(axis=axis) / 2).clip(0.0, LN2)


def js_distance(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Floats:
    """Square root of the Jensen-Shannon divergence: a metric, in [0, sqrt(ln 2)]. Endres and Schindelin 2003."""
    return np.asarray(np.sqrt(js_divergence(p, q, axis)))


def bregman_divergence(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Floats:
    """phi(p) - phi(q) - <grad phi(q), p - q> with phi(p) = sum p ln p: the gap between phi and its tangent at q.

    On the simplex it equals D(P||Q); computed here from the definition, so that the two can be compared.

    >>> p, q = [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]
    >>> bool(np.isclose(bregman_divergence(p, q), kl_divergence(p, q)))
    True
    """
    first, second = as_probability_pair(p, q, axis)
    with np.errstate(divide="ignore"):
        slope = np.where((second == 0) & (first == 0), 0.0, np.log(second)) + 1.0
    gap = special.xlogy(first, first) - special.xlogy(second, second)
    step = first - second
    return np.asarray((gap - np.where(step == 0, 0.0, slope) * step).sum(axis=axis))


def perplexity(mean_surprisal_nats: ArrayLike) -> Floats:
    """exp(H) of (cross-)entropies of any shape in nats: the number of equally likely outcomes that is as uncertain.

    With H in bits the same number is 2**H; 2**H with H in nats is not a perplexity.

    >>> round(float(perplexity(entropy([0.25] * 4))), 12)
    4.0
    """
    return np.asarray(np.exp(as_floats(mean_surprisal_nats, "The mean surprisal")))


def softmax(logits: ArrayLike, temperature: float = 1.0, axis: int = -1) -> Floats:
    """exp(z/T) / sum exp(z/T) of logits of any shape along `axis`: T < 1 sharpens, T > 1 flattens.

    >>> softmax([0.0, np.log(3.0)]).round(12).tolist()
    [0.25, 0.75]
    """
    scaled = as_floats(logits, "The logits") / check_positive(temperature, "The temperature")
    return np.asarray(special.softmax(scaled, axis=axis))

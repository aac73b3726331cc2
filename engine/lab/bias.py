"""How far estimates from samples are off on average, by simulation, with the truth known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import special

from engine import measures
from engine.arrays import Floats, Ints
from engine.errors import ParameterError
from engine.measures.binning import column_codes
from engine.measures.checks import check_count

Marginal = Literal["uniform", "normal"]
Shape = Literal["uniform", "zipf"]
MOST_OUTCOMES = 1_000
MOST_CELLS = 20_000_000
"""Numbers one simulation may hold at once, 160 MB."""


@dataclass(frozen=True, eq=False)
class InformationBias:
    """Mean histogram estimate less the truth, in nats: a row per setting (`rows`), a column per value of `columns`."""

    rows: tuple[int, ...]
    columns: tuple[float, ...]
    bias: Floats
    standard_error: Floats


@dataclass(frozen=True, eq=False)
class EntropyBias:
    """Mean plug-in and Miller-Madow entropy (k,) in nats at each sample size, and the true entropy."""

    samples: tuple[int, ...]
    truth: float
    plug_in: Floats
    miller_madow: Floats


def independent_bias(
    bins: Sequence[int], samples: Sequence[int], marginal: Marginal = "uniform", *, repeats: int = 20, seed: int = 0
) -> InformationBias:
    """Histogram estimate for independent x and y: rows are bin counts, columns sample sizes. The truth is 0.

    Settings with more bins than samples are NaN.

    >>> bias = independent_bias([15], [200, 2000])
    >>> bool(bias.bias[0, 0] > 5 * bias.bias[0, 1] > 0)
    True
    """
    mean, error = _simulated([[(n, b, 0.0) for n in samples] for b in bins], marginal, repeats, seed)
    return InformationBias(tuple(bins), tuple(float(n) for n in samples), mean, error)


def bias_against_truth(
    samples: Sequence[int], correlations: Sequence[float], bins: int, *, repeats: int = 20, seed: int = 0
) -> InformationBias:
    """Bias of the histogram estimate on bivariate normals: rows are sample sizes, columns the true I in nats.

    A flat row would mean that the bias drops out of every comparison.
    """
    truth = tuple(measures.gaussian_mutual_information(rho) for rho in correlations)
    mean, error = _simulated([[(n, bins, rho) for rho in correlations] for n in samples], "normal", repeats, seed)
    return InformationBias(tuple(samples), truth, mean - np.array(truth), error)


def samples_with_bias(
    target: float, bins: int = 15, marginal: Marginal = "uniform", *, repeats: int = 60, seed: int = 0
) -> int:
    """Sample size at which the histogram estimate of independent x and y averages `target` nats, by bisection.

    >>> 240 < samples_with_bias(0.45) < 270
    True
    """
    low, high = bins, 1_000_000
    if not 0 < target < np.log(bins):
        raise ParameterError(f"A bias of {target:.4g} nats is out of reach of {bins} bins; it lies below ln {bins}.")
    while high - low > 1:
        middle = int(np.sqrt(low * high)) if high > 2 * low else (low + high) // 2
        x, y = _pairs(middle, min(repeats, max(2, MOST_CELLS // (20 * middle))), 0.0, marginal, seed)
        low, high = (middle, high) if _histogram_estimates(x, y, bins).mean() > target else (low, middle)
    return high


def entropy_bias(
    outcomes: int, samples: Sequence[int], shape: Shape = "uniform", *, repeats: int = 200, seed: int = 0
) -> EntropyBias:
    """Entropy estimates from samples of a known distribution over `outcomes`, equally likely or falling as 1/rank.

    >>> bias = entropy_bias(20, [20, 2000])
    >>> bool(bias.plug_in[0] < bias.miller_madow[0] < bias.truth)
    True
    """
    check_count(outcomes, "The number of outcomes", 2, MOST_OUTCOMES)
    if shape not in get_args(Shape):
        raise ParameterError(f"There is no shape {shape!r}; use one of {', '.join(get_args(Shape))}.")
    weights = np.ones(outcomes) if shape == "uniform" else 1 / np.arange(1, outcomes + 1)
    p = weights / weights.sum()
    generator = np.random.default_rng(seed)
    plug_in, corrected = np.empty((2, len(samples)))
    for j, n in enumerate(samples):
        counts = generator.multinomial(check_count(n, "The number of samples", 1), p, size=repeats)  # (repeats, K)
        plug_in[j] = special.entr(counts / n).sum(axis=1).mean()
        corrected[j] = plug_in[j] + (np.count_nonzero(counts, axis=1).mean() - 1) / (2 * n)
    return EntropyBias(tuple(samples), float(measures.entropy(p)), plug_in, corrected)


def _simulated(
    settings: Sequence[Sequence[tuple[int, int, float]]], marginal: Marginal, repeats: int, seed: int
) -> Floats:
    """Mean histogram estimate and its standard error (2, rows, columns) at each (samples, bins, correlation)."""
    table = np.full((2, len(settings), len(settings[0])), np.nan)
    for i, row in enumerate(settings):
        for j, (n, bins, correlation) in enumerate(row):
            if bins <= n:
                found = _histogram_estimates(*_pairs(n, repeats, correlation, marginal, seed), bins)
                table[:, i, j] = found.mean(), found.std(ddof=1) / np.sqrt(repeats)
    return table


def _pairs(n: int, repeats: int, correlation: float, marginal: Marginal, seed: int) -> tuple[Floats, Floats]:
    """`repeats` samples of pairs, as columns: x (n, repeats) and y (n, repeats)."""
    check_count(n, "The number of samples", 2, MOST_CELLS // (2 * repeats))
    generator = np.random.default_rng(seed)
    if marginal == "uniform":
        x, y = generator.uniform(size=(2, n, repeats))
        return x, y
    x, e = generator.normal(size=(2, n, repeats))
    return x, correlation * x + np.sqrt(1 - correlation**2) * e


def _histogram_estimates(x: Floats, y: Floats, bins: int) -> Floats:
    """Equal-width histogram estimate (repeats,) in nats of each pair of columns (n, repeats)."""
    n, repeats = x.shape
    codes: Ints = (np.arange(repeats) * bins + column_codes(x, bins)) * bins + column_codes(y, bins)
    joint = np.bincount(codes.ravel(), minlength=repeats * bins * bins).reshape(repeats, bins, bins) / n
    marginals = special.entr(joint.sum(axis=2)).sum(axis=1) + special.entr(joint.sum(axis=1)).sum(axis=1)
    return np.asarray(marginals - special.entr(joint).sum(axis=(1, 2)))

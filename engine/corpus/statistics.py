"""The statistics of two models over one corpus, as llama.cpp's `--kl-divergence` defines them.

"base" is the reference model and "candidate" the one judged by it; p is the probability each gives to the token that
really follows. Arrays are over predicted tokens, in nats. Known differences from llama.cpp's tool (July 2026):

- KL sums the whole vocabulary in float32 or better. llama.cpp stores the base model's log-probabilities in 16 bits and
  drops tokens below exp(-16), so it can print negative KL; ours cannot be negative.
- Every token of the corpus is predicted once, in rolling windows. llama.cpp scores the second half of each chunk.
- Deviations are taken from the mean, not as a difference of sums of squares, and errors are given from two values on
  (llama.cpp prints 0 below ten).
- Beside llama.cpp's errors, which take tokens as independent, stand errors that take only texts as independent.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

KL_FRACTIONS = (1.0, 0.999, 0.99, 0.95, 0.90, 0.50, 0.10, 0.05, 0.01, 0.001, 0.0)
"""Percentiles of llama.cpp's table, largest first; 1 and 0 are the maximum and the minimum."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its standard error, in the same unit. The error is NaN where one value gives none.

    `error_by_text` takes texts, not tokens, as independent: the honest one where texts differ. NaN for one text.
    """

    value: float
    error: float = float("nan")
    error_by_text: float = float("nan")


@dataclass(frozen=True, slots=True)
class Percentile:
    """The value below which `fraction` of the tokens lie."""

    fraction: float
    value: float


@dataclass(frozen=True, slots=True)
class PerplexityStatistics:
    """How well both models predict the corpus."""

    base: Estimate
    candidate: Estimate
    correlation: float
    """Of the two models' log-probabilities over tokens; NaN where one of them is constant."""
    ln_ratio: Estimate
    ratio: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class DivergenceStatistics:
    """METHODS section 4's whole table for two models that share a vocabulary; `delta_p` is candidate minus base."""

    tokens: int
    texts: int
    perplexity: PerplexityStatistics
    kl: Estimate
    kl_percentiles: tuple[Percentile, ...]
    delta_p: Estimate
    delta_p_percentiles: tuple[Percentile, ...]
    delta_p_rms: Estimate
    same_top1: Estimate


def mean(values: npt.ArrayLike, groups: Ints | None = None) -> Estimate:
    """Mean of `values` (n,), its standard error, and its standard error with whole groups resampled.

    Parameters
    ----------
    values
        Any unit; no NaN.
    groups
        Group (text) of each value, any labels. The grouped error is the linearised error of a ratio of sums.

    Examples
    --------
    >>> estimate = mean([1.0, 2.0, 3.0, 4.0])
    >>> estimate.value, round(estimate.error, 4)
    (2.5, 0.6455)
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        return Estimate(float("nan"))
    centre = float(values.mean())
    error = float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else float("nan")
    return Estimate(centre, error, _grouped_error(values - centre, groups))


def _grouped_error(residuals: Floats, groups: Ints | None) -> float:
    """Standard error of a mean whose residuals are independent only between groups."""
    if groups is None:
        return float("nan")
    _, index = np.unique(groups, return_inverse=True)
    sums = np.bincount(index, weights=residuals)
    if sums.size < 2:
        return float("nan")
    return float(np.sqrt((sums**2).sum() * sums.size / (sums.size - 1)) / residuals.size)


def share(flags: npt.ArrayLike, groups: Ints | None = None) -> Estimate:
    """Share of true `flags` (n,) with the binomial error sqrt(p (1 - p) / (n - 1)).

    Examples
    --------
    >>> share([True, True, False, True]).value
    0.75
    """
    return mean(np.asarray(flags, dtype=np.float64), groups)


def percentiles(values: Floats, fractions: tuple[float, ...] = KL_FRACTIONS) -> tuple[Percentile, ...]:
    """Percentiles of `values` (n,) by linear interpolation between order statistics."""
    found = np.quantile(values, fractions) if values.size else np.full(len(fractions), np.nan)
    return tuple(Percentile(fraction, float(value)) for fraction, value in zip(fractions, found, strict=True))


def scaled_exp(log_estimate: Estimate) -> Estimate:
    """Exponential of an estimate: errors to first order, as llama.cpp carries them."""
    value = float(np.exp(log_estimate.value))
    return Estimate(value, value * log_estimate.error, value * log_estimate.error_by_text)


def perplexity_statistics(base: Floats, candidate: Floats, groups: Ints | None = None) -> PerplexityStatistics:
    """Perplexities of both models from their log-probabilities (n,) of the same tokens.

    Examples
    --------
    >>> table = perplexity_statistics(np.log([0.5, 0.25]), np.log([0.25, 0.125]))
    >>> round(table.ratio.value, 6), round(table.ratio.error, 6)
    (2.0, 0.0)
    """
    perplexity_base, perplexity_candidate = scaled_exp(mean(-base, groups)), scaled_exp(mean(-candidate, groups))
    ln_ratio = mean(base - candidate, groups)
    # exp(mean) is smooth, so the difference's error follows from the residuals weighted by each perplexity.
    weighted = perplexity_base.value * base - perplexity_candidate.value * candidate
    spread = mean(weighted, groups)
    difference = Estimate(perplexity_candidate.value - perplexity_base.value, spread.error, spread.error_by_text)
    return PerplexityStatistics(
        perplexity_base,
        perplexity_candidate,
        _correlation(base, candidate),
        ln_ratio,
        scaled_exp(ln_ratio),
        difference,
    )


def _correlation(a: Floats, b: Floats) -> float:
    """Pearson's correlation, NaN where it is not defined."""
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def root_mean_square(values: Floats, groups: Ints | None = None) -> Estimate:
    """Root of the mean square of `values` (n,), errors to first order; no error where the root is 0."""
    square = mean(values**2, groups)
    root = float(np.sqrt(square.value))
    if not root:
        return Estimate(root)
    return Estimate(root, 0.5 / root * square.error, 0.5 / root * square.error_by_text)


def divergence_statistics(
    base: Floats, candidate: Floats, kl: Floats, same_top1: npt.ArrayLike, texts: Ints
) -> DivergenceStatistics:
    """Everything METHODS section 4 lists, from per-token arrays (n,).

    Parameters
    ----------
    base, candidate
        Log-probability of the token that follows, nats.
    kl
        KL(base || candidate) at the token, nats.
    same_top1
        Whether both models put the same token first, in [0, 1]: ties count in part.
    texts
        Which text each token is of.
    """
    delta_p = np.exp(candidate) - np.exp(base)
    return DivergenceStatistics(
        tokens=base.size,
        texts=int(np.unique(texts).size),
        perplexity=perplexity_statistics(base, candidate, texts),
        kl=mean(kl, texts),
        kl_percentiles=percentiles(kl),
        delta_p=mean(delta_p, texts),
        delta_p_percentiles=percentiles(delta_p),
        delta_p_rms=root_mean_square(delta_p, texts),
        same_top1=share(same_top1, texts),
    )

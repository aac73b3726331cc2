"""The statistics of two models over one corpus, as llama.cpp's `--kl-divergence` defines them.

"base" is the reference model and "candidate" the one judged by it; p is the probability each gives to the token that
really follows. Arrays are over predicted tokens, in nats. Known differences from llama.cpp's tool (July 2026):

- KL sums the whole vocabulary in float32 or better. llama.cpp stores the base model's log-probabilities in 16 bits and
  drops tokens below exp(-16), so it can print negative KL; ours cannot be negative.
- Every token of the corpus is predicted once, in rolling windows. llama.cpp scores the second half of each chunk.
- Deviations are taken from the mean, not as a difference of sums of squares, and errors are given from two values on
  (llama.cpp prints 0 below ten).
- The unit is the text: tokens of one text are not independent, so the error to trust takes only texts as independent
  and its interval has G - 1 degrees of freedom (A. C. Cameron and D. L. Miller, "A Practitioner's Guide to
  Cluster-Robust Inference", Journal of Human Resources 2015). llama.cpp's errors, over tokens, are kept beside it to
  compare with published ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.arrays import Floats, Ints
from engine.correlations import pearson
from engine.evaluation.estimates import Estimate, mean, share
from engine.evaluation.resampling import Draws

KL_FRACTIONS = (1.0, 0.999, 0.99, 0.95, 0.90, 0.50, 0.10, 0.05, 0.01, 0.001, 0.0)
"""Percentiles of llama.cpp's table of KL, largest first; 1 and 0 are the maximum and the minimum."""
DELTA_FRACTIONS = (1.0, 0.999, 0.99, 0.95, 0.90, 0.75, 0.50, 0.25, 0.10, 0.05, 0.01, 0.001, 0.0)
"""Those of its table of delta-p."""

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Percentile:
    """The value below which `fraction` of the tokens lie, and its 95 % interval, NaN if there is none."""

    fraction: float
    value: float
    low: float = _NAN
    high: float = _NAN


@dataclass(frozen=True, slots=True)
class PerplexityStatistics:
    """How well both models predict the corpus."""

    base: Estimate
    candidate: Estimate
    correlation: float
    """Of the two models' log-probabilities over tokens; NaN if one of them is constant."""
    ln_ratio: Estimate
    ratio: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class DivergenceStatistics:
    """The whole table for two models that share a vocabulary; `delta_p` is candidate minus base."""

    tokens: int
    texts: int
    perplexity: PerplexityStatistics
    kl: Estimate
    kl_percentiles: tuple[Percentile, ...]
    delta_p: Estimate
    delta_p_percentiles: tuple[Percentile, ...]
    delta_p_rms: Estimate
    same_top1: Estimate


def percentiles(
    values: Floats, fractions: tuple[float, ...] = KL_FRACTIONS, draws: Draws | None = None
) -> tuple[Percentile, ...]:
    """Percentiles of `values` (n,) by linear interpolation between order statistics, with intervals from `draws`."""
    found = np.quantile(values, fractions) if values.size else np.full(len(fractions), _NAN)
    ends = ((_NAN, _NAN),) * len(fractions) if draws is None else draws.quantile_intervals(values, fractions)
    return tuple(
        Percentile(fraction, float(value), low, high)
        for fraction, value, (low, high) in zip(fractions, found, ends, strict=True)
    )


def scaled_exp(log_estimate: Estimate) -> Estimate:
    """Exponential of an estimate: errors to first order, as llama.cpp carries them; the interval's ends exactly."""
    value = float(np.exp(log_estimate.value))
    low, high = (float(np.exp(end)) for end in log_estimate.interval())
    return replace(_carried(log_estimate, value, value), low=low, high=high)


def _carried(estimate: Estimate, value: float, slope: float) -> Estimate:
    """A function's `value` at an estimate, its errors carried to first order by the function's `slope` there."""
    return replace(estimate, value=value, error=slope * estimate.error, error_by_text=slope * estimate.error_by_text)


def _redrawn(estimate: Estimate, draws: Draws | None, drawn: Callable[[Draws], Floats]) -> Estimate:
    """`estimate` with the interval of its values in `draws`, if there are texts enough to draw from."""
    if draws is None or not len(draws.counts):
        return estimate
    low, high = draws.interval(drawn(draws))
    return replace(estimate, low=low, high=high)


def perplexity_statistics(
    base: Floats, candidate: Floats, groups: Ints | None = None, draws: Draws | None = None
) -> PerplexityStatistics:
    """Perplexities of both models from their log-probabilities (n,) of the same tokens.

    With `draws` the ratio's and the difference's intervals come from drawing texts again, both models' tokens of a
    text together.

    Examples
    --------
    >>> table = perplexity_statistics(np.log([0.5, 0.25]), np.log([0.25, 0.125]))
    >>> round(table.ratio.value, 6), round(table.ratio.error, 6)
    (2.0, 0.0)
    """
    perplexity_base, perplexity_candidate = scaled_exp(mean(-base, groups)), scaled_exp(mean(-candidate, groups))
    ln_ratio = mean(base - candidate, groups)
    # exp(mean) is smooth, so the difference's error follows from the residuals weighted by each perplexity.
    weighted = mean(perplexity_base.value * base - perplexity_candidate.value * candidate, groups)
    difference = replace(weighted, value=perplexity_candidate.value - perplexity_base.value)
    return PerplexityStatistics(
        perplexity_base,
        perplexity_candidate,
        pearson(base, candidate),
        ln_ratio,
        _redrawn(scaled_exp(ln_ratio), draws, lambda drawn: np.exp(drawn.means(base - candidate))),
        _redrawn(difference, draws, lambda drawn: np.exp(-drawn.means(candidate)) - np.exp(-drawn.means(base))),
    )


def correlation_per_character(base: Floats, candidate: Floats, characters: npt.ArrayLike) -> float:
    """Pearson's correlation of two models' log-probabilities (n,), each divided by the length (n,) of its piece.

    Pieces that two tokenizers share differ in length, and a long piece is improbable under both: of the plain sums
    much of the correlation is length.
    """
    lengths = np.asarray(characters, dtype=np.float64)
    known = lengths > 0
    return pearson(base[known] / lengths[known], candidate[known] / lengths[known])


def root_mean_square(values: Floats, groups: Ints | None = None, draws: Draws | None = None) -> Estimate:
    """Root of the mean square of `values` (n,), errors to first order; no error if the root is 0."""
    square = mean(values**2, groups)
    root = float(np.sqrt(square.value))
    if not root:
        return Estimate(root)
    return _redrawn(_carried(square, root, 0.5 / root), draws, lambda drawn: np.sqrt(drawn.means(values**2)))


def divergence_statistics(
    base: Floats, candidate: Floats, kl: Floats, same_top1: npt.ArrayLike, texts: Ints
) -> DivergenceStatistics:
    """The whole table, from the per-token columns (n,) of `engine.evaluation.divergence.result.CorpusDivergence`."""
    delta_p, draws = np.exp(candidate) - np.exp(base), Draws.of(texts)
    return DivergenceStatistics(
        tokens=base.size,
        texts=len(draws.sizes),
        perplexity=perplexity_statistics(base, candidate, texts, draws),
        kl=mean(kl, texts),
        kl_percentiles=percentiles(kl, KL_FRACTIONS, draws),
        delta_p=mean(delta_p, texts),
        delta_p_percentiles=percentiles(delta_p, DELTA_FRACTIONS, draws),
        delta_p_rms=root_mean_square(delta_p, texts, draws),
        same_top1=share(same_top1, texts),
    )

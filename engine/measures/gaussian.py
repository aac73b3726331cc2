"""Divergence, entropy and mutual information of Gaussians: closed forms, and the same by integral and by sampling."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, optimize

from engine.arrays import Floats
from engine.errors import InputError, ParameterError
from engine.measures.checks import as_floats, as_probabilities, check_count, check_positive

LOG_ROOT_TAU = 0.5 * np.log(2 * np.pi)
REACH = 12.0
"""Standard deviations either side that an integral covers; the mass beyond is below 1e-32."""
NODES = np.linspace(-10.0, 10.0, 1001)
"""Standard scores at which an average over a Gaussian is taken; so close that a kink between two peaks is resolved."""
NODE_WEIGHTS = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()
MOST_DRAWS = 10_000_000


@dataclass(frozen=True, slots=True)
class Approximation:
    """A number that is not exact, and how far off it may be.

    `error` is the standard error of an average, or an integral's own bound on its error; in the unit of `value`.
    """

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Gaussian:
    """N(mean, std**2)."""

    mean: float
    std: float

    def __post_init__(self) -> None:
        check_positive(self.std, "The standard deviation")
        if not np.isfinite(self.mean):
            raise ParameterError("The mean is not a finite number.")

    def log_density(self, x: ArrayLike) -> Floats:
        """Natural log of the density at `x`, any shape."""
        z = (np.asarray(x, dtype=np.float64) - self.mean) / self.std
        return np.asarray(-0.5 * z * z - np.log(self.std) - LOG_ROOT_TAU)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Weighted sum of Gaussians; the weights sum to 1."""

    weights: tuple[float, ...]
    parts: tuple[Gaussian, ...]

    def __post_init__(self) -> None:
        as_probabilities(self.weights, "The weights")
        if len(self.weights) != len(self.parts):
            raise InputError(f"{len(self.weights)} weights for {len(self.parts)} parts; give one each.")

    def log_density(self, x: ArrayLike) -> Floats:
        """Natural log of the density at `x`, any shape; exact far out, where the density itself would underflow."""
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        logs = [log_weight + part.log_density(x) for log_weight, part in zip(log_weights, self.parts, strict=True)]
        return np.asarray(np.logaddexp.reduce(logs, axis=0))


def gaussian_entropy(std: float) -> float:
    """Differential entropy ln(std sqrt(2 pi e)) in nats; negative for std < 0.242, unlike a discrete entropy."""
    return float(np.log(check_positive(std, "The standard deviation")) + LOG_ROOT_TAU + 0.5)


def gaussian_kl(p: Gaussian, q: Gaussian) -> float:
    """D(P||Q) = ln(s2/s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2 in nats.

    >>> round(gaussian_kl(Gaussian(0, 1), Gaussian(1, 2)), 10)
    0.4431471806
    """
    # With r = s1/s2 the spread's share is (r^2 - 1 - ln r^2) / 2, which loses nothing when r is close to 1.
    excess = (p.std - q.std) * (p.std + q.std) / q.std**2
    return float((excess - np.log1p(excess) + ((p.mean - q.mean) / q.std) ** 2) / 2)


def gaussian_kl_quadrature(p: Gaussian, q: Gaussian) -> Approximation:
    """D(P||Q) in nats as the integral of p ln(p/q), with the integrator's bound on its error."""

    def integrand(x: float) -> float:
        log_p = float(p.log_density(x))
        return float(np.exp(log_p)) * (log_p - float(q.log_density(x)))

    low, high = p.mean - REACH * p.std, p.mean + REACH * p.std
    value, bound = integrate.quad(integrand, low, high, points=[p.mean], epsabs=1e-12, epsrel=1e-12, limit=200)
    return Approximation(float(value), float(bound))


def gaussian_kl_monte_carlo(p: Gaussian, q: Gaussian, draws: int, seed: int) -> Approximation:
    """D(P||Q) in nats as the mean of ln p(x) - ln q(x) over `draws` samples of P, with its standard error.

    >>> estimate = gaussian_kl_monte_carlo(Gaussian(0, 1), Gaussian(1, 2), draws=10_000, seed=0)
    >>> abs(estimate.value - 0.4431) < 4 * estimate.error
    True
    """
    check_count(draws, "The number of draws", 2, MOST_DRAWS)
    x = np.random.default_rng(seed).normal(p.mean, p.std, int(draws))
    ratios = p.log_density(x) - q.log_density(x)
    return Approximation(float(ratios.mean()), float(ratios.std(ddof=1) / np.sqrt(draws)))


def gaussian_kl_to_standard(means: ArrayLike, stds: ArrayLike) -> float:
    """D(N(m, diag s^2) || N(0, I)) = sum (s^2 + m^2 - 1 - ln s^2) / 2 in nats: the regulariser of a VAE's loss.

    >>> gaussian_kl_to_standard([0.0, 1.0], [1.0, 1.0])
    0.5
    """
    m, s = as_floats(means, "The means"), as_floats(stds, "The standard deviations")
    if m.shape != s.shape:
        raise InputError(f"There are {m.size} means and {s.size} standard deviations; give one each.")
    check_positive(float(s.min()), "The smallest standard deviation")
    return float((s**2 + m**2 - 1 - 2 * np.log(s)).sum() / 2)


def gaussian_mutual_information(correlation: float) -> float:
    """I(X; Y) = -ln(1 - rho^2) / 2 in nats of a bivariate normal with correlation rho, |rho| < 1.

    >>> round(gaussian_mutual_information(0.5), 10)
    0.1438410362
    """
    if not abs(correlation) < 1:
        raise ParameterError(f"The correlation is {correlation:.4g}; it must lie between -1 and 1.")
    return float(-0.5 * np.log1p(-(correlation**2)))


def fit_mode_covering(target: Mixture) -> Gaussian:
    """The Gaussian Q with the least D(P||Q), P = `target`: the one with P's mean and variance. It covers every mode.

    >>> fit_mode_covering(Mixture((0.5, 0.5), (Gaussian(-3, 1), Gaussian(3, 1)))) == Gaussian(0.0, 10**0.5)
    True
    """
    weights = np.asarray(target.weights)
    means = np.array([part.mean for part in target.parts])
    stds = np.array([part.std for part in target.parts])
    mean = float(weights @ means)
    return Gaussian(mean, float(np.sqrt(weights @ (stds**2 + means**2) - mean**2)))


def reverse_kl(q: Gaussian, target: Mixture) -> float:
    """D(Q||P) in nats of a Gaussian Q to P = `target`, averaged over Q on a fine even grid."""
    return float(-gaussian_entropy(q.std) - NODE_WEIGHTS @ target.log_density(q.mean + q.std * NODES))


def forward_kl(target: Mixture, q: Gaussian) -> float:
    """D(P||Q) in nats of P = `target` to a Gaussian Q, averaged over each part of P on a fine even grid."""
    total = 0.0
    for share, part in zip(target.weights, target.parts, strict=True):
        x = part.mean + part.std * NODES
        total += share * float(NODE_WEIGHTS @ (target.log_density(x) - q.log_density(x)))
    return total


def fit_mode_seeking(target: Mixture) -> Gaussian:
    """The Gaussian Q with the least D(Q||P), P = `target`: it settles on one mode if the modes lie apart.

    There may be a minimum at each mode, so the search starts from every part and from the covering fit; the least wins.
    """

    def loss(parameters: Floats) -> float:
        return reverse_kl(Gaussian(float(parameters[0]), float(np.exp(parameters[1]))), target)

    starts = [*target.parts, fit_mode_covering(target)]
    spread = fit_mode_covering(target).std
    bounds = [(None, None), (np.log(spread) - 8, np.log(spread) + 2)]
    found = [optimize.minimize(loss, (s.mean, np.log(s.std)), method="L-BFGS-B", bounds=bounds) for s in starts]
    best = min(found, key=lambda result: float(result.fun))
    return Gaussian(float(best.x[0]), float(np.exp(best.x[1])))

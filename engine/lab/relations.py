"""Pairs of variables with a known relation, and the mutual information they truly have.

Every relation but two is y = f(x) + noise e with e standard normal, so h(Y|X) is the noise's entropy and one integral
over the density of y gives I(X; Y) = h(Y) - h(Y|X) to many digits, whatever f is. The circle carries noise on both
coordinates and takes one integral over x and one over the radius. Without noise a continuous relation holds
infinitely much information; the step then holds ln 2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from engine.arrays import Floats
from engine.errors import ParameterError
from engine.measures import gaussian
from engine.measures.checks import check_count
from engine.units import LN2

MOST_SAMPLES = 100_000
LEAST_NOISE = 0.02
"""Below this the integrals' grids would no longer resolve the noise; 0 itself is handled exactly."""
GRID = 4096
CELLS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Relation:
    """One way y can depend on x. `curve` is f if x is uniform on [-1, 1] and y = f(x) + noise e, else None."""

    name: str
    title: str
    formula: str
    note: str
    curve: Callable[[Floats], Floats] | None = None


RELATIONS: tuple[Relation, ...] = (
    Relation(
        "independent",
        "Independent, normal",
        r"x, y \sim N(0, 1)",
        "There is nothing to find: whatever an estimate says is bias.",
    ),
    Relation(
        "independent_uniform",
        "Independent, uniform",
        r"x, y \sim U(-1, 1)",
        "All cells are filled alike, so the first-order bias fits best.",
    ),
    Relation("linear", "Linear", r"y = x + \sigma e,\; x \sim N(0, 1)", "Correlation says all there is to say."),
    Relation(
        "quadratic",
        "Quadratic",
        r"y = 2x^2 - 1 + \sigma e",
        "Correlation is 0, information is not.",
        lambda x: 2 * x * x - 1,
    ),
    Relation(
        "circle", "Circle", r"(x, y) = (\cos t, \sin t) + \sigma e", "Correlation is 0: for each x there are two y."
    ),
    Relation(
        "sine",
        "Sine",
        r"y = \sin 4\pi x + \sigma e",
        "A little correlation, much information.",
        lambda x: np.sin(4 * np.pi * x),
    ),
    Relation(
        "step",
        "Step",
        r"y = \operatorname{sign} x + \sigma e",
        "y tells at most one bit about x, its sign; noise hides a part of it.",
        np.sign,
    ),
)


def relation(name: str) -> Relation:
    """The relation of that name."""
    for known in RELATIONS:
        if known.name == name:
            return known
    raise ParameterError(f"There is no relation {name!r}; use one of {', '.join(r.name for r in RELATIONS)}.")


def sample(name: str, samples: int, noise: float, seed: int) -> tuple[Floats, Floats]:
    """Draw x (n,) and y (n,) of a relation with noise of that standard deviation.

    >>> x, y = sample("step", 3, noise=0.0, seed=0)
    >>> bool((y == np.sign(x)).all())
    True
    """
    chosen, count = relation(name), check_count(samples, "The number of samples", 2, MOST_SAMPLES)
    _check_noise(noise)
    generator = np.random.default_rng(seed)
    if chosen.curve is not None:
        x = generator.uniform(-1, 1, count)
        return x, chosen.curve(x) + noise * generator.normal(size=count)
    if name == "independent_uniform":
        return generator.uniform(-1, 1, count), generator.uniform(-1, 1, count)
    if name == "circle":
        angle = generator.uniform(0, 2 * np.pi, count)
        first, second = generator.normal(scale=noise, size=(2, count)) if noise else np.zeros((2, count))
        return np.cos(angle) + first, np.sin(angle) + second
    x, e = generator.normal(size=(2, count))
    return x, (x + noise * e if name == "linear" else e)


def exact_mutual_information(name: str, noise: float) -> float:
    """The true I(X; Y) of a relation in nats; infinite for a continuous relation without noise.

    >>> round(exact_mutual_information("linear", 1.0), 6)
    0.346574
    """
    chosen = relation(name)
    _check_noise(noise)
    if name.startswith("independent"):
        return 0.0
    if noise == 0:
        return LN2 if name == "step" else float("inf")
    if name == "linear":
        return gaussian.gaussian_mutual_information(1 / np.sqrt(1 + noise**2))
    if name == "circle":
        return _circle_information(noise)
    points = np.linspace(-1, 1, GRID, endpoint=False) + 1 / GRID
    assert chosen.curve is not None  # noqa: S101 - the relations without a curve are handled above
    return _entropy_of_blurred(chosen.curve(points), noise) - gaussian.gaussian_entropy(noise)


def _check_noise(noise: float) -> None:
    if not (noise == 0 or LEAST_NOISE <= noise <= 100):
        raise ParameterError(f"The noise is {noise:.4g}; it must be 0, or from {LEAST_NOISE} to 100.")


def _entropy_of_blurred(centres: Floats, noise: float) -> float:
    """Differential entropy in nats of equally likely `centres` (k,) blurred by N(0, noise^2), on a fine even grid."""
    low, high = centres.min() - 9 * noise, centres.max() + 9 * noise
    grid = np.linspace(low, high, int(np.ceil((high - low) / noise * 8)) + 1)
    density = np.concatenate(
        [
            np.exp(-0.5 * ((block[:, None] - centres) / noise) ** 2).mean(axis=1) / (noise * np.sqrt(2 * np.pi))
            for block in np.array_split(grid, max(1, grid.size // CELLS_AT_ONCE))
        ]
    )
    return float(special.entr(density).sum() * (grid[1] - grid[0]))


def _circle_information(noise: float) -> float:
    """I = h(X) + h(Y) - h(X, Y), where the joint density depends on the radius only (a Rice density over it)."""
    angles = (np.arange(GRID) + 0.5) * (2 * np.pi / GRID)
    marginal = _entropy_of_blurred(np.cos(angles), noise)
    radius = np.linspace(max(0.0, 1 - 12 * noise), 1 + 12 * noise, 40_001)
    log_density = (
        np.log(special.ive(0, radius / noise**2)) - 0.5 * ((radius - 1) / noise) ** 2 - np.log(2 * np.pi * noise**2)
    )
    joint = -np.trapezoid(np.exp(log_density) * log_density * 2 * np.pi * radius, radius)
    return 2 * marginal - float(joint)

"""Simulations and searches of the lab, kept: a slider that comes back to a value finds its answer ready."""

import numpy as np
import streamlit as st

from engine import measures
from engine.arrays import Floats
from engine.lab import bias, estimators, relations
from engine.lab.bias import EntropyBias, InformationBias, Marginal, Shape
from engine.lab.estimators import TimedEstimate
from engine.measures import Gaussian, Mixture

BIAS_BINS = (5, 10, 15, 30)
BIAS_SAMPLES = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
TRUTH_SAMPLES = (200, 1_000, 10_000)
TRUTH_CORRELATIONS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
ENTROPY_SAMPLES = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
BAND = (0.4, 0.5)
"""Nats that 15 bins are often seen to make out of independent variables."""
_KEPT = 256

_keep = st.cache_data(max_entries=_KEPT, show_spinner=False)
sample = _keep(relations.sample)
exact_information = _keep(relations.exact_mutual_information)


@_keep
def fits(target: Mixture) -> tuple[Gaussian, Gaussian]:
    """The covering and the seeking Gaussian."""
    return measures.fit_mode_covering(target), measures.fit_mode_seeking(target)


@_keep
def estimates(
    name: str, samples: int, noise: float, seed: int, bins: int, neighbours: int
) -> tuple[TimedEstimate, ...]:
    """Every estimator on one sample of a relation."""
    x, y = relations.sample(name, samples, noise, seed)
    return estimators.all_estimates(x, y, bins=bins, neighbours=neighbours, seed=seed)


@st.cache_data(show_spinner=False)
def information_bias(marginal: Marginal) -> InformationBias:
    """Histogram estimate of independent variables over the lab's sample sizes and bin counts."""
    return bias.independent_bias(BIAS_BINS, BIAS_SAMPLES, marginal)


@_keep
def bias_against_truth(bins: int) -> InformationBias:
    """Bias on bivariate normals of rising correlation."""
    return bias.bias_against_truth(TRUTH_SAMPLES, TRUTH_CORRELATIONS, bins)


@_keep
def samples_of_band(bins: int, marginal: Marginal) -> tuple[int, int]:
    """Between which sample sizes the estimate of independent variables lies in the band."""
    low, high = BAND
    return bias.samples_with_bias(high, bins, marginal), bias.samples_with_bias(low, bins, marginal)


@_keep
def entropy_bias(outcomes: int, shape: Shape) -> EntropyBias:
    """Entropy estimates over the lab's sample sizes."""
    return bias.entropy_bias(outcomes, ENTROPY_SAMPLES, shape)


@_keep
def one_dimensional(kind: str, samples: int, seed: int) -> Floats:
    """A sample (n,) to cut into bins."""
    generator = np.random.default_rng(seed)
    if kind == "uniform":
        return generator.uniform(-1, 1, samples)
    if kind == "skewed":
        return generator.exponential(size=samples)
    x = generator.normal(size=samples)
    return np.where(generator.uniform(size=samples) < 0.5, x - 3, x + 3) if kind == "two peaks" else x

"""What the measures accept, and the sentence a person reads when something else comes in."""

import numpy as np
from numpy.typing import ArrayLike

from engine.arrays import Floats
from engine.errors import InputError, ParameterError

SUM_TOLERANCE = 1e-6
"""How far a sum of probabilities may be from 1: float32 softmax over 50,000 entries stays well inside."""


def as_floats(values: ArrayLike, name: str) -> Floats:
    """`values`, any shape, as float64, or an `InputError` that says why: not numbers, empty, NaN or infinite."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be numbers of one shape.") from None
    if array.size == 0:
        raise InputError(f"{name} is empty; give at least one number.")
    if not np.isfinite(array).all():
        raise InputError(f"{name} contains NaN or infinity; remove or replace those values.")
    return array


def as_probabilities(values: ArrayLike, name: str = "P", axis: int = -1) -> Floats:
    """`values`, of any shape, as float64 if all are >= 0 and sum to 1 along `axis`, else an `InputError`."""
    array = np.atleast_1d(as_floats(values, name))
    if array.min() < 0:
        raise InputError(f"{name} contains {array.min():.4g}; probabilities cannot be negative.")
    totals = array.sum(axis=axis)
    worst = float(totals.flat[np.abs(totals - 1).argmax()])
    if abs(worst - 1) > SUM_TOLERANCE:
        raise InputError(f"{name} sums to {worst:.6g}; probabilities sum to 1. Divide by the sum, or correct an entry.")
    return array


def as_probability_pair(p: ArrayLike, q: ArrayLike, axis: int = -1) -> tuple[Floats, Floats]:
    """P and Q, of any shapes that broadcast, as probabilities with the same number of outcomes along `axis`."""
    first, second = as_probabilities(p, "P", axis), as_probabilities(q, "Q", axis)
    if first.shape[axis] != second.shape[axis]:
        raise InputError(f"P has {first.shape[axis]} outcomes and Q has {second.shape[axis]}; they must be the same.")
    return first, second


def as_sample(values: ArrayLike, name: str, at_least: int = 2) -> Floats:
    """One-dimensional sample (n,) with n >= `at_least`."""
    array = as_floats(values, name)
    if array.ndim != 1:
        raise InputError(f"{name} must be one column of numbers; it has shape {array.shape}.")
    if array.size < at_least:
        raise InputError(f"{name} has {array.size} sample{'s' * (array.size != 1)}; at least {at_least} are needed.")
    return array


def as_sample_pair(x: ArrayLike, y: ArrayLike, at_least: int = 2) -> tuple[Floats, Floats]:
    """Two samples (n,), (n,) taken together."""
    first, second = as_sample(x, "x", at_least), as_sample(y, "y", at_least)
    if first.size != second.size:
        raise InputError(f"x has {first.size} samples and y has {second.size}; each x needs its y.")
    return first, second


def as_counts(values: ArrayLike) -> Floats:
    """Counts of any shape: >= 0, whole, with a positive total; as float64, exact up to 2**53."""
    array = as_floats(values, "The counts")
    if array.min() < 0 or (array != np.floor(array)).any():
        raise InputError("The counts must be whole numbers, 0 or more.")
    if array.sum() == 0:
        raise InputError("The counts are all 0; there is no sample to measure.")
    return array


def check_positive(value: float, name: str) -> float:
    """`value` if it is finite and > 0, else a `ParameterError`."""
    if not np.isfinite(value) or value <= 0:
        raise ParameterError(f"{name} is {value:.4g}; it must be greater than 0.")
    return float(value)


def check_count(value: int, name: str, low: int, high: int | None = None) -> int:
    """`value` if it is a whole number in [low, high], else a `ParameterError`."""
    if value != int(value) or value < low or (high is not None and value > high):
        limits = f"from {low:,} to {high:,}" if high is not None else f"at least {low:,}"
        raise ParameterError(f"{name} is {value:,}; it must be a whole number, {limits}.")
    return int(value)

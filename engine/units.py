"""Nats and bits: the engine computes in nats; bits are for display."""

import math

import numpy as np
from numpy.typing import ArrayLike

from engine.arrays import Floats

LN2 = math.log(2.0)


def to_bits(nats: ArrayLike) -> Floats:
    """Nats as bits: divided by ln 2; any shape.

    >>> float(to_bits(np.log(8)))
    3.0
    """
    return np.asarray(nats, dtype=np.float64) / LN2

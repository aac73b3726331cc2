"""Plug-in mutual information of all pairs of many columns at once.

One column against all later ones is a single count: the pair (code_i, code_j) of every sample becomes one number and
`numpy.bincount` counts them all. N sum p ln p = sum n ln n - N ln N, and n ln n comes from a table of its N + 1 values,
so a pair costs a few table look-ups and no logarithm. Counts are whole numbers, so nothing is lost on the way.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from engine import steps
from engine.arrays import Floats, Ints
from engine.errors import InputError
from engine.measures.binning import BinRule, column_codes

ROWS_A_STEP = 16


def pairwise_mutual_information(columns: ArrayLike, bins: int = 15, rule: BinRule = "equal_width") -> Floats:
    """Histogram mutual information (m, m) in nats of all pairs of m columns (n, m); the diagonal holds the entropies.

    Equal to `histogram_mutual_information` of each pair.

    >>> columns = np.random.default_rng(0).normal(size=(50, 3))
    >>> table = pairwise_mutual_information(columns, bins=5)
    >>> from engine.measures import histogram_mutual_information
    >>> bool(np.isclose(table[0, 2], histogram_mutual_information(columns[:, 0], columns[:, 2], bins=5)))
    True
    """
    return steps.run(pairwise_mutual_information_steps(column_codes(columns, bins, rule), bins))


def pairwise_mutual_information_steps(codes: Ints, bins: int, *, lag: int = 0) -> steps.Steps[Floats]:
    """The same from bin numbers (n, m) in [0, bins), in steps of some rows of the table.

    With a `lag` the later column of each pair is first moved down by that many rows, its last ones to the front: what
    the two then share they share whatever happens in one row, as two series do that each resemble their own past.
    """
    if codes.ndim != 2 or codes.size == 0:
        raise InputError(f"The table of bin numbers must have rows and columns; it has shape {codes.shape}.")
    if codes.min() < 0 or codes.max() >= bins:
        raise InputError(f"Bin numbers must lie from 0 to {bins - 1}; found {codes.min()} to {codes.max()}.")
    samples, width = codes.shape
    by_column = np.ascontiguousarray(codes.T)  # (m, n)
    count_log: Floats = special.xlogy(np.arange(samples + 1.0), np.arange(samples + 1.0)).astype(np.float64)  # n ln n
    entropies = np.log(samples) - np.array([count_log[np.bincount(column)].sum() for column in by_column]) / samples
    table = np.diag(entropies)
    cells = bins * bins
    moved = np.roll(by_column, lag, axis=1)
    offsets = moved + cells * np.arange(width)[:, None]  # column j counts into its own `cells` cells
    for i in range(width - 1):
        pairs = offsets[i + 1 :] + bins * by_column[i]  # (m - i - 1, n)
        counts = np.bincount(pairs.ravel() - cells * (i + 1), minlength=cells * (width - i - 1))
        joint = np.log(samples) - count_log[counts].reshape(-1, cells).sum(axis=1) / samples
        table[i, i + 1 :] = table[i + 1 :, i] = np.maximum(entropies[i] + entropies[i + 1 :] - joint, 0.0)
        if i % ROWS_A_STEP == 0:
            yield steps.Progress("Mutual information of all pairs", i, width, "neurons")
    return table

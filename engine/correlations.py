"""Pearson's and Spearman's correlation, over the places where both sides are numbers."""

import numpy as np

from engine.arrays import Floats


def pearson(x: Floats, y: Floats) -> float:
    """Pearson's r of two samples (n,), over the places where both are finite.

    NaN if fewer than two are left, or if either side is constant.

    >>> pearson(np.array([np.nan, 1.0, 2.0, 4.0]), np.array([0.0, 3.0, 5.0, 9.0]))
    1.0
    """
    known = np.isfinite(x) & np.isfinite(y)
    return float(pearson_matrix(np.stack([x[known], y[known]], axis=1))[0, 1])


def spearman(x: Floats, y: Floats) -> float:
    """Pearson's r of the ranks, equal values sharing the mean of theirs; NaN as for `pearson`.

    >>> spearman(np.array([1.0, 2.0, 4.0]), np.array([1.0, 10.0, 1e6]))
    1.0
    """
    from scipy.stats import rankdata

    known = np.isfinite(x) & np.isfinite(y)
    return pearson(rankdata(x[known]), rankdata(y[known]))


def pearson_matrix(columns: Floats) -> Floats:
    """Pearson's r (m, m) of columns (n, m); NaN with a constant column.

    >>> pearson_matrix(np.array([[1.0, 4.0, 7.0], [2.0, 2.0, 7.0]]))[0].round(9).tolist()
    [1.0, -1.0, nan]
    """
    # A constant such as 0.1 differs from its rounded mean, so it is found by its range, not by its deviation.
    varied = np.ptp(columns, axis=0) > 0 if len(columns) > 1 else np.zeros(columns.shape[1], dtype=np.bool_)
    found = np.full((columns.shape[1], columns.shape[1]), np.nan)
    if varied.any():
        found[np.ix_(varied, varied)] = np.corrcoef(columns[:, varied], rowvar=False)
    return found

"""Cutting a continuous sample into bins: how many, and where the edges lie."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from engine.errors import InputError, ParameterError
from engine.measures.checks import Floats, Ints, as_floats, as_sample, check_count

BinRule = Literal["equal_width", "percentile"]
BinCountRule = Literal["sqrt", "sturges", "scott", "fd"]
BIN_COUNT_RULES: tuple[BinCountRule, ...] = get_args(BinCountRule)
MOST_BINS = 10_000


def check_bins(bins: int, samples: int) -> int:
    """`bins` where it is from 1 to the number of samples, else a `ParameterError`."""
    check_count(bins, "The number of bins", 1, MOST_BINS)
    if bins > samples:
        raise ParameterError(f"{bins:,} bins for {samples:,} samples leave most bins empty; use fewer bins.")
    return int(bins)


def bin_edges(sample: ArrayLike, bins: int, rule: BinRule = "equal_width") -> Floats:
    """Edges of at most `bins` bins that cover `sample` (n,).

    'equal_width' cuts the range into equal pieces; 'percentile' puts as nearly equal numbers of samples into each
    bin as ties allow (equal values share a bin, so there may be fewer bins). The last bin includes its right edge.

    Raises
    ------
    InputError
        Where the sample is empty, has NaN, or is constant: a constant column cannot be cut.
    ParameterError
        Where `bins` is not from 1 to the number of samples.

    Examples
    --------
    >>> bin_edges([0.0, 1.0, 2.0, 8.0], 2).tolist()
    [0.0, 4.0, 8.0]
    >>> bin_edges([0.0, 1.0, 2.0, 8.0], 2, "percentile").tolist()
    [0.0, 1.5, 8.0]
    """
    values = as_sample(sample, "The sample")
    check_bins(bins, values.size)
    if values.min() == values.max():
        raise InputError(f"Every sample is {values.min():.6g}; a constant column carries no information to bin.")
    if rule == "percentile":
        return np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    return np.linspace(values.min(), values.max(), bins + 1)


def suggested_bins(sample: ArrayLike, rule: BinCountRule) -> int:
    """Number of bins by a rule of thumb: square root of n, Sturges 1926, Scott 1979, Freedman-Diaconis 1981.

    >>> suggested_bins(np.arange(100.0), "sturges")
    8
    """
    values = as_sample(sample, "The sample")
    if rule not in BIN_COUNT_RULES:
        raise ParameterError(f"There is no bin rule {rule!r}; use one of {', '.join(BIN_COUNT_RULES)}.")
    edges = np.histogram_bin_edges(values, bins=rule)
    return int(min(edges.size - 1, values.size, MOST_BINS))


def bin_codes(sample: ArrayLike, edges: ArrayLike) -> Ints:
    """Bin number (n,) of each sample, from 0; what lies outside goes to the nearest bin.

    >>> bin_codes([0.0, 3.9, 4.0, 8.0], [0.0, 4.0, 8.0]).tolist()
    [0, 0, 1, 1]
    """
    values, cuts = as_sample(sample, "The sample", at_least=1), np.asarray(edges, dtype=np.float64)
    return np.searchsorted(cuts[1:-1], values, side="right").astype(np.int64)


def column_codes(columns: ArrayLike, bins: int, rule: BinRule = "equal_width", *, allow_constant: bool = False) -> Ints:
    """Bin numbers (n, m) of m columns (n, m), each cut by its own edges, the same as `bin_edges` and `bin_codes` give.

    A constant column is refused, or with `allow_constant` put into one bin: a unit that never changes has entropy 0.

    >>> column_codes([[0.0, 5.0], [1.0, 6.0], [8.0, 7.0]], 2).tolist()
    [[0, 0], [0, 1], [1, 1]]
    """
    table = as_floats(columns, "The table")
    if table.ndim != 2 or table.shape[0] < 2:
        raise InputError(
            f"The table must have 2 or more rows of samples and a column each; it has shape {table.shape}."
        )
    check_bins(bins, table.shape[0])
    low, high = table.min(axis=0), table.max(axis=0)
    constant = low == high
    if constant.any() and not allow_constant:
        raise InputError(
            f"Column {int(constant.argmax())} is constant; it carries no information to bin. Leave it out."
        )
    if rule == "percentile":
        codes = np.zeros(table.shape, dtype=np.int64)
        for column in np.flatnonzero(~constant):
            codes[:, column] = bin_codes(table[:, column], bin_edges(table[:, column], bins, rule))
        return codes
    return _equal_width_codes(table, low, np.where(constant, low + 1, high), bins)


def _equal_width_codes(table: Floats, low: Floats, high: Floats, bins: int) -> Ints:
    """Codes by division, then moved by one where rounding put a sample on the wrong side of its edge."""
    edges = np.linspace(low, high, bins + 1)
    codes = ((table - low) * (bins / (high - low))).astype(np.int64).clip(0, bins - 1)
    codes -= table < np.take_along_axis(edges, codes, axis=0)
    codes += (table >= np.take_along_axis(edges, codes + 1, axis=0)) & (codes < bins - 1)
    return codes

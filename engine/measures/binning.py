"""Cutting a continuous sample into bins: how many, and where the edges lie."""

from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from engine.arrays import Floats, Ints
from engine.errors import InputError, ParameterError
from engine.measures.checks import as_floats, as_sample, check_count

BinRule = Literal["equal_width", "percentile"]
BinCountRule = Literal["sqrt", "sturges", "scott", "fd"]
BIN_COUNT_RULES: tuple[BinCountRule, ...] = get_args(BinCountRule)
MOST_BINS = 10_000


def check_bins(bins: int, samples: int) -> None:
    """Raise a `ParameterError` unless `bins` is from 1 to the number of samples."""
    check_count(bins, "The number of bins", 1, MOST_BINS)
    if bins > samples:
        raise ParameterError(f"{bins:,} bins for {samples:,} samples leave most bins empty; use fewer bins.")


def bin_edges(sample: ArrayLike, bins: int, rule: BinRule = "equal_width") -> Floats:
    """Edges of at most `bins` bins that cover `sample` (n,).

    'equal_width' cuts the range into equal pieces. 'percentile' puts as nearly equal numbers of samples into each bin
    as ties allow: equal values share a bin, and a value with a bin's share of the samples or more, such as the zeros of
    a ReLU, has its bin to itself if there are enough bins for its neighbours. A column of no more distinct values than
    bins therefore has one bin for each. The last bin includes its right edge.

    Raises
    ------
    InputError
        If the sample is empty, has NaN, or is constant: a constant column cannot be cut.
    ParameterError
        If `bins` is not from 1 to the number of samples.

    Examples
    --------
    >>> bin_edges([0.0, 1.0, 2.0, 8.0], 2).tolist()
    [0.0, 4.0, 8.0]
    >>> bin_edges([0.0, 1.0, 2.0, 8.0], 2, "percentile").tolist()
    [0.0, 1.5, 8.0]
    >>> bin_edges([0.0, 0.0, 0.0, 1.0], 3, "percentile").tolist()
    [0.0, 0.5, 1.0]
    """
    values = as_sample(sample, "The sample")
    check_bins(bins, values.size)
    if values.min() == values.max():
        raise InputError(f"Every sample is {values.min():.6g}; a constant column carries no information to bin.")
    if rule == "percentile":
        return _equal_count_edges(values, bins)
    return np.linspace(values.min(), values.max(), bins + 1)


def _equal_count_edges(values: Floats, bins: int) -> Floats:
    """The smallest value, the largest, and edges midway between the neighbours that a cut parts."""
    distinct, counts = np.unique(values, return_counts=True)
    reached = np.concatenate([[0], np.cumsum(counts)])  # samples below each distinct value, and all of them
    cuts = _forced_cuts(counts, bins)
    after = np.array(sorted(cuts | _quantile_cuts(reached, cuts, bins)), dtype=np.int64)
    below, above = distinct[after - 1], distinct[after]
    middle = below / 2 + above / 2
    # Two floats without a third between them, or rounding of tiny ones: the upper one is the edge.
    return np.concatenate([distinct[:1], np.where((below < middle) & (middle < above), middle, above), distinct[-1:]])


def _forced_cuts(counts: Ints, bins: int) -> set[int]:
    """Cuts on both sides of each value that fills a bin by itself, the largest first; cut c lies before value c.

    The share of a bin is what the lighter values have left for the bins left, so it is found in turns. With no more
    values than bins each turn finds one: some value has at least the mean.
    """
    by_size = np.argsort(-counts, kind="stable")
    samples, left = int(counts.sum()), bins
    cuts: set[int] = set()
    for value in by_size.tolist():
        if counts[value] * left < samples:
            break
        both = cuts | ({value, value + 1} - {0, counts.size})
        if len(both) < bins:
            samples, left, cuts = samples - int(counts[value]), left - 1, both
    return cuts


def _quantile_cuts(reached: Ints, cuts: set[int], bins: int) -> set[int]:
    """More cuts, up to `bins` - 1 in all, inside the stretches that `cuts` leave, where their quantiles lie.

    A stretch with more samples per bin than the others gets the next bin. A quantile inside a run of equal values moves
    to the nearer end of the run that is not an end of the stretch.
    """
    borders = [0, *sorted(cuts), reached.size - 1]
    stretches = [(start, stop) for start, stop in pairwise(borders) if stop - start > 1]
    shares = [1] * len(stretches)
    for _ in range(bins - len(borders) + 1):
        if stretches:
            sizes = [(reached[stop] - reached[start]) / k for (start, stop), k in zip(stretches, shares, strict=True)]
            shares[int(np.argmax(sizes))] += 1
    found: set[int] = set()
    for (start, stop), share in zip(stretches, shares, strict=True):
        # The quantiles of numpy: the j-th of k has ceil((m - 1) j / k) of m samples below it.
        wanted = reached[start] - (-(reached[stop] - reached[start] - 1) * np.arange(1, share) // share)
        inner = reached[start + 1 : stop]
        upper = np.searchsorted(inner, wanted).clip(0, inner.size - 1)
        lower = np.maximum(upper - 1, 0)
        nearest = np.where(wanted - inner[lower] < inner[upper] - wanted, lower, upper)
        found.update((nearest + start + 1).tolist())
    return found


def suggested_bins(sample: ArrayLike, rule: BinCountRule) -> int:
    """Bins for a sample (n,) by a rule of thumb: square root of n, Sturges 1926, Scott 1979, Freedman-Diaconis 1981.

    Never more than there are samples, nor than 10,000: one far outlier makes the last two rules ask for any number.

    >>> suggested_bins(np.arange(100.0), "sturges")
    8
    """
    values = as_sample(sample, "The sample")
    if rule not in BIN_COUNT_RULES:
        raise ParameterError(f"There is no bin rule {rule!r}; use one of {', '.join(BIN_COUNT_RULES)}.")
    half_range = float(values.max() / 2 - values.min() / 2)  # the range itself may be more than a float holds
    most = min(values.size, MOST_BINS)
    if rule == "sqrt":
        wanted = np.sqrt(values.size)
    elif rule == "sturges":
        wanted = np.log2(values.size) + 1
    else:
        width = _bin_width(values, rule)
        # Counted, not made and counted: the edges may not fit into memory.
        wanted = half_range / width * 2 if width > 0 else 1.0
    return max(1, int(np.ceil(min(wanted, most)))) if half_range > 0 else 1


def _bin_width(values: Floats, rule: BinCountRule) -> float:
    """Width of a bin by Scott's rule for a normal sample, or by the quartiles of Freedman and Diaconis."""
    if rule == "scott":
        return float((24 * np.sqrt(np.pi) / values.size) ** (1 / 3) * values.std())
    quarter, three = np.percentile(values, [25, 75])
    return float(2 * (three - quarter) / values.size ** (1 / 3))


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
    """Codes by division, then moved by one if rounding put a sample on the wrong side of its edge."""
    edges = np.linspace(low, high, bins + 1)
    codes = ((table - low) * (bins / (high - low))).astype(np.int64).clip(0, bins - 1)
    codes -= table < np.take_along_axis(edges, codes, axis=0)
    codes += (table >= np.take_along_axis(edges, codes + 1, axis=0)) & (codes < bins - 1)
    return codes

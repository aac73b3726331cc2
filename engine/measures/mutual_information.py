"""Mutual information of labels, of a joint table, and of continuous samples by several estimators; all in nats.

    I(X; Y) = H(X) + H(Y) - H(X, Y) = sum p(x,y) ln( p(x,y) / (p(x) p(y)) ) >= 0

Cut into bins, independent samples do not give 0: the estimate is too high, by `first_order_bias` if every cell holds
several samples, and by more or less than that formula says if cells run empty.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from engine.arrays import Floats
from engine.errors import InputError
from engine.measures.binning import BinRule, bin_codes, bin_edges
from engine.measures.checks import as_probabilities, as_sample_pair, check_count
from engine.measures.entropy_estimates import miller_madow_entropy
from engine.measures.gaussian import Approximation


def mutual_information_of_joint(joint: ArrayLike) -> float:
    """I(X; Y) in nats of a joint probability table (a, b) that sums to 1.

    >>> round(mutual_information_of_joint([[0.5, 0.0], [0.0, 0.5]]), 10)
    0.6931471806
    """
    table = np.asarray(joint, dtype=np.float64)
    if table.ndim != 2:
        raise InputError(f"The joint table must have rows for X and columns for Y; it has shape {table.shape}.")
    as_probabilities(table.ravel(), "The joint table")
    product = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True)
    return max(0.0, float(special.rel_entr(table, product).sum()))


def joint_counts(x: ArrayLike, y: ArrayLike) -> Floats:
    """How often each pair of labels occurs: (distinct x, distinct y), from labels (n,) and (n,) of any kind."""
    first, second = np.asarray(x), np.asarray(y)
    for name, labels in (("x", first), ("y", second)):
        if labels.ndim != 1 or labels.size == 0:
            raise InputError(f"{name} must be one column with at least one label; it has shape {labels.shape}.")
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise InputError(f"{name} contains NaN or infinity; remove or replace those values.")
    if first.size != second.size:
        raise InputError(f"x has {first.size} samples and y has {second.size}; each x needs its y.")
    rows, row_of = np.unique(first, return_inverse=True)
    columns, column_of = np.unique(second, return_inverse=True)
    flat = np.bincount(row_of * columns.size + column_of, minlength=rows.size * columns.size)
    return flat.reshape(rows.size, columns.size).astype(np.float64)


def mutual_information(x: ArrayLike, y: ArrayLike) -> float:
    """Plug-in I(X; Y) in nats of two columns of labels (n,), (n,): the table of shares taken as the truth.

    Raises
    ------
    InputError
        If a column is empty, has NaN, or the two differ in length.

    Examples
    --------
    >>> round(mutual_information([0, 1, 1, 0, 0], [1, 0, 0, 0, 1]), 10)
    0.291103166
    """
    counts = joint_counts(x, y)
    return mutual_information_of_joint(counts / counts.sum())


def binned_counts(x: ArrayLike, y: ArrayLike, bins: int, rule: BinRule = "equal_width") -> Floats:
    """Joint counts of two continuous samples (n,), (n,), each cut into `bins` bins; empty rows and columns left out."""
    first, second = as_sample_pair(x, y)
    codes = [bin_codes(sample, bin_edges(sample, bins, rule)) for sample in (first, second)]
    return joint_counts(codes[0], codes[1])


def histogram_mutual_information(x: ArrayLike, y: ArrayLike, bins: int = 15, rule: BinRule = "equal_width") -> float:
    """I(X; Y) in nats of two continuous samples (n,), (n,), from their two-dimensional histogram.

    Too high by about `first_order_bias(bins, bins, n)`; see `miller_madow_mutual_information` and
    `shuffled_mutual_information` for two ways to take the bias off.
    """
    counts = binned_counts(x, y, bins, rule)
    return mutual_information_of_joint(counts / counts.sum())


def miller_madow_mutual_information(x: ArrayLike, y: ArrayLike, bins: int = 15, rule: BinRule = "equal_width") -> float:
    """The histogram estimate of samples (n,), (n,) in nats, each of its three entropies corrected by Miller-Madow.

    May be negative. If most cells hold one sample or none, it corrects too little: only occupied cells count.
    """
    counts = binned_counts(x, y, bins, rule)
    marginals = miller_madow_entropy(counts.sum(axis=1)) + miller_madow_entropy(counts.sum(axis=0))
    return marginals - miller_madow_entropy(counts)


def shuffled_mutual_information(
    x: ArrayLike, y: ArrayLike, bins: int = 15, rule: BinRule = "equal_width", *, shuffles: int = 20, seed: int = 0
) -> Approximation:
    """The histogram estimate of x (n,) and a shuffled y (n,), which have no relation: what the bias alone gives.

    For samples that are independent of each other. Series that resemble their own past lose that too, and their bias is
    larger; shift them instead, as `engine.lab.neurons` does.

    Returns the mean over `shuffles` in nats, with the standard deviation of a single shuffle as its error.
    """
    check_count(shuffles, "The number of shuffles", 2, 10_000)
    first, second = as_sample_pair(x, y)
    codes_x, codes_y = (bin_codes(sample, bin_edges(sample, bins, rule)) for sample in (first, second))
    generator = np.random.default_rng(seed)
    values = [mutual_information(codes_x, generator.permutation(codes_y)) for _ in range(shuffles)]
    return Approximation(float(np.mean(values)), float(np.std(values, ddof=1)))


def nearest_neighbour_mutual_information(x: ArrayLike, y: ArrayLike, neighbours: int = 3, seed: int = 0) -> float:
    """I(X; Y) in nats of two continuous samples (n,), (n,) by k nearest neighbours: scikit-learn's estimator.

    Kraskov, Stögbauer and Grassberger 2004, no histogram and no kernel density. Values below 0 come back as 0, so that
    the estimates of independent samples, about half of them exactly 0, have a mean above 0. scikit-learn adds noise of
    1e-10 to break ties, from `seed`.
    """
    from sklearn import feature_selection

    check_count(neighbours, "The number of neighbours", 1)
    first, second = as_sample_pair(x, y, at_least=neighbours + 2)
    for name, sample in (("x", first), ("y", second)):
        if sample.min() == sample.max():
            raise InputError(f"Every {name} is {sample.min():.6g}; a constant column has no neighbours to measure.")
    found = feature_selection.mutual_info_regression(first[:, None], second, n_neighbors=neighbours, random_state=seed)
    return float(found[0])


def first_order_bias(bins_x: int, bins_y: int, samples: int) -> float:
    """(B_x - 1)(B_y - 1) / (2N) nats: what the histogram estimate of independent x and y is to first order.

    Holds if every cell expects several samples. With fewer, the true bias is first larger, then much smaller.

    >>> first_order_bias(15, 15, 1000)
    0.098
    """
    for bins in (bins_x, bins_y):
        check_count(bins, "The number of bins", 1)
    check_count(samples, "The number of samples", 1)
    return (bins_x - 1) * (bins_y - 1) / (2 * samples)

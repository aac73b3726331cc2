"""Bins, entropy of counts, and mutual information by each estimator; all pairs at once against one by one."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import feature_selection
from sklearn.metrics import mutual_info_score

from engine import measures, steps
from engine.errors import InputError, ParameterError
from engine.measures.binning import column_codes
from engine.measures.mutual_information import joint_counts

labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@pytest.fixture
def normal_pair() -> tuple[np.ndarray, np.ndarray]:
    x, e = np.random.default_rng(0).normal(size=(2, 400))
    return x, 0.6 * x + 0.8 * e


def test_the_five_known_pairs() -> None:
    assert measures.mutual_information([0, 1, 1, 0, 0], [1, 0, 0, 0, 1]) == pytest.approx(0.2911031660, abs=1e-10)


@given(labels)
def test_agrees_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    x, y = zip(*pairs, strict=True)
    assert measures.mutual_information(x, y) == pytest.approx(mutual_info_score(x, y), abs=1e-9)


@given(labels)
def test_is_the_sum_of_entropies_symmetric_and_not_negative(pairs: list[tuple[int, int]]) -> None:
    x, y = (np.array(column) for column in zip(*pairs, strict=True))
    found = measures.mutual_information(x, y)
    counts = joint_counts(x, y)
    entropies = [measures.entropy_of_counts(table) for table in (counts.sum(1), counts.sum(0), counts)]
    assert found == pytest.approx(entropies[0] + entropies[1] - entropies[2], abs=1e-9)
    assert found == pytest.approx(measures.mutual_information(y, x), abs=1e-12)
    assert found >= 0


@given(labels, st.permutations(range(5)))
def test_names_of_labels_do_not_matter(pairs: list[tuple[int, int]], names: list[int]) -> None:
    x, y = zip(*pairs, strict=True)
    renamed = ["abcde"[names[label]] for label in x]
    assert measures.mutual_information(renamed, y) == pytest.approx(measures.mutual_information(x, y), abs=1e-9)


def test_a_joint_table_of_independent_variables_has_none() -> None:
    assert measures.mutual_information_of_joint(np.outer([0.2, 0.8], [0.5, 0.3, 0.2])) == pytest.approx(0, abs=1e-12)


def test_miller_madow_adds_its_term_to_each_entropy(normal_pair) -> None:
    x, y = normal_pair
    codes = [measures.bin_codes(v, measures.bin_edges(v, 15)) for v in (x, y)]
    counts = joint_counts(codes[0], codes[1])
    occupied = [np.count_nonzero(table) for table in (counts.sum(1), counts.sum(0), counts)]
    expected = measures.histogram_mutual_information(x, y) + (occupied[0] + occupied[1] - occupied[2] - 1) / (2 * 400)
    assert measures.miller_madow_mutual_information(x, y) == pytest.approx(expected, abs=1e-9)


def test_shuffling_leaves_what_independent_variables_show(normal_pair) -> None:
    x, y = normal_pair
    baseline = measures.shuffled_mutual_information(x, y, bins=10, shuffles=30, seed=1)
    assert 0 < baseline.value < measures.histogram_mutual_information(x, y, bins=10)
    assert measures.shuffled_mutual_information(x, y, bins=10, shuffles=30, seed=1) == baseline


def test_nearest_neighbours_are_scikit_learns_and_near_the_truth(normal_pair) -> None:
    x, y = normal_pair
    found = measures.nearest_neighbour_mutual_information(x, y, neighbours=5, seed=3)
    theirs = feature_selection.mutual_info_regression(x[:, None], y, n_neighbors=5, random_state=3)[0]
    assert found == pytest.approx(theirs, abs=1e-9)
    assert found == pytest.approx(measures.gaussian_mutual_information(0.6), abs=0.1)


def test_entropy_of_counts_is_biased_low_and_miller_madow_less() -> None:
    counts = np.random.default_rng(0).multinomial(100, np.full(20, 0.05), size=300)
    plug_in = np.mean([measures.entropy_of_counts(row) for row in counts])
    corrected = np.mean([measures.miller_madow_entropy(row) for row in counts])
    truth = np.log(20)
    assert truth - plug_in == pytest.approx(19 / 200, rel=0.15)
    assert abs(truth - corrected) < 0.2 * (truth - plug_in)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=80), st.integers(1, 20))
def test_equal_width_bins_are_numpys(values: list[float], bins: int) -> None:
    sample = np.array(values)
    if bins > sample.size or np.ptp(sample) < 1e-6:
        return
    edges = measures.bin_edges(sample, bins)
    counts = np.bincount(measures.bin_codes(sample, edges), minlength=bins)
    assert counts.tolist() == np.histogram(sample, edges)[0].tolist()
    assert column_codes(sample[:, None], bins)[:, 0].tolist() == measures.bin_codes(sample, edges).tolist()


def test_percentile_bins_hold_equal_numbers_and_ties_share_one() -> None:
    sample = np.random.default_rng(0).exponential(size=300)
    codes = measures.bin_codes(sample, measures.bin_edges(sample, 10, "percentile"))
    assert np.bincount(codes).tolist() == [30] * 10
    tied = np.r_[np.zeros(90), np.repeat([1.0, 2.0, 3.0], 5)]
    codes = measures.bin_codes(tied, measures.bin_edges(tied, 10, "percentile"))
    assert np.bincount(codes).tolist() == [90, 5, 5, 5]


TIES = {
    "9 and 3": (np.repeat([0.0, 1.0], [9, 3]), 3, [0.75, 0.25]),
    "3 and 9": (np.repeat([0.0, 1.0], [3, 9]), 3, [0.25, 0.75]),
    "9 and 3 in two bins": (np.repeat([0.0, 1.0], [9, 3]), 2, [0.75, 0.25]),
    "50, 30 and 20": (np.repeat([0.0, 1.0, 2.0], [50, 30, 20]), 3, [0.5, 0.3, 0.2]),
    "the middle one heavy": (np.repeat([0.0, 1.0, 2.0], [1, 98, 1]), 3, [0.01, 0.98, 0.01]),
    "neighbouring floats": (np.repeat([1.0, np.nextafter(1.0, 2.0)], [9, 3]), 3, [0.75, 0.25]),
    "the largest floats": (np.repeat([-1.7e308, 1.7e308], [9, 3]), 3, [0.75, 0.25]),
}


@pytest.mark.parametrize("name", TIES)
def test_equal_counts_keep_tied_values_apart(name: str) -> None:
    """A column tells all about itself: I(X; X) = H(X)."""
    sample, bins, shares = TIES[name]
    entropy = -float(np.sum(shares * np.log(shares)))
    assert measures.histogram_mutual_information(sample, sample, bins, "percentile") == pytest.approx(entropy)
    table = measures.pairwise_mutual_information(np.c_[sample, sample], bins, "percentile")
    assert table[0, 1] == pytest.approx(entropy)


@given(
    st.lists(st.integers(-3, 4), min_size=2, max_size=120), st.integers(0, 12), st.sampled_from([1.0, 1e-300, 1e300])
)
def test_as_many_bins_as_values_hold_one_value_each(values: list[int], spare: int, scale: float) -> None:
    sample = np.array(values) * scale
    bins = len(set(values)) + spare
    if len(set(values)) < 2 or bins > sample.size:
        return
    shares = np.unique(sample, return_counts=True)[1] / sample.size
    found = measures.histogram_mutual_information(sample, sample, bins, "percentile")
    assert found == pytest.approx(-float(np.sum(shares * np.log(shares))))


@given(
    st.lists(st.one_of(st.integers(-4, 4).map(float), st.floats(-1e3, 1e3)), min_size=2, max_size=120),
    st.integers(1, 40),
)
def test_equal_count_bins_are_never_more_than_asked_and_take_each_value_once(values: list[float], bins: int) -> None:
    sample = np.array(values)
    if bins > sample.size or sample.min() == sample.max():
        return
    edges = measures.bin_edges(sample, bins, "percentile")
    assert edges.size - 1 <= bins
    assert (edges[0], edges[-1]) == (sample.min(), sample.max())
    assert (np.diff(edges[:-1]) > 0).all()
    codes = measures.bin_codes(sample, edges)
    assert set(codes.tolist()) == set(range(edges.size - 1)), "an empty bin, or a value outside"
    assert all(len(set(codes[sample == value])) == 1 for value in values), "one value in two bins"
    last = edges.size - 2
    inside = [
        (edges[code] <= value) & ((value < edges[code + 1]) | (code == last))
        for code, value in zip(codes, sample, strict=True)
    ]
    assert all(inside)


@pytest.mark.parametrize(("share", "bins"), [(0.6, 4), (0.45, 4), (0.3, 4), (0.15, 8)])
def test_the_zeros_of_a_relu_have_a_bin_to_themselves_and_the_rest_share_alike(share: float, bins: int) -> None:
    sample = np.abs(np.random.default_rng(0).normal(size=2000))
    sample[: int(share * 2000)] = 0.0
    counts = np.bincount(measures.bin_codes(sample, measures.bin_edges(sample, bins, "percentile")))
    assert counts[0] == share * 2000
    assert counts.size == bins
    assert np.ptp(counts[1:]) <= 1


def test_a_heavy_value_in_the_middle_parts_what_lies_on_either_side() -> None:
    generator = np.random.default_rng(0)
    sample = np.r_[-generator.exponential(size=300), np.zeros(400), generator.exponential(size=300)]
    counts = {
        bins: np.bincount(measures.bin_codes(sample, measures.bin_edges(sample, bins, "percentile"))).tolist()
        for bins in (3, 5, 10)
    }
    assert counts[3] == [300, 400, 300]
    assert counts[5] == [150, 150, 400, 150, 150]
    assert (counts[10][:5], counts[10][5:]) == ([60] * 5, [400, 75, 75, 75, 75])


@pytest.mark.parametrize("rule", measures.BIN_COUNT_RULES)
@given(values=st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=2, max_size=200))
@settings(deadline=None)
def test_suggested_numbers_of_bins_are_numpys(rule, values: list[float]) -> None:
    sample = np.array(values)
    quartiles = np.subtract(*np.percentile(sample, [75, 25]))
    if sample.min() == sample.max() or 0 < quartiles < 1e-3:  # numpy would make millions of edges
        return
    theirs = np.histogram_bin_edges(sample, bins=rule).size - 1
    ours = measures.suggested_bins(sample, rule)
    # Their range divided by their width may round a whole number to the next.
    assert min(theirs - 1, sample.size) <= ours <= min(theirs, sample.size)
    if rule in ("scott", "fd"):
        assert ours == min(theirs, sample.size)


@pytest.mark.parametrize("rule", measures.BIN_COUNT_RULES)
@pytest.mark.parametrize("outlier", [1e12, 1e300, -1.7e308])
def test_an_outlier_costs_no_memory(rule, outlier: float) -> None:
    sample = np.append(np.random.default_rng(0).normal(size=200), outlier)
    tracemalloc.start()
    with np.errstate(over="ignore"):  # of the variance, which is then infinite
        found = measures.suggested_bins(sample, rule)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert 1 <= found <= 201
    if rule == "fd":
        assert found == 201


@pytest.mark.parametrize("rule", ["equal_width", "percentile"])
def test_all_pairs_at_once_equal_scikit_learn_one_by_one(rule) -> None:
    generator = np.random.default_rng(0)
    columns = np.c_[generator.normal(size=(300, 5)), generator.exponential(size=(300, 3)).round(1)]
    columns[:, 1] += columns[:, 0] ** 2
    table = measures.pairwise_mutual_information(columns, bins=9, rule=rule)
    codes = column_codes(columns, 9, rule)
    expected = [[mutual_info_score(codes[:, i], codes[:, j]) for j in range(8)] for i in range(8)]
    np.testing.assert_allclose(table, expected, atol=1e-9, rtol=0)


def test_all_pairs_come_in_steps_that_count_up() -> None:
    codes = column_codes(np.random.default_rng(0).normal(size=(50, 40)), 4)
    seen: list[steps.Progress] = []
    table = steps.run(measures.pairwise_mutual_information_steps(codes, 4), seen.append)
    assert table.shape == (40, 40)
    assert [progress.done for progress in seen] == sorted({progress.done for progress in seen})
    assert len(seen) > 1


def test_a_unit_that_never_changes_has_no_information_where_it_is_allowed() -> None:
    columns = np.c_[np.zeros(50), np.random.default_rng(0).normal(size=(50, 2))]
    table = steps.run(measures.pairwise_mutual_information_steps(column_codes(columns, 4, allow_constant=True), 4))
    assert table[0].tolist() == [0.0, 0.0, 0.0]


X = np.arange(20.0)


@pytest.mark.parametrize(
    "estimate",
    [
        measures.histogram_mutual_information,
        measures.miller_madow_mutual_information,
        measures.shuffled_mutual_information,
        measures.nearest_neighbour_mutual_information,
    ],
)
@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([], [], "is empty"),
        ([1.0], [2.0], "has 1 sample; at least"),
        (X, np.ones(20), "constant"),
        (X, np.where(X == 3, np.nan, X), "NaN"),
        (X, X[:-1], "20 samples and y has 19"),
        (X, X[:, None], "one column"),
    ],
)
def test_samples_that_cannot_be_measured_are_refused_with_the_reason(estimate, x, y, said: str) -> None:
    with pytest.raises(InputError, match=said):
        estimate(x, y)


def test_more_bins_than_samples_are_refused() -> None:
    for estimate in (measures.histogram_mutual_information, measures.miller_madow_mutual_information):
        with pytest.raises(InputError, match="21 bins for 20 samples"):
            estimate(X, X**2, bins=21)
    with pytest.raises(InputError, match="21 bins for 20 samples"):
        measures.pairwise_mutual_information(np.c_[X, X**2], bins=21)
    with pytest.raises(ParameterError, match="from 1 to"):
        measures.bin_edges(X, 0)


def test_tables_that_cannot_be_measured_are_refused() -> None:
    with pytest.raises(InputError, match="Column 1 is constant"):
        measures.pairwise_mutual_information(np.c_[X, np.ones(20)])
    with pytest.raises(InputError, match="NaN"):
        measures.pairwise_mutual_information(np.c_[X, np.full(20, np.nan)])
    with pytest.raises(InputError, match="rows and columns"):
        steps.run(measures.pairwise_mutual_information_steps(np.zeros((0, 3), dtype=np.int64), 4))
    with pytest.raises(InputError, match="from 0 to 3"):
        steps.run(measures.pairwise_mutual_information_steps(np.full((5, 3), 4), 4))


def test_labels_that_cannot_be_counted_are_refused() -> None:
    with pytest.raises(InputError, match="at least one label"):
        measures.mutual_information([], [])
    with pytest.raises(InputError, match="each x needs its y"):
        measures.mutual_information([1, 2], [1])
    with pytest.raises(InputError, match="NaN"):
        measures.mutual_information([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(InputError, match="rows for X"):
        measures.mutual_information_of_joint([0.5, 0.5])
    with pytest.raises(InputError, match="sums to"):
        measures.mutual_information_of_joint([[0.5, 0.4]])


def test_counts_are_whole_and_not_all_zero() -> None:
    for bad, said in (([0, 0], "all 0"), ([1.5, 2], "whole"), ([-1, 2], "whole"), ([], "empty")):
        with pytest.raises(InputError, match=said):
            measures.entropy_of_counts(bad)


def test_too_few_samples_for_the_neighbours_are_refused() -> None:
    with pytest.raises(InputError, match="at least 12"):
        measures.nearest_neighbour_mutual_information(X[:5], X[:5] ** 2, neighbours=10)

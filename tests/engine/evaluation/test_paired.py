"""Two models on the same questions: Tango's interval and test against likelihoods, exact sums and known figures."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from engine.arrays import Ints
from engine.evaluation.hellaswag import paired


def counts(draw: st.DrawFn) -> tuple[int, int, int]:
    items = draw(st.integers(1, 500))
    only_a = draw(st.integers(0, items))
    return only_a, draw(st.integers(0, items - only_a)), items


COUNTS = st.composite(counts)()


def chance(items: int, share_a: float, share_b: float, happens: Callable[[int, int], bool]) -> float:
    """Exact probability of `happens(only_a, only_b)`; counts rarer than 1e-7 are left out."""

    def likely(counted: int, share: float) -> Ints:
        first, last = stats.binom.ppf([1e-7, 1 - 1e-7], counted, share)
        return np.arange(int(first), int(last) + 1)

    total = 0.0
    for only_a in likely(items, share_a).tolist():
        left, rest = items - only_a, share_b / (1 - share_a)
        only_b = likely(left, rest)
        so = np.array([happens(only_a, one) for one in only_b.tolist()])
        total += float(stats.binom.pmf(only_a, items, share_a) * stats.binom.pmf(only_b, left, rest)[so].sum())
    return total


def test_mcnemars_test_is_the_binomial_of_the_disagreements() -> None:
    right_a = np.array([1] * 50 + [1] * 10 + [0] * 2 + [0] * 38, bool)
    right_b = np.array([1] * 50 + [0] * 10 + [1] * 2 + [0] * 38, bool)
    outcome = paired.compare_outcomes(right_a, right_b)
    assert (outcome.both_right, outcome.only_a, outcome.only_b, outcome.both_wrong) == (50, 10, 2, 38)
    assert outcome.p_value == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert outcome.difference == pytest.approx(-0.08)


@pytest.mark.parametrize(("items", "points"), [(12, 24.25), (400, 0.951)])
def test_models_that_differ_nowhere_are_not_certain_to_be_equal(items: int, points: float) -> None:
    right = np.arange(items) % 3 == 0
    outcome = paired.compare_outcomes(right, right)
    assert 100 * np.array(outcome.interval) == pytest.approx([-points, points], abs=0.005)
    assert outcome.p_value == 1.0


@given(COUNTS)
def test_the_interval_encloses_the_difference_and_is_never_a_point(found: tuple[int, int, int]) -> None:
    only_a, only_b, items = found
    low, high = paired.score_interval(*found)
    assert -1 <= low <= (only_b - only_a) / items <= high <= 1
    assert high - low > 1.9 / (items + 4)
    assert paired.score_interval(only_b, only_a, items) == pytest.approx((-high, -low), abs=1e-9)


@given(COUNTS, st.floats(-0.99, 0.99), st.floats(-0.99, 0.99))
def test_the_statistic_falls_as_the_difference_rises(found: tuple[int, int, int], x: float, y: float) -> None:
    low, high = sorted((x, y))
    assert paired.score_statistic(*found, low) >= paired.score_statistic(*found, high) - 1e-7


@pytest.mark.parametrize("found", [(3, 5, 20), (10, 2, 100), (1, 1, 12), (300, 310, 10_042)])
@pytest.mark.parametrize("difference", [-0.5, -0.01, 0.0, 0.02, 0.3])
def test_the_statistic_has_the_variance_of_the_likeliest_shares(found: tuple[int, int, int], difference: float) -> None:
    only_a, only_b, items = found

    def unlikeliness(share_a: float) -> float:
        shares = np.array([share_a, share_a + difference, 1 - 2 * share_a - difference])
        return -float(np.array([only_a, only_b, items - only_a - only_b]) @ np.log(shares))

    bounds = max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12
    share_a = optimize.minimize_scalar(unlikeliness, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = items * (2 * share_a + difference - difference**2)
    wanted = (only_b - only_a - items * difference) / np.sqrt(variance)
    assert paired.score_statistic(*found, difference) == pytest.approx(wanted, rel=1e-5)


def test_at_no_difference_it_is_mcnemars_statistic() -> None:
    assert paired.score_statistic(10, 2, 100, 0.0) == pytest.approx((2 - 10) / np.sqrt(12))


@pytest.mark.parametrize(("items", "simulated"), [(12, 0.997), (20, 0.985), (50, 0.962), (100, 0.953), (400, 0.952)])
def test_the_interval_covers_as_simulated(items: int, simulated: float) -> None:
    """Exact coverage where a tenth of the items differ; a simulation of some thousand runs is a point off at most."""

    def covered(only_a: int, only_b: int) -> bool:
        return abs(paired.score_statistic(only_a, only_b, items, 0.0)) < 1.959964

    assert chance(items, 0.05, 0.05, covered) == pytest.approx(simulated, abs=0.01)


def test_the_interval_is_what_the_statistic_does_not_reject() -> None:
    for only_a, only_b, items in [(0, 0, 12), (3, 5, 20), (12, 0, 12), (0, 7, 50), (100, 91, 400)]:
        low, high = paired.score_interval(only_a, only_b, items, 0.9)
        for end, sign in ((low, 1), (high, -1)):
            if abs(end) < 1:
                assert paired.score_statistic(only_a, only_b, items, end) == pytest.approx(sign * 1.644854, abs=1e-5)


@pytest.mark.parametrize("differing", [0.02, 0.05])
def test_a_model_at_the_margin_passes_in_five_percent_and_an_equal_one_in_eighty(differing: float) -> None:
    margin = 0.01
    items = paired.items_needed(differing, margin)

    def passes(only_a: int, only_b: int) -> bool:
        return paired.score_statistic(only_a, only_b, items, -margin) > 1.644854

    def passing(loss: float) -> float:
        return chance(items, (differing + loss) / 2, (differing - loss) / 2, passes)

    assert passing(margin) == pytest.approx(0.05, abs=0.006)
    assert passing(0.0) == pytest.approx(0.8, abs=0.05)


def test_the_outcome_gives_its_own_statistic() -> None:
    right_a, right_b = np.array([1] * 90 + [0] * 10, bool), np.array([1] * 88 + [0] * 11 + [1], bool)
    outcome = paired.compare_outcomes(right_a, right_b)
    assert outcome.items == 100
    assert outcome.z(-0.1) == paired.score_statistic(2, 1, 100, -0.1) > 1.645


def test_items_needed_for_one_point() -> None:
    assert [paired.items_needed(share, 0.01) for share in (0.02, 0.05, 0.10)] == [1237, 3092, 6183]
    with pytest.raises(ValueError, match="above 0"):
        paired.items_needed(0.1, 0.0)


def test_flips_are_counted_three_ways_with_wilsons_interval() -> None:
    right_a, right_b = np.array([1, 1, 0, 0, 0, 0], bool), np.array([1, 0, 1, 0, 0, 0], bool)
    choices_a, choices_b = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 2, 0, 1, 3, 1])
    outcome = paired.compare_outcomes(right_a, right_b, choices_a=choices_a, choices_b=choices_b)
    assert outcome.churn is not None
    assert (outcome.harmful.count, outcome.beneficial.count, outcome.churn.count) == (1, 1, 2)
    wilson = stats.binomtest(2, 6).proportion_ci(method="wilson")
    assert outcome.churn.interval == pytest.approx((wilson.low, wilson.high))
    assert outcome.churn.share == pytest.approx(1 / 3)
    assert paired.compare_outcomes(right_a, right_b).churn is None


@given(st.integers(1, 300), st.floats(0, 1))
def test_wilsons_interval_is_scipys(items: int, part: float) -> None:
    count = round(part * items)
    wilson = stats.binomtest(count, items).proportion_ci(method="wilson")
    assert paired.wilson_interval(count, items) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_what_could_differ_unseen_is_the_exact_binomial_bound() -> None:
    assert paired.largest_share_unseen(12) == pytest.approx(
        stats.binomtest(0, 12, alternative="less").proportion_ci().high
    )
    assert paired.largest_share_unseen(0) == 1.0


def test_no_questions_have_no_interval() -> None:
    nothing = np.zeros(0, bool)
    outcome = paired.compare_outcomes(nothing, nothing)
    assert np.isnan([outcome.difference, *outcome.interval, outcome.harmful.share, *outcome.harmful.interval]).all()

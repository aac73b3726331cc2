"""Correlations, against scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine import correlations

GENERATOR = np.random.default_rng(0)


@given(st.integers(2, 40), st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_correlations_are_scipys(n: int, seed: int, scale: float, offset: float) -> None:
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    y = np.round(x + noise, 1) * scale + offset
    if np.ptp(y) == 0:
        return
    assert correlations.pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-8)
    assert correlations.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-8)


def test_places_without_both_numbers_do_not_count() -> None:
    x, y = GENERATOR.normal(size=(2, 30))
    with_gaps_x, with_gaps_y = np.append(x, [np.nan, 5.0]), np.append(y, [7.0, np.nan])
    assert correlations.pearson(with_gaps_x, with_gaps_y) == pytest.approx(stats.pearsonr(x, y).statistic)
    assert correlations.spearman(with_gaps_x, with_gaps_y) == pytest.approx(stats.spearmanr(x, y).statistic)


@pytest.mark.parametrize("n", [0, 1, 3, 1000])
def test_a_constant_has_no_correlation_whatever_its_rounded_mean(n: int) -> None:
    constant, other = np.full(n, 0.1), np.arange(n, dtype=np.float64)
    assert np.isnan([correlations.pearson(constant, other), correlations.spearman(other, constant)]).all()


def test_a_matrix_holds_the_correlation_of_each_pair() -> None:
    columns = np.column_stack([GENERATOR.normal(size=(50, 3)), np.full(50, 0.1)])
    found = correlations.pearson_matrix(columns)
    np.testing.assert_allclose(found[:3, :3], np.corrcoef(columns[:, :3].T), atol=1e-12)
    assert np.isnan(found[3]).all()
    assert np.isnan(found[:, 3]).all()

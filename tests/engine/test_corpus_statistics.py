"""The statistics table against plain formulas, and what must hold of it whatever the numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from engine.corpus import paired, statistics

LOG_PROBS = npst.arrays(np.float64, st.integers(2, 40), elements=st.floats(-20, 0))


def sums_of_squares(values: np.ndarray) -> tuple[float, float]:
    """Mean and error the way llama.cpp's perplexity tool computes them."""
    n, total, squares = len(values), values.sum(), (values**2).sum()
    mean = total / n
    return mean, np.sqrt((squares / n - mean**2) / (n - 1))


@pytest.fixture
def readings() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(3)
    base = -rng.gamma(2.0, 1.0, 400)
    candidate = np.minimum(base + rng.normal(0, 0.2, 400), -1e-6)
    return base, candidate, rng.gamma(0.5, 0.1, 400), rng.random(400) < 0.9, np.repeat(np.arange(8), 50)


def test_every_line_of_the_table_equals_llama_cpps_formulas(readings: tuple[np.ndarray, ...]) -> None:
    base, candidate, kl, same, texts = readings
    table = statistics.divergence_statistics(base, candidate, kl, same, texts)
    log_base, error_base = sums_of_squares(-base)
    log_candidate, error_candidate = sums_of_squares(-candidate)
    covariance = ((base * candidate).mean() - base.mean() * candidate.mean()) / (len(base) - 1)
    ratio_error = np.sqrt(error_base**2 + error_candidate**2 - 2 * covariance)
    perplexity = table.perplexity
    assert perplexity.base.value == pytest.approx(np.exp(log_base))
    assert perplexity.base.error == pytest.approx(np.exp(log_base) * error_base)
    assert perplexity.ln_ratio.value == pytest.approx(log_candidate - log_base)
    assert perplexity.ln_ratio.error == pytest.approx(ratio_error)
    assert perplexity.ratio.error == pytest.approx(np.exp(log_candidate - log_base) * ratio_error)
    assert perplexity.correlation == pytest.approx(covariance / (error_base * error_candidate))
    of_base, of_candidate = np.exp(log_base) * error_base, np.exp(log_candidate) * error_candidate
    both = np.exp(log_base) * np.exp(log_candidate) * covariance
    assert perplexity.difference.error == pytest.approx(np.sqrt(of_base**2 + of_candidate**2 - 2 * both))
    assert (table.kl.value, table.kl.error) == pytest.approx(sums_of_squares(kl))
    delta = np.exp(candidate) - np.exp(base)
    assert (table.delta_p.value, table.delta_p.error) == pytest.approx(sums_of_squares(delta))
    square, square_error = sums_of_squares(delta**2)
    assert table.delta_p_rms.value == pytest.approx(np.sqrt(square))
    assert table.delta_p_rms.error == pytest.approx(0.5 / np.sqrt(square) * square_error)
    share = same.mean()
    assert table.same_top1.error == pytest.approx(np.sqrt(share * (1 - share) / (len(same) - 1)))
    assert (table.tokens, table.texts) == (400, 8)


def test_percentiles_interpolate_between_order_statistics() -> None:
    found = statistics.percentiles(np.array([3.0, 1.0, 2.0, 10.0]), (1.0, 0.5, 0.25, 0.0))
    assert [item.value for item in found] == [10.0, 2.5, 1.75, 1.0]


def test_errors_by_text_are_larger_where_tokens_of_a_text_agree() -> None:
    texts = np.repeat(np.arange(10), 30)
    agreeing = statistics.mean(np.random.default_rng(0).normal(size=10)[texts], texts)
    assert agreeing.error_by_text > 4 * agreeing.error


def test_errors_by_text_equal_the_error_of_text_means_when_texts_are_equally_long() -> None:
    values, texts = np.random.default_rng(1).normal(size=60), np.repeat(np.arange(6), 10)
    means = values.reshape(6, 10).mean(axis=1)
    assert statistics.mean(values, texts).error_by_text == pytest.approx(means.std(ddof=1) / np.sqrt(6))


@given(LOG_PROBS)
def test_a_model_against_itself_differs_in_nothing(log_probs: np.ndarray) -> None:
    table = statistics.perplexity_statistics(log_probs, log_probs)
    assert table.ratio.value == 1.0
    assert table.ln_ratio.error == 0.0
    assert table.difference.value == 0.0


def test_one_value_has_no_error() -> None:
    estimate = statistics.mean([1.0], np.array([0]))
    assert estimate.value == 1.0
    assert np.isnan(estimate.error)
    assert np.isnan(estimate.error_by_text)


def test_mcnemars_test_is_the_binomial_of_the_disagreements() -> None:
    right_a = np.array([1] * 50 + [1] * 10 + [0] * 2 + [0] * 38, bool)
    right_b = np.array([1] * 50 + [0] * 10 + [1] * 2 + [0] * 38, bool)
    outcome = paired.compare_outcomes(right_a, right_b)
    assert (outcome.both_right, outcome.only_a, outcome.only_b, outcome.both_wrong) == (50, 10, 2, 38)
    assert outcome.p_value == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert outcome.difference == pytest.approx(-0.08)


def test_bootstrap_interval_is_seeded_and_as_wide_as_theory_says() -> None:
    rng = np.random.default_rng(5)
    right_a, right_b = rng.random(2000) < 0.4, rng.random(2000) < 0.45
    first, again = (paired.compare_outcomes(right_a, right_b, seed=1).interval for _ in range(2))
    assert first == again
    error = (right_b.astype(float) - right_a).std(ddof=1) / np.sqrt(2000)
    assert (first[1] - first[0]) / 2 == pytest.approx(1.96 * error, rel=0.05)


def test_models_that_agree_everywhere_have_no_evidence_against_them() -> None:
    right = np.array([True, False, True])
    assert paired.compare_outcomes(right, right).p_value == 1.0

"""The statistics table against plain formulas, and what must hold of it whatever the numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from engine.evaluation import estimates, resampling, statistics

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
    agreeing = estimates.mean(np.random.default_rng(0).normal(size=10)[texts], texts)
    assert agreeing.error_by_text > 4 * agreeing.error


def test_errors_by_text_equal_the_error_of_text_means_when_texts_are_equally_long() -> None:
    values, texts = np.random.default_rng(1).normal(size=60), np.repeat(np.arange(6), 10)
    means = values.reshape(6, 10).mean(axis=1)
    assert estimates.mean(values, texts).error_by_text == pytest.approx(means.std(ddof=1) / np.sqrt(6))


@given(LOG_PROBS)
def test_a_model_against_itself_differs_in_nothing(log_probs: np.ndarray) -> None:
    table = statistics.perplexity_statistics(log_probs, log_probs)
    assert table.ratio.value == 1.0
    assert table.ln_ratio.error == 0.0
    assert table.difference.value == 0.0


def test_one_value_has_no_error() -> None:
    estimate = estimates.mean([1.0], np.array([0]))
    assert estimate.value == 1.0
    assert np.isnan(estimate.error)
    assert np.isnan(estimate.error_by_text)


# Texts as the unit.


def unequal_texts(rng: np.random.Generator, texts: int) -> tuple[np.ndarray, np.ndarray]:
    """Token values and their texts: text means are log-normal, lengths too, tokens exponential about the mean."""
    sizes = np.maximum(5, rng.lognormal(np.log(40), 0.4, texts)).astype(int)
    owner = np.repeat(np.arange(texts), sizes)
    return rng.exponential(rng.lognormal(0.0, SPREAD, texts)[owner]), owner


SPREAD = 0.5
TRUE_MEAN = np.exp(SPREAD**2 / 2)


@pytest.mark.parametrize(("texts", "least"), [(5, 0.86), (8, 0.86), (20, 0.90), (50, 0.90)])
def test_intervals_by_text_cover_what_they_promise_and_those_without_t_or_by_token_cover_less(
    texts: int, least: float
) -> None:
    rng, runs = np.random.default_rng(texts), 1500
    found = [estimates.mean(*unequal_texts(rng, texts)) for _ in range(runs)]
    covered = np.mean([low < TRUE_MEAN < high for low, high in (one.interval() for one in found)])
    normal = np.mean([abs(one.value - TRUE_MEAN) < 1.96 * one.error_by_text for one in found])
    by_token = np.mean([abs(one.value - TRUE_MEAN) < 1.96 * one.error for one in found])
    assert least <= covered <= 0.97
    assert by_token < 0.75 < normal < covered + (texts >= 50) * 1e-9
    if texts < 10:
        assert normal < covered - 0.03


def test_the_interval_has_one_degree_of_freedom_less_than_texts() -> None:
    estimate = estimates.mean([1.0, 2.0, 3.0, 5.0], np.array([7, 7, 9, 9]))
    means, sizes = np.array([1.5, 4.0]), np.array([2, 2])
    expected = stats.t.interval(0.9, 1, loc=(means * sizes).sum() / 4, scale=means.std(ddof=1) / np.sqrt(2))
    assert estimate.interval(0.9) == pytest.approx(expected)
    assert (estimate.texts, estimate.tokens) == (2, 4)


def test_one_text_states_the_error_over_tokens() -> None:
    estimate = estimates.mean([1.0, 2.0, 4.0], np.zeros(3, int))
    assert not estimate.by_text
    assert estimate.standard_error == estimate.error
    assert estimate.interval() == pytest.approx(stats.t.interval(0.95, 2, loc=7 / 3, scale=estimate.error))


def test_without_a_number_of_texts_the_normal_quantile_stands_in() -> None:
    assert estimates.Estimate(1.0, 0.1, 0.2).interval() == pytest.approx((1 - 1.959964 * 0.2, 1 + 1.959964 * 0.2))
    assert np.isnan(estimates.Estimate(1.0).interval()).all()


def test_copies_of_a_token_are_worth_one_token() -> None:
    """Each text is one value said 25 times: the design effect is 25 but for the degrees of freedom."""
    values, texts = np.random.default_rng(0).normal(size=40), np.repeat(np.arange(40), 25)
    estimate = estimates.mean(values[texts], texts)
    assert estimate.design_effect == pytest.approx(25 * (1000 - 1) / 1000 * 40 / 39)
    assert estimate.effective_tokens == pytest.approx(40, rel=0.03)


def test_exponentials_keep_their_interval_above_zero_and_percentages_of_it() -> None:
    log = estimates.mean([1.0, 2.0, 9.0, 12.0], np.array([0, 0, 1, 1]))
    low, high = statistics.scaled_exp(log).interval()
    assert low > 0
    assert np.log([low, high]) == pytest.approx(log.interval())


def test_a_ratio_that_is_the_same_in_every_text_has_no_error() -> None:
    bits, texts = np.repeat([4.0, 12.0], [100, 100]), np.repeat(np.arange(4), 50)
    estimate = estimates.ratio(bits, 2 * bits, texts)
    assert estimate.value == 0.5
    assert estimate.error_by_text == 0.0
    assert estimates.mean(bits, texts).error_by_text > 1


def test_a_ratios_error_by_text_is_the_jackknifes_over_texts() -> None:
    rng = np.random.default_rng(2)
    texts = np.repeat(np.arange(60), rng.integers(20, 60, 60))
    octets = rng.integers(1, 5, len(texts)) * (1 + texts % 3)  # scripts with one, two and three bytes to a letter
    bits = rng.gamma(2.0, 1.0, len(texts)) * rng.lognormal(0, 0.3, 60)[texts]
    above, below = np.bincount(texts, bits), np.bincount(texts, octets)
    without = (above.sum() - above) / (below.sum() - below)
    jackknife = np.sqrt(59 / 60 * ((without - without.mean()) ** 2).sum())
    assert estimates.ratio(bits, octets, texts).error_by_text == pytest.approx(jackknife, rel=0.03)


@pytest.mark.parametrize(("texts", "said"), [(1, "one text"), (8, "Only 8 texts"), (19, "Only 19 texts"), (20, None)])
def test_few_texts_are_warned_of(texts: int, said: str | None) -> None:
    note = estimates.few_texts_note(texts)
    assert (note is None) if said is None else (said in str(note))


def test_tokens_that_are_all_alike_do_not_make_a_share_certain() -> None:
    texts = np.repeat(np.arange(8), 62)
    low, high = estimates.share(np.ones(496), texts).interval()
    assert (low, high) == (pytest.approx(1 / (1 + stats.t.ppf(0.975, 7) ** 2 / 496)), 1.0)
    assert estimates.share(np.zeros(496), texts).interval() == pytest.approx((0.0, 1 - low))


def test_the_interval_of_a_share_is_wilsons_for_independent_flags() -> None:
    flags = np.arange(20_000) % 5 == 0
    wilson = stats.binomtest(4_000, 20_000).proportion_ci(method="wilson")
    assert estimates.share(flags).interval() == pytest.approx((wilson.low, wilson.high), abs=1e-6)


@pytest.mark.parametrize("texts", [8, 20])
def test_intervals_of_shares_cover_where_texts_differ(texts: int) -> None:
    rng, hits = np.random.default_rng(texts), 0
    for _ in range(800):
        owner = np.repeat(np.arange(texts), rng.integers(20, 60, texts))
        low, high = estimates.share(rng.random(len(owner)) < rng.beta(19, 1, texts)[owner], owner).interval()
        assert 0 <= low < high <= 1
        hits += low < 0.95 < high
    assert 0.9 <= hits / 800 <= 0.98


# Texts drawn again.


def test_a_draws_percentiles_are_those_of_its_tokens_written_out() -> None:
    rng = np.random.default_rng(4)
    values, texts = rng.normal(size=90).round(1), np.repeat([5, 3, 8, 1, 9, 2], 15)
    draws, fractions = resampling.Draws.of(texts, seed=3, most=20), (0.99, 0.5, 0.25, 0.0)
    found = draws.quantiles(values, fractions)
    for row, counts in zip(found, draws.counts.astype(int), strict=True):
        np.testing.assert_allclose(row, np.quantile(np.repeat(values, counts[draws.owner]), fractions))
    assert (draws.counts.sum(axis=1) == 6).all()
    drawn = np.repeat(values, draws.counts[0].astype(int)[draws.owner])
    assert draws.means(values)[0] == pytest.approx(drawn.mean())


def test_both_models_tokens_of_a_text_are_drawn_together() -> None:
    """A candidate that loses the same everywhere has a ratio without any uncertainty, whatever the texts do."""
    rng, texts = np.random.default_rng(0), np.repeat(np.arange(8), 30)
    base = -rng.gamma(2.0, 1.0, 240) * rng.lognormal(0, 0.5, 8)[texts]
    table = statistics.divergence_statistics(base, base - 0.25, np.full(240, 0.1), np.ones(240), texts)
    assert table.perplexity.ratio.interval() == pytest.approx((np.exp(0.25), np.exp(0.25)))
    low, high = table.perplexity.base.interval()
    assert high > 1.5 * low


def test_intervals_of_ratio_root_and_percentiles_cover_and_are_seeded() -> None:
    rng, texts, runs = np.random.default_rng(7), 20, 150
    wide = [unequal_texts(rng, 2000) for _ in range(20)]
    values = np.concatenate([one for one, _ in wide])
    truth = {"ratio": np.exp(TRUE_MEAN / 5), "root": np.sqrt((values**2).mean()), "p90": np.quantile(values, 0.9)}
    hits = dict.fromkeys(truth, 0)
    for _ in range(runs):
        sample, owner = unequal_texts(rng, texts)
        draws = resampling.Draws.of(owner, most=300)
        nothing = np.zeros(len(sample))
        ends = {
            "ratio": statistics.perplexity_statistics(nothing, -sample / 5, owner, draws).ratio.interval(),
            "root": statistics.root_mean_square(sample, owner, draws).interval(),
            "p90": draws.quantile_intervals(sample, (0.9,))[0],
        }
        for name, (low, high) in ends.items():
            hits[name] += low < truth[name] < high
    # A root of mean squares hangs on a few large values, of which 20 texts do not have enough.
    assert min(hits["ratio"], hits["p90"]) / runs >= 0.87, hits
    assert 0.77 <= hits["root"] / runs <= max(hits.values()) / runs <= 0.99, hits
    assert resampling.Draws.of(owner, most=300).quantile_intervals(sample, (0.9,))[0] == ends["p90"]


def test_extremes_and_too_few_texts_have_no_interval() -> None:
    values, texts = np.random.default_rng(0).normal(size=496), np.repeat(np.arange(8), 62)
    found = {one.fraction: one for one in statistics.percentiles(values, draws=resampling.Draws.of(texts))}
    assert [fraction for fraction, one in found.items() if np.isnan(one.low)] == [1.0, 0.999, 0.99, 0.01, 0.001, 0.0]
    assert found[0.95].low < found[0.95].value < found[0.95].high
    few = statistics.percentiles(values, (0.5,), resampling.Draws.of(texts // 2))
    assert np.isnan(few[0].low)


def test_a_large_corpus_is_drawn_less_often() -> None:
    assert len(resampling.Draws.of(np.arange(400_000) // 10_000).counts) == resampling.FEWEST_DRAWS
    assert len(resampling.Draws.of(np.arange(4_000) // 100).counts) == resampling.MOST_DRAWS


def test_delta_p_has_llama_cpps_quartiles(readings: tuple[np.ndarray, ...]) -> None:
    base, candidate, kl, same, texts = readings
    table = statistics.divergence_statistics(base, candidate, kl, same, texts)
    found = {one.fraction: one.value for one in table.delta_p_percentiles}
    delta = np.exp(candidate) - np.exp(base)
    assert (found[0.75], found[0.25]) == pytest.approx(tuple(np.quantile(delta, [0.75, 0.25])))
    assert 0.75 not in {one.fraction for one in table.kl_percentiles}


def test_shared_out_ties_count_as_fractions(readings: tuple[np.ndarray, ...]) -> None:
    base, candidate, kl, _, texts = readings
    same = np.where(np.arange(400) % 4 == 0, 0.5, 1.0)
    assert statistics.divergence_statistics(base, candidate, kl, same, texts).same_top1.value == 0.875


def test_length_alone_correlates_pieces_and_per_character_it_does_not() -> None:
    rng, characters = np.random.default_rng(0), np.random.default_rng(1).integers(1, 40, 2000)
    a, b = (-characters * rng.gamma(4.0, 0.25, 2000) for _ in range(2))  # nothing in common but length
    assert np.corrcoef(a, b)[0, 1] > 0.4
    assert abs(statistics.correlation_per_character(a, b, characters)) < 0.06

"""Discrete and Gaussian measures: figures computed by hand or by scipy, and what must hold of every distribution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from engine import measures
from engine.errors import InputError, ParameterError
from engine.measures import Gaussian, Mixture
from engine.measures.gaussian import forward_kl, reverse_kl

P, Q = np.array([0.1, 0.2, 0.7]), np.array([0.3, 0.3, 0.4])
LN2 = np.log(2)


@st.composite
def distributions(draw, count: int):
    """`count` distributions over the same outcomes; some probabilities may be 0."""
    size = draw(st.integers(2, 12))
    weight = st.one_of(st.just(0.0), st.floats(1e-6, 1.0))
    rows = [draw(st.lists(weight, min_size=size, max_size=size).filter(lambda w: sum(w) > 0)) for _ in range(count)]
    return [np.array(row) / sum(row) for row in rows]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (measures.kl_divergence(P, Q), 0.2007768011),
        (measures.kl_divergence(Q, P), 0.2273769039),
        (measures.js_divergence(P, Q), 0.0519122592),
        (measures.entropy(P), 0.8018185525),
        (measures.to_bits(measures.entropy(P)), 1.1567796494),
    ],
)
def test_known_figures(value: float, expected: float) -> None:
    assert float(value) == pytest.approx(expected, abs=1e-10)


@given(distributions(2))
def test_agrees_with_scipy(pair: list[np.ndarray]) -> None:
    p, q = pair
    assert float(measures.entropy(p)) == pytest.approx(stats.entropy(p), abs=1e-9)
    assert float(measures.kl_divergence(p, q)) == pytest.approx(special.rel_entr(p, q).sum(), abs=1e-9)
    assert float(measures.entropy(p)) == pytest.approx(special.entr(p).sum(), abs=1e-9)


@given(distributions(2))
def test_kl_is_not_negative_and_zero_only_for_equals(pair: list[np.ndarray]) -> None:
    p, q = pair
    divergence = float(measures.kl_divergence(p, q))
    # Pinsker: total variation bounds KL from below, so a gap between P and Q cannot hide.
    assert divergence >= np.abs(p - q).sum() ** 2 / 2 - 1e-12
    assert float(measures.kl_divergence(p, p)) == 0.0


@given(distributions(2))
def test_kl_is_infinite_exactly_where_q_lacks_what_p_has(pair: list[np.ndarray]) -> None:
    p, q = pair
    assert np.isinf(measures.kl_divergence(p, q)) == bool(((p > 0) & (q == 0)).any())


@given(distributions(3))
def test_js_is_symmetric_bounded_and_its_root_a_metric(three: list[np.ndarray]) -> None:
    p, q, r = three
    js = float(measures.js_divergence(p, q))
    assert 0 <= js <= LN2
    assert js == pytest.approx(float(measures.js_divergence(q, p)), abs=1e-12)
    direct = float(measures.js_distance(p, r))
    assert direct <= float(measures.js_distance(p, q)) + float(measures.js_distance(q, r)) + 1e-7


@given(distributions(2))
def test_cross_entropy_is_entropy_plus_kl(pair: list[np.ndarray]) -> None:
    p, q = pair
    expected = float(measures.entropy(p) + measures.kl_divergence(p, q))
    assert float(measures.cross_entropy(p, q)) == pytest.approx(expected, abs=1e-9)


@given(distributions(2))
def test_bregman_gap_is_kl(pair: list[np.ndarray]) -> None:
    p, q = pair
    assert float(measures.bregman_divergence(p, q)) == pytest.approx(float(measures.kl_divergence(p, q)), abs=1e-9)


@given(distributions(2))
def test_logs_and_probabilities_give_one_kl(pair: list[np.ndarray]) -> None:
    p, q = pair
    with np.errstate(divide="ignore"):
        found = measures.kl_divergence_of_logs(np.log(p), np.log(q))
    assert float(found) == pytest.approx(float(measures.kl_divergence(p, q)), abs=1e-9)


@given(distributions(2), st.randoms(use_true_random=False))
def test_relabelling_outcomes_changes_nothing(pair: list[np.ndarray], random) -> None:
    order = list(range(pair[0].size))
    random.shuffle(order)
    before = [float(f(*pair)) for f in (measures.kl_divergence, measures.js_divergence, measures.cross_entropy)]
    p, q = (one[order] for one in pair)
    after = [float(f(p, q)) for f in (measures.kl_divergence, measures.js_divergence, measures.cross_entropy)]
    assert after == pytest.approx(before, abs=1e-9)


def test_rows_of_a_table_are_measured_one_by_one() -> None:
    table = np.array([P, Q])
    assert measures.kl_divergence(table, table[::-1]).tolist() == [
        float(measures.kl_divergence(P, Q)),
        float(measures.kl_divergence(Q, P)),
    ]
    assert measures.entropy(table.T, axis=0).tolist() == measures.entropy(table).tolist()


def test_perplexity_of_equal_outcomes_is_their_number_in_nats_and_in_bits() -> None:
    nats = measures.entropy(np.full(50, 0.02))
    assert float(measures.perplexity(nats)) == pytest.approx(50)
    assert 2 ** float(measures.to_bits(nats)) == pytest.approx(50)
    assert 2 ** float(nats) < 16  # the slip: base 2 beside nats


def test_epsilon_in_the_logarithm_loses_about_epsilon_an_outcome() -> None:
    p = np.array([0.5, 0.25, 0.25, 0.0])
    lost = float(measures.entropy(p) - measures.entropy_with_epsilon(p, 1e-6))
    assert lost == pytest.approx(3e-6, rel=1e-3)


@pytest.mark.parametrize("measure", [measures.entropy, lambda p: measures.kl_divergence(p, [0.5, 0.5])])
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([0.5, 0.4], "sums to 0.9"),
        ([1.5, -0.5], "cannot be negative"),
        ([], "is empty"),
        ([float("nan"), 1.0], "NaN"),
        ([float("inf"), 0.0], "infinity"),
        (["a", "b"], "must be numbers"),
    ],
)
def test_what_is_no_distribution_is_refused_with_the_reason(measure, bad, said: str) -> None:
    with pytest.raises(InputError, match=said):
        measure(bad)


def test_unlike_numbers_of_outcomes_are_refused() -> None:
    with pytest.raises(InputError, match="P has 2 outcomes and Q has 3"):
        measures.kl_divergence([0.5, 0.5], Q)
    with pytest.raises(InputError, match="P has 2 outcomes and Q has 3"):
        measures.kl_divergence_of_logs(np.log([0.5, 0.5]), np.log(Q))


def test_float32_softmax_of_a_vocabulary_counts_as_a_distribution() -> None:
    logits = np.random.default_rng(0).normal(scale=4, size=50_257).astype(np.float32)
    p = np.exp(logits - logits.max(), dtype=np.float32)
    p /= p.sum(dtype=np.float32)
    assert 0 < float(measures.entropy(p)) < np.log(50_257)


def test_temperature_sharpens_and_flattens() -> None:
    entropies = [float(measures.entropy(measures.softmax([0.0, 1.0, 3.0], t))) for t in (0.1, 1.0, 10.0)]
    assert entropies == sorted(entropies)
    assert entropies[-1] == pytest.approx(np.log(3), abs=0.01)
    with pytest.raises(ParameterError, match="greater than 0"):
        measures.softmax([0.0, 1.0], 0.0)


# Gaussians

means = st.floats(-5, 5)
stds = st.floats(0.1, 5)


@given(means, stds, means, stds)
def test_closed_form_agrees_with_the_textbook_form_and_is_not_negative(m1, s1, m2, s2) -> None:
    exact = measures.gaussian_kl(Gaussian(m1, s1), Gaussian(m2, s2))
    textbook = np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5
    assert exact == pytest.approx(textbook, rel=1e-9, abs=1e-9)
    assert exact >= 0


@pytest.mark.parametrize(("p", "q"), [((0, 1), (1, 2)), ((-3, 0.2), (2, 0.5)), ((0, 3), (0, 0.3)), ((1, 1), (1, 1))])
def test_closed_form_agrees_with_quadrature(p, q) -> None:
    first, second = Gaussian(*p), Gaussian(*q)
    integral = measures.gaussian_kl_quadrature(first, second)
    assert integral.value == pytest.approx(measures.gaussian_kl(first, second), rel=1e-9, abs=1e-9)


def test_sampling_errs_as_its_standard_error_says() -> None:
    p, q = Gaussian(0, 1), Gaussian(1, 2)
    exact = measures.gaussian_kl(p, q)
    estimates = [measures.gaussian_kl_monte_carlo(p, q, 400, seed) for seed in range(200)]
    scores = np.array([(one.value - exact) / one.error for one in estimates])
    assert abs(scores.mean()) < 0.3
    assert 0.85 < scores.std() < 1.15


def test_vae_term_is_kl_to_the_standard_normal_summed_over_dimensions() -> None:
    standard = Gaussian(0, 1)
    expected = sum(measures.gaussian_kl(Gaussian(m, s), standard) for m, s in ((0.3, 0.5), (-2, 1.5)))
    assert measures.gaussian_kl_to_standard([0.3, -2], [0.5, 1.5]) == pytest.approx(expected)
    with pytest.raises(InputError):
        measures.gaussian_kl_to_standard([0.3], [0.5, 1.5])


def test_information_of_a_bivariate_normal() -> None:
    assert measures.gaussian_mutual_information(0.5) == pytest.approx(0.1438410362, abs=1e-10)
    assert measures.gaussian_mutual_information(0.0) == 0.0
    with pytest.raises(ParameterError, match="between -1 and 1"):
        measures.gaussian_mutual_information(1.0)


TWO_PEAKS = Mixture((0.6, 0.4), (Gaussian(-3, 0.8), Gaussian(3, 0.8)))


def test_covering_fit_has_the_moments_of_the_target() -> None:
    fit = measures.fit_mode_covering(TWO_PEAKS)
    x = np.linspace(-12, 12, 20_001)
    density = np.exp(TWO_PEAKS.log_density(x))
    mean = np.trapezoid(density * x, x)
    assert fit.mean == pytest.approx(mean)
    assert fit.std**2 == pytest.approx(np.trapezoid(density * (x - mean) ** 2, x))


def test_seeking_fit_takes_the_larger_of_two_distant_peaks() -> None:
    fit = measures.fit_mode_seeking(TWO_PEAKS)
    assert fit.mean == pytest.approx(-3, abs=0.01)
    assert fit.std == pytest.approx(0.8, abs=0.01)
    assert reverse_kl(fit, TWO_PEAKS) == pytest.approx(-np.log(0.6), abs=1e-3)


def test_each_fit_is_best_under_its_own_direction() -> None:
    covering, seeking = measures.fit_mode_covering(TWO_PEAKS), measures.fit_mode_seeking(TWO_PEAKS)
    assert forward_kl(TWO_PEAKS, covering) < forward_kl(TWO_PEAKS, seeking)
    assert reverse_kl(seeking, TWO_PEAKS) < reverse_kl(covering, TWO_PEAKS)


def test_both_directions_of_a_mixture_agree_with_a_fine_grid() -> None:
    q = Gaussian(0.5, 2.5)
    x = np.linspace(-25, 25, 50_001)
    log_p, log_q = TWO_PEAKS.log_density(x), q.log_density(x)
    assert forward_kl(TWO_PEAKS, q) == pytest.approx(np.trapezoid(np.exp(log_p) * (log_p - log_q), x), rel=1e-6)
    assert reverse_kl(q, TWO_PEAKS) == pytest.approx(np.trapezoid(np.exp(log_q) * (log_q - log_p), x), rel=1e-6)


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan")])
def test_a_gaussian_needs_a_positive_spread(std: float) -> None:
    with pytest.raises(ParameterError, match="standard deviation"):
        Gaussian(0.0, std)


def test_a_mixture_needs_weights_that_fit() -> None:
    with pytest.raises(InputError, match="sums to"):
        Mixture((0.5, 0.4), (Gaussian(0, 1), Gaussian(1, 1)))
    with pytest.raises(InputError, match="2 weights for 1 parts"):
        Mixture((0.5, 0.5), (Gaussian(0, 1),))

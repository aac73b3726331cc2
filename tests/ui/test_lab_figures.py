"""Charts of the information lab by their values."""

import dataclasses

import numpy as np
import pytest

from engine import measures
from engine.lab import bias, estimators
from engine.lab.neurons import NeuronInformation, Settings
from engine.measures import Gaussian, Mixture
from engine.scoring.results import TextScores
from ui.figures.lab import discrete, entropy, gaussian, mutual, neurons, perplexity
from ui.palette import palette

P, Q = np.array([0.1, 0.2, 0.7]), np.array([0.3, 0.3, 0.4])
ZERO = np.array([0.6, 0.4, 0.0])


@pytest.fixture
def measured() -> NeuronInformation:
    """Two layers with two neurons each; the last neuron is constant."""
    nan = np.nan
    return NeuronInformation(
        model_title="Fake",
        settings=Settings(bins=4, neighbours=3),
        tokens=("a", " <b>", "c"),
        width=8,
        entropies=np.array([[0.5, 1.0], [0.7, 0.0]]),
        layers=np.array([0, 0, 1, 1]),
        numbers=np.array([1, 5, 2, 7]),
        values=np.arange(12, dtype=np.float32).reshape(3, 4),
        information=np.array([[1, 0.4, 0.3, 0], [0.4, 1, 0.2, 0], [0.3, 0.2, 1, 0], [0, 0, 0, 0.0]]),
        correlation=np.array([[1, 0.5, 0.0, nan], [0.5, 1, -0.5, nan], [0, -0.5, 1, nan], [nan] * 4]),
        baseline=np.full((4, 4), 0.1),
        nearest_pairs=np.array([[0, 1]]),
        nearest=np.array([0.25]),
    )


def test_stacked_bars_add_up_to_the_cross_entropy() -> None:
    below, above = discrete.chain(P, Q, theme="light").data
    expected = [float(measures.cross_entropy(P, Q)), float(measures.cross_entropy(Q, P))]
    np.testing.assert_allclose(np.add(below.x, above.x), expected)
    assert list(above.marker.pattern.shape) == ["", ""]


def test_infinite_divergence_is_hatched_to_the_edge_and_named() -> None:
    figure = discrete.chain(P, ZERO, theme="light")
    below, above = figure.data
    assert above.text[0] == "D(P‖Q) = ∞"
    assert above.marker.pattern.shape[0] == "/"
    assert below.x[0] + above.x[0] == pytest.approx(figure.layout.xaxis.range[1])
    terms = discrete.terms("ABC", P, ZERO, theme="light")
    assert terms.data[0].text[2] == "∞"
    assert np.isfinite(terms.data[0].y).all()


def test_terms_sum_to_the_divergence() -> None:
    trace = discrete.terms("ABC", P, Q, theme="light").data[0]
    assert sum(trace.y) == pytest.approx(float(measures.kl_divergence(P, Q)))


def test_gap_under_the_tangent_is_the_divergence() -> None:
    gap = discrete.bregman(P, Q, theme="light").data[2]
    assert gap.y[1] - gap.y[0] == pytest.approx(float(measures.kl_divergence(P, Q)))
    assert not discrete.bregman(P, ZERO, theme="light").data


def test_a_vanishing_share_raises_the_divergence_and_keeps_the_current_one_marked() -> None:
    curve, mark = discrete.vanishing(P, Q, 2, "C", theme="light").data
    shrinking = np.array(curve.x) < 0.1
    assert (np.diff(np.array(curve.y)[shrinking]) > 0).all()
    assert (mark.x[0], mark.y[0]) == (0.4, pytest.approx(float(measures.kl_divergence(P, Q))))
    assert np.interp(-np.log(0.4), -np.log(curve.x), curve.y) == pytest.approx(mark.y[0], abs=0.02)


def test_tokens_of_a_pair_are_escaped() -> None:
    figure = discrete.pair([" <b>", "all others"], P[:2], Q[:2], theme="light", names=("teacher", "student"))
    assert figure.layout.xaxis.ticktext[0] == "␣&lt;b&gt;"
    assert [trace.name for trace in figure.data] == ["teacher", "student"]


def test_shaded_area_is_the_divergence_of_two_gaussians() -> None:
    p, q = Gaussian(0, 1), Gaussian(1, 2)
    shaded = gaussian.densities(p, q, theme="light").data[0]
    assert np.trapezoid(shaded.y, shaded.x) == pytest.approx(measures.gaussian_kl(p, q), abs=1e-4)


def test_sampled_divergences_have_two_standard_errors_and_the_closed_form() -> None:
    sampled = (measures.Approximation(0.5, 0.05), measures.Approximation(1.2, 0.1))
    figure = gaussian.three_ways((0.44, 1.3), sampled, theme="light")
    assert list(figure.data[0].error_x.array) == [0.1, 0.2]
    assert [shape.x0 for shape in figure.layout.shapes] == [0.44, 1.3]


def test_fits_are_densities() -> None:
    target = Mixture((0.5, 0.5), (Gaussian(-2, 1), Gaussian(2, 1)))
    figure = gaussian.fits(target, measures.fit_mode_covering(target), Gaussian(-2, 1), theme="light")
    for trace in figure.data[::2]:
        assert np.trapezoid(trace.y, trace.x) == pytest.approx(1, abs=0.01)


def test_histogram_has_area_one_and_tells_counts() -> None:
    trace = entropy.histogram(np.array([0.0, 1.0, 4.0]), np.array([3.0, 1.0]), theme="light").data[0]
    assert np.dot(trace.y, trace.width) == pytest.approx(1)
    assert list(trace.customdata) == [3, 1]


def test_entropy_bias_shows_both_estimates_and_the_truth() -> None:
    table = bias.entropy_bias(10, [10, 100])
    figure = entropy.bias(table, theme="light")
    np.testing.assert_array_equal(figure.data[0].y, table.plug_in)
    np.testing.assert_array_equal(figure.data[1].y, table.miller_madow)
    assert figure.layout.shapes[0].y0 == table.truth


def test_epsilon_error_marks_the_current_epsilon() -> None:
    mark = entropy.epsilon_error(np.array([1e-3, 1e-2]), np.array([3e-3, 3e-2]), 1e-2, 3e-2, theme="light").data[1]
    assert (mark.x[0], mark.y[0]) == (1e-2, 3e-2)


def test_estimates_are_bars_and_the_exact_value_a_line_unless_infinite() -> None:
    timed = [
        estimators.TimedEstimate("equal_width", "Equal-width bins", 0.3, np.nan, 0.1),
        estimators.TimedEstimate("nearest", "kNN", 0.1, np.nan, 0.1),
    ]
    figure = mutual.estimates(timed, 0.2, theme="light")
    assert list(figure.data[0].x) == [0.3, 0.1]
    assert figure.data[0].marker.color[0] != figure.data[0].marker.color[1]
    assert figure.layout.shapes[0].x0 == 0.2
    assert not mutual.estimates(timed, float("inf"), theme="light").layout.shapes


def test_scatter_draws_every_bin_edge_and_few_dots() -> None:
    x = np.random.default_rng(0).normal(size=2_000)
    edges = np.linspace(x.min(), x.max(), 5)
    grid, dots = mutual.scatter(x, x, edges, edges, theme="light").data
    assert len(dots.x) == mutual.MOST_DOTS
    assert set(edges[1:-1]) <= {value for value in grid.x if value is not None}


def test_bias_lines_carry_simulation_and_first_order() -> None:
    table = bias.independent_bias([5, 10], [100, 1000], repeats=5)
    figure = mutual.bias_by_samples(table, theme="light", mark=(0.4, 0.5))
    np.testing.assert_array_equal(figure.data[0].y, table.bias[0])
    np.testing.assert_allclose(figure.data[3].y, [81 / 200, 81 / 2000])
    assert len({trace.line.color for trace in figure.data}) == 2
    flat = mutual.bias_by_truth(bias.bias_against_truth([100], [0.0, 0.5], 5, repeats=5), theme="dark")
    assert flat.data[0].name == "n = 100"


def test_surprisals_are_in_bits_with_tokens_escaped(four_tokens: TextScores) -> None:
    bars, expected = perplexity.surprisals(four_tokens, theme="light").data
    np.testing.assert_allclose(bars.y, [1, 2, 4])
    assert bars.hovertext[1] == "␣&lt;b&gt;"
    np.testing.assert_allclose(expected.y, [1 / np.log(2)] * 3)


def test_slips_are_hatched_and_not_in_the_accent() -> None:
    figure = perplexity.bases(("right", "slip"), (20.0, 8.0), (True, False), theme="light")
    assert list(figure.data[0].marker.color) == [palette("light").accent, palette("light").muted]
    assert list(figure.data[0].marker.pattern.shape) == ["", "/"]


def test_temperature_curve_has_the_loss_with_its_square() -> None:
    temperatures, divergences = np.array([0.5, 1.0, 2.0]), np.array([0.4, 0.2, 0.1])
    plain, squared, mark = perplexity.temperature_curve(temperatures, divergences, 1.0, 0.2, theme="light").data
    np.testing.assert_allclose(squared.y, temperatures**2 * plain.y)
    assert (mark.x[0], mark.y[0]) == (1.0, 0.2)


def test_layers_show_the_median_and_the_most_there_can_be(measured: NeuronInformation) -> None:
    figure = neurons.entropy_by_layer(measured, theme="light")
    np.testing.assert_allclose(figure.data[2].y, [0.75, 0.35])
    assert figure.layout.shapes[0].y0 == pytest.approx(np.log(4))


def test_matrices_show_what_is_above_the_baseline(measured: NeuronInformation) -> None:
    pairs = neurons.pair_matrix(measured, theme="light").data[0].z
    assert pairs[0][1] == pytest.approx(0.3)
    assert np.isnan(pairs[0][0])
    layers = neurons.layer_matrix(measured, theme="light").data[0].z
    assert layers[0][0] == pytest.approx(0.3)
    assert layers[0][1] == pytest.approx(np.mean([0.2, -0.1, 0.1, -0.1]))


def test_correlation_counts_each_pair_that_has_one_once(measured: NeuronInformation) -> None:
    counts = np.array(neurons.against_correlation(measured, theme="light").data[0].customdata)
    assert counts.sum() == 3
    expected = -0.5 * np.log(1 - 0.25)
    assert measured.from_correlation[0, 1] == pytest.approx(expected)


def test_both_estimators_are_shown_for_the_same_pairs(measured: NeuronInformation) -> None:
    raw, less = neurons.nearest_against_histogram(measured, theme="light").data
    assert (raw.x[0], raw.y[0], less.y[0]) == (0.25, 0.4, pytest.approx(0.3))


def test_a_pair_shows_its_tokens_escaped_and_its_names(measured: NeuronInformation) -> None:
    figure = neurons.one_pair(measured, 1, 2, theme="light")
    assert list(figure.data[0].hovertext) == ["a", "␣&lt;b&gt;", "c"]
    assert figure.layout.xaxis.title.text == "layer 0, neuron 5"
    assert list(figure.data[0].y) == [2, 6, 10]


def test_one_layer_alone_says_why_there_is_nothing_between_layers(measured: NeuronInformation) -> None:
    one = dataclasses.replace(measured, layers=np.zeros(4, dtype=np.int64), nearest=np.empty(0))
    for draw in (neurons.layer_matrix, neurons.depth_profile, neurons.nearest_against_histogram):
        figure = draw(one, theme="light")
        assert not figure.data
        assert figure.layout.annotations[0].text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_depth_profile_is_drawn_in_both_themes(measured: NeuronInformation, theme) -> None:
    inside, following, linear = neurons.depth_profile(measured, theme=theme).data
    assert inside.y[0] == pytest.approx(0.3)
    assert len(following.y) == 1
    assert linear.y[0] == pytest.approx(-0.5 * np.log(0.75))

"""Every figure by its values: what is drawn is what the engine gave."""

import dataclasses
import html

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.scoring.results import ModelComparison, TextScores
from ui import palette
from ui.figures import base, series, unity

SURPRISAL = series.QUANTITIES["surprisal"]


def test_line_shows_predicted_tokens_only_with_their_index(four_tokens: TextScores) -> None:
    trace = series.per_token(four_tokens, SURPRISAL, theme="light").data[0]
    assert list(trace.customdata) == [1, 2, 3]
    assert list(trace.x) == [2, 3, 4]
    np.testing.assert_allclose(trace.y, [1, 2, 4])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("log_prob", np.log([0.5, 0.25, 0.0625])),
        ("probability", [0.5, 0.25, 0.0625]),
        ("rank", [2, 3, 4]),
        ("entropy", [1 / np.log(2)] * 3),
    ],
)
def test_line_shows_the_quantity_in_the_unit_of_its_axis(
    four_tokens: TextScores, name: str, expected: list[float]
) -> None:
    figure = series.per_token(four_tokens, series.QUANTITIES[name], theme="light")
    np.testing.assert_allclose(figure.data[0].y, expected)
    assert figure.layout.yaxis.title.text == series.QUANTITIES[name].axis


def test_tokens_are_escaped_in_hover_text(four_tokens: TextScores, comparison: ModelComparison) -> None:
    assert list(series.per_token(four_tokens, SURPRISAL, theme="light").data[0].hovertext) == [
        "␣cat",
        "␣&lt;b&gt;",
        "↵",
    ]
    assert "␣&lt;b&gt;" in unity.scatter(comparison, theme="light").data[0].hovertext
    assert "Model &lt;A&gt;" in unity.scatter(comparison, theme="light").layout.xaxis.title.text


def test_marked_and_clicked_tokens_stand_out_on_the_line(four_tokens: TextScores) -> None:
    figure = series.per_token(four_tokens, SURPRISAL, theme="light", marked=[2], clicked=3)
    assert list(figure.data[0].marker.size) == [6, 11, 6]
    assert [shape.x0 for shape in figure.layout.shapes] == [4]


def test_histogram_counts_every_predicted_token_once(four_tokens: TextScores) -> None:
    figure = series.histogram(four_tokens, SURPRISAL, theme="light", marked=[1], clicked=2)
    marked, rest = figure.data
    assert sum(marked.y) == 2
    assert sum(rest.y) == 1


@given(st.lists(st.floats(1e-3, 1e6) | st.just(float("nan")), max_size=60), st.booleans())
@example([0.001, float(np.nextafter(0.001, 1))], False)
@example([1e6, float(np.nextafter(1e6, 0))], True)
def test_every_finite_value_lies_in_the_bin_it_is_given(values: list[float], logarithmic: bool) -> None:
    array = np.array(values, dtype=np.float64)
    edges, numbers = series.bin_numbers(array, logarithmic=logarithmic)
    assert ((numbers == -1) == np.isnan(array)).all()
    for value, number in zip(array, numbers, strict=True):
        if number >= 0:
            slack = 1e-9 * abs(value)
            assert edges[number] - slack <= value <= edges[number + 1] + slack


@pytest.mark.parametrize("build", [series.per_token, series.histogram])
def test_text_without_a_prediction_gives_an_empty_titled_figure(build, make_scores) -> None:
    for pieces in ([], ["The"]):
        figure = build(make_scores(pieces, [float("nan")] * len(pieces)), SURPRISAL, theme="dark")
        assert not figure.data
        assert "urprisal" in figure.layout.title.text
        assert figure.layout.annotations[0].text == "No token of this text is predicted."


def test_scatter_puts_a_across_and_b_up_with_the_line_between(comparison: ModelComparison) -> None:
    figure = unity.scatter(comparison, theme="light", marked=[3])
    points = figure.data[0]
    assert list(points.customdata) == [1, 2, 3]
    assert list(points.x) == [-1, -2, -4]
    assert list(points.y) == [-1, -1, -6]
    assert list(points.marker.color) == [0, 1, -2]
    assert points.marker.size[2] > points.marker.size[0]
    (line,) = figure.layout.shapes
    assert (line.x0, line.x1) == (line.y0, line.y1)
    assert figure.layout.xaxis.range == figure.layout.yaxis.range


def test_scatter_colours_run_from_a_to_b_evenly_around_zero(comparison: ModelComparison) -> None:
    marker = unity.scatter(comparison, theme="dark").data[0].marker
    assert marker.cmin == -marker.cmax
    assert marker.colorscale[0][1] == palette.palette("dark").diverging[0]


def test_divergence_shows_kl_and_js_of_predicted_tokens(comparison: ModelComparison) -> None:
    kl, js = unity.divergence(comparison, theme="light").data
    assert list(kl.y) == [0.0, 0.5, 0.25]
    assert list(js.y) == [0.0, 0.125, 0.1]
    assert list(kl.customdata) == [1, 2, 3]


def test_undefined_divergence_is_an_empty_figure_with_the_reason(comparison: ModelComparison) -> None:
    absent = dict.fromkeys(("kl_ab", "kl_ba", "js", "same_top1", "changed_ids", "changed_tokens"))
    other = dataclasses.replace(
        comparison,
        **absent,
        changed_log_probs_a=None,
        changed_log_probs_b=None,
        shared_vocabulary=False,
        kl_undefined_reason="The <two> vocabularies differ.",
    )
    figure = unity.divergence(other, theme="light")
    assert not figure.data
    assert figure.layout.annotations[0].text == "The &lt;two&gt; vocabularies differ."


def test_identical_models_give_a_scatter_without_division_by_zero(comparison: ModelComparison) -> None:
    same = dataclasses.replace(comparison, log_probs_b=comparison.log_probs_a.copy())
    marker = unity.scatter(same, theme="light").data[0].marker
    assert marker.cmax > 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_charts_take_their_text_colour_from_the_palette(theme: palette.Theme, four_tokens: TextScores) -> None:
    figure = series.per_token(four_tokens, SURPRISAL, theme=theme)
    assert figure.layout.font.color == palette.palette(theme).text
    assert figure.layout.font.family == base.FONT


def test_a_long_reason_is_broken_into_lines_that_a_chart_shows() -> None:
    """Plotly takes a line break for a space; only its own tag begins a line."""
    reason = "The tokenizers <of> these models cut the text at other places. " * 3
    text = base.empty("light", "Nothing", reason).layout.annotations[0].text
    lines = text.split("<br>")
    assert max(len(html.unescape(line)) for line in lines) <= 70
    assert html.unescape(" ".join(lines)) == reason.strip()

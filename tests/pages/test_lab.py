"""The information lab: every panel runs alone, shows the engine's numbers, and says what it cannot use."""

import json
import re
from html import unescape

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine import measures
from engine.lab import relations
from engine.models.loaded import LoadedModel
from engine.models.request import ModelRequest
from engine.steps import Progress, Steps
from tests import readings
from tests.pages.conftest import OpenApp
from ui import engine_access
from ui.lab import distributions, live_controls, neurons

TEXT = "The goal of a correlation analysis is to measure how strongly two variables move together, and no more. " * 3


def numbers(app: AppTest) -> dict[str, str]:
    """Live numbers on the page by their labels."""
    found: dict[str, str] = {}
    for block in app.get("html"):
        cells = re.findall(r"<dt>(.*?)</dt><dd>(.*?)<small>", block.proto.body)
        found.update({unescape(label): shown for label, shown in cells})
    return found


def html(app: AppTest) -> str:
    return " ".join(block.proto.body for block in app.get("html"))


def titles(app: AppTest) -> list[str]:
    return [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in app.get("plotly_chart")]


def mounted(app: AppTest, part: str) -> list[dict]:
    data = [json.loads(element.proto.json) for element in app.get("bidi_component")]
    return [one for one in data if part in one]


@pytest.mark.parametrize("panel", ["Distributions", "Gaussians", "Perplexity", "Entropy", "Mutual information"])
def test_every_part_of_every_panel_says_what_to_try(run_page: OpenApp, scored: list[tuple], panel: str) -> None:
    app = run_page("lab", panel=panel)
    assert not app.exception
    page = html(app)
    assert page.count('class="ls-try"') == page.count('class="ls-section"') >= 1
    assert titles(app)


def test_first_panel_shows_the_known_figures(run_page: OpenApp) -> None:
    app = run_page("lab")
    shown = numbers(app)
    assert shown["D(P‖Q)"] == "0.2008"
    assert shown["D(Q‖P)"] == "0.2274"
    assert shown["Jensen-Shannon"] == "0.0519"
    assert mounted(app, "p")[0]["p"] == [0.1, 0.2, 0.7]


def test_a_link_restores_bars_and_sliders(run_page: OpenApp) -> None:
    app = run_page("lab", p="0.5,0.5", q="0.25,0.75")
    assert numbers(app)["D(P‖Q)"] == f"{float(measures.kl_divergence([0.5, 0.5], [0.25, 0.75])):.4f}"
    app = run_page("lab", panel="Gaussians", m2="3", s2="0.5")
    expected = measures.gaussian_kl(measures.Gaussian(0, 1), measures.Gaussian(3, 0.5))
    assert numbers(app)["D(P‖Q), closed form"] == f"{expected:.4f}"


def test_infinity_is_said(run_page: OpenApp) -> None:
    app = run_page("lab", p="0.5,0.3,0.2", q="0.6,0.4,0")
    shown = numbers(app)
    assert shown["D(P‖Q)"] == "∞"
    assert shown["D(Q‖P)"] != "∞"
    assert shown["Cross-entropy H(P,Q)"] == "∞"


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ({"p": "0.5,0.6", "q": "0.5,0.5"}, "sums to 1\\.1"),
        ({"p": "1.5,-0.5", "q": "0.5,0.5"}, "negative"),
        ({"p": "nan,1", "q": "0.5,0.5"}, "NaN"),
        ({"p": "0.5,0.5", "q": "1"}, "2 to 8"),
        ({"p": "0.5,0.5"}, "2 outcomes and Q has 3"),
    ],
)
def test_bars_that_are_no_distribution_are_refused_in_one_sentence(run_page: OpenApp, link, said: str) -> None:
    app = run_page("lab", **link)
    assert not app.exception
    assert [said in warning.value.replace("\\", "") or said in warning.value for warning in app.warning] == [True]
    assert mounted(app, "p")[0]["p"] == distributions.HOME[0]


def test_typed_distributions_replace_the_bars(run_page: OpenApp) -> None:
    app = run_page("lab")
    app.text_input(key="kl_typed_p").set_value("1, 1, 2")
    app.text_input(key="kl_typed_q").set_value("1; 2; 1")
    app.checkbox(key="kl_scaled").check()
    app.button(key="kl_use").click().run()
    assert mounted(app, "p")[0]["p"] == [0.25, 0.25, 0.5]
    assert mounted(app, "p")[0]["epoch"] == 1
    assert numbers(app)["D(P‖Q)"] == f"{0.25 * np.log(2):.4f}"


@pytest.mark.parametrize(
    ("typed", "said"),
    [("0.5, 0.6", "sums to"), ("half, half", "not a number"), ("", "0 numbers"), ("1.5, -0.5", "negative")],
)
def test_typed_numbers_that_cannot_be_used_leave_the_bars(run_page: OpenApp, typed: str, said: str) -> None:
    app = run_page("lab")
    app.text_input(key="kl_typed_p").set_value(typed)
    app.text_input(key="kl_typed_q").set_value("0.5, 0.5")
    app.button(key="kl_use").click().run()
    assert len(app.warning) == 1
    assert said in app.warning[0].value
    assert mounted(app, "p")[0]["p"] == distributions.HOME[0]


@pytest.mark.parametrize("preset", distributions.PRESETS)
def test_every_preset_is_a_pair_of_distributions(run_page: OpenApp, preset: str) -> None:
    app = run_page("lab")
    app.selectbox(key="kl_preset").select(preset).run()
    assert not app.warning
    assert mounted(app, "p")[0]["q"] == distributions.PRESETS[preset][1]


def test_what_the_browser_sends_moves_the_page_unless_the_server_has_set_it_since(run_page: OpenApp) -> None:
    app = run_page("lab", panel="Gaussians")
    sent = {"m1": 0, "s1": 1, "m2": 0, "s2": 1, "draws": 1e9}
    app.session_state["gauss_pair"] = {"values": {"epoch": 0, "stamp": 5, "values": sent}}
    app.run()
    assert numbers(app)["D(P‖Q), closed form"] == "0.0000"
    group = next(one for one in mounted(app, "sliders") if one["sliders"][0]["name"] == "m1")
    assert group["seen"] == 5
    assert group["sliders"][-1]["value"] == 20_000
    app.session_state["gauss_pair"] = {"values": {"epoch": 7, "stamp": 6, "values": {**sent, "m2": 2}}}
    app.run()
    assert numbers(app)["D(P‖Q), closed form"] == "0.0000"


def test_sliders_ignore_what_is_no_number(run_page: OpenApp) -> None:
    app = run_page("lab", panel="Gaussians", m2="x", s2="nan", s1="99")
    group = next(one for one in mounted(app, "sliders") if one["sliders"][0]["name"] == "m1")
    values = {slider["name"]: slider["value"] for slider in group["sliders"]}
    assert (values["m2"], values["s2"], values["s1"]) == (1, 2, 3)


@pytest.mark.parametrize("relation", [relation.name for relation in relations.RELATIONS])
def test_every_relation_shows_its_exact_information(run_page: OpenApp, relation: str) -> None:
    title = relations.relation(relation).title
    app = run_page("lab", panel="Mutual information", relation=title)
    assert not app.exception
    assert app.selectbox(key="relation").value == relation
    assert numbers(app)["Exact"] == f"{relations.exact_mutual_information(relation, 0.2):.4f}"


def test_the_page_names_the_samples_at_which_nothing_looks_like_half_a_nat(run_page: OpenApp) -> None:
    app = run_page("lab", panel="Mutual information")
    found = re.search(r"0\.5 nats at n = (\d+) and 0\.4 at n = (\d+)", html(app))
    assert found is not None
    few, many = (int(number) for number in found.groups())
    assert 200 < few < many < 320


def test_perplexity_and_its_slips_are_those_of_the_scored_text(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("lab", panel="Perplexity")
    reading = readings.reading(scored[0][2])
    shown = numbers(app)
    assert shown["Perplexity"] == f"{reading.perplexity:.2f}"
    bases = next(
        json.loads(c.proto.spec)
        for c in app.get("plotly_chart")
        if "slip" in json.loads(c.proto.spec)["layout"]["title"]["text"]
    )
    nats = -reading.mean_log_prob
    values = [float(text.replace(",", "")) for text in bases["data"][0]["text"]]
    assert values == pytest.approx([np.exp(nats), np.exp(nats), 2**nats, np.exp(nats / np.log(2))], abs=0.01)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_gpt2: LoadedModel) -> LoadedModel:
    """The tiny model in place of any that a page asks for."""

    class Pool:
        def load_steps(self, asked: ModelRequest) -> Steps[LoadedModel]:
            yield Progress("Loading")
            return tiny_gpt2

    monkeypatch.setattr(engine_access, "pool", Pool)
    return tiny_gpt2


def test_two_models_at_one_position_are_compared_over_the_whole_vocabulary(
    run_page: OpenApp, tiny: LoadedModel
) -> None:
    app = run_page("lab", two_models="true")
    assert not app.exception
    shown = numbers(app)
    assert shown["D(P‖Q), whole vocabulary"] == "0.0000"
    assert "<mark> analysis</mark>" in html(app)


def test_markup_in_the_sentence_stays_text(run_page: OpenApp, tiny: LoadedModel) -> None:
    app = run_page("lab", two_models="true")
    app.text_input(key="pair_text").set_value("<b>x</b> <img src=y> and some more words").run()
    assert "<img" not in html(app)
    assert "&lt;" in html(app)


def test_an_empty_sentence_is_refused(run_page: OpenApp, tiny: LoadedModel) -> None:
    app = run_page("lab", two_models="true")
    app.text_input(key="pair_text").set_value("").run()
    assert len(app.warning) == 1
    assert "empty" in app.warning[0].value


def test_teacher_and_student_are_softened_by_the_slider(
    run_page: OpenApp, scored: list[tuple], tiny: LoadedModel
) -> None:
    app = run_page("lab", panel="Perplexity", teacher="true", temperature="10")
    assert not app.exception
    assert float(numbers(app)["Entropy of the teacher"]) == pytest.approx(np.log(tiny.vocab_size), abs=0.01)


def test_neurons_are_measured_when_asked_for(run_page: OpenApp, tiny: LoadedModel) -> None:
    app = run_page("lab", panel="In the model")
    assert not titles(app)
    app.button(key="neuron_measure").click().run()
    assert not app.exception
    assert len(titles(app)) == 7
    assert 0 < float(numbers(app)["Median entropy of a neuron"]) < np.log(8)


def test_neurons_of_a_text_that_is_too_short_are_refused(run_page: OpenApp, tiny: LoadedModel) -> None:
    app = run_page("lab", panel="In the model")
    app.number_input(key="nlayer").set_value(50)
    app.button(key="neuron_measure").click().run()
    assert len(app.warning) == 1
    assert "no layer 50" in app.warning[0].value.replace("\\", "")


def test_pairs_that_covariance_misses_most_come_first(tiny_gpt2: LoadedModel) -> None:
    from engine import steps
    from engine.lab.neurons import Settings, neuron_information_steps

    result = steps.run(neuron_information_steps(tiny_gpt2, TEXT, Settings(neurons=10, nearest_pairs=0)))
    pairs = neurons.most_missed(result, 5)
    missed = [result.above_baseline[pair] - result.from_correlation[pair] for pair in pairs]
    assert missed == sorted(missed, reverse=True)
    assert missed[0] == pytest.approx(np.nanmax(result.above_baseline - result.from_correlation))


def test_numbers_in_a_link_are_read_or_ignored_as_a_whole() -> None:
    assert live_controls.parsed_numbers("0.1 0.2;0.7") == [0.1, 0.2, 0.7]
    assert live_controls.parsed_numbers("0.1, oops") == []
    assert live_controls.parsed_numbers("") == []

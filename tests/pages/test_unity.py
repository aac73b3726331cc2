"""The page of two models: what is compared, what is shown where no KL is defined, exchanging the models."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from engine import errors
from engine.models.request import ModelRequest
from tests import readings
from tests.pages.conftest import OpenApp
from ui import engine_access, examples


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Replaces comparing by numbers made by hand; a scratch model has another vocabulary."""
    asked: list[tuple] = []

    def compare_models(a: ModelRequest, b: ModelRequest, text: str, **settings: object):
        asked.append((a, b, text, settings))
        return readings.comparison(text, shared=a.name == b.name)

    monkeypatch.setattr(engine_access, "compare_models", compare_models)
    return asked


def charts(app: AppTest) -> dict[str, dict]:
    found = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    return {chart["layout"]["title"]["text"]: chart for chart in found}


def strips(app: AppTest) -> dict[str, dict]:
    """Payload of each strip and remote by its key."""
    found = [json.loads(element.proto.json) for element in app.get("bidi_component")]
    keyed = {data["options"]["key"]: data for data in found if "options" in data}
    return keyed | {f"{data['key']}-remote": data for data in found if data.get("kind") == "remote"}


def test_default_is_the_embedded_model_against_its_own_four_bits(run_page: OpenApp, compared: list[tuple]) -> None:
    app = run_page("unity")
    assert not app.exception
    embedded = "smollm2-135m"
    assert [asked[:3] for asked in compared] == [
        (ModelRequest(embedded), ModelRequest(embedded, "nf4"), examples.examples()[0].text)
    ]
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Pearson"] == "0.500"
    assert metrics["B expects more"] == "40 %"
    assert "Per character" not in metrics
    assert "Mean KL(A‖B)" in metrics
    assert any("not more confident on every token" in caption.value for caption in app.caption)


def test_different_vocabularies_give_the_reason_instead_of_kl(run_page: OpenApp, compared: list[tuple]) -> None:
    app = run_page("unity", b="scratch-gpt2", b_precision="float32")
    assert not app.exception
    assert compared[0][1] == ModelRequest("scratch-gpt2", "float32")
    assert "Mean KL(A‖B)" not in {metric.label for metric in app.metric}
    assert "Per character" in {metric.label for metric in app.metric}
    assert "length alone correlates" in next(metric.help for metric in app.metric if metric.label == "Pearson")
    divergence = charts(app)["How far apart the predictions are"]
    assert not divergence["data"]
    assert divergence["layout"]["annotations"][0]["text"] == "The vocabularies differ."


def test_how_the_text_is_read_reaches_the_engine_and_the_link(run_page: OpenApp, compared: list[tuple]) -> None:
    app = run_page("unity")
    assert compared[-1][3] == {"bos": "auto", "special_tokens": False, "common_tokens": False}
    app.segmented_control(key="bos").set_value("off")
    app.toggle(key="special").set_value(True)
    app.toggle(key="common").set_value(True)
    app.run()
    assert compared[-1][3] == {"bos": "off", "special_tokens": True, "common_tokens": True}
    shown = [json.loads(element.proto.json) for element in app.get("bidi_component")]
    given = next(data for data in shown if "params" in data)["params"]
    assert (given["bos"], given["special"], given["common"]) == ("off", "true", "true")


@pytest.mark.parametrize(
    ("in_a", "in_b", "said"),
    [
        (("<s>",), ("<s>",), "Both opened with <s>, as the models' tokenizers do."),
        (
            ("<s>",),
            (),
            "A opened with <s>, as SmolLM2 135M Instruct's tokenizer does. "
            "B opened with nothing in front, as SmolLM2 135M Instruct's tokenizer does.",
        ),
        ((), (), ""),
    ],
)
def test_what_stood_in_front_of_either_model_is_said(
    run_page: OpenApp, monkeypatch: pytest.MonkeyPatch, in_a: tuple[str, ...], in_b: tuple[str, ...], said: str
) -> None:
    both = readings.comparison(readings.ENGLISH)
    a, b = (replace(scores, bos="auto", opening_tokens=tokens) for scores, tokens in ((both.a, in_a), (both.b, in_b)))
    monkeypatch.setattr(engine_access, "compare_models", lambda *_asked, **_settings: replace(both, a=a, b=b))
    captions = [caption.value.replace("\\", "") for caption in run_page("unity").caption]
    assert [caption for caption in captions if "opened" in caption] == ([said] if said else [])


def test_swap_exchanges_models_and_precisions(run_page: OpenApp, compared: list[tuple]) -> None:
    app = run_page("unity", a="scratch-gpt2", a_precision="float32")
    app.button(key="swap").click().run()
    before, after = compared[0], compared[-1]
    assert (after[0], after[1]) == (before[1], before[0])


def test_selected_pieces_are_marked_in_all_three_strips(run_page: OpenApp, compared: list[tuple]) -> None:
    app = run_page("unity")
    selection = app.session_state["unity_selection"]
    selection.tokens, selection.source = (3, 5), "scatter"
    app.run()
    shown = strips(app)
    for key in ("unity_difference", "unity_a", "unity_b"):
        assert shown[f"{key}-remote"]["highlight"] == [3, 5]


def test_table_is_sorted_by_difference(run_page: OpenApp, compared: list[tuple]) -> None:
    app = run_page("unity")
    differences = app.dataframe[0].value["difference"].abs().to_numpy()
    assert (differences[:-1] >= differences[1:]).all()


def test_refusal_is_shown_and_the_controls_stay(
    run_page: OpenApp, refused: Callable[[errors.EngineError], None]
) -> None:
    refused(errors.ComparisonError("The two readings share no border."))
    app = run_page("unity")
    assert app.error[0].value.replace("\\", "") == "The two readings share no border."
    assert app.button(key="swap")
    assert not app.exception

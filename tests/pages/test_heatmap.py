"""The heatmap page: what it asks of the engine, what it shows, what it says when it cannot."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine import errors
from engine.models.opening import Bos
from tests import readings
from tests.pages.conftest import OpenApp
from ui import engine_access, examples
from ui.figures import series


def strip_payloads(app: AppTest) -> list[dict]:
    return [json.loads(element.proto.json) for element in app.get("bidi_component")]


def strip_text(app: AppTest) -> str:
    payload = next(data for data in strip_payloads(app) if data.get("kind") == "scores")
    return "".join(payload["strings"][index] for index in payload["cell_text"])


def figures(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def test_first_paint_is_the_first_example_scored(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("heatmap")
    assert not app.exception
    (asked,) = scored
    assert asked[:3] == ("smollm2-135m", "auto", examples.examples()[0].text)
    assert app.metric[0].label == "Tokens"
    assert int(app.metric[0].value) == len(readings.reading(asked[2]))
    titles = [figure["layout"]["title"]["text"] for figure in figures(app)]
    assert titles == ["Surprisal along the text", "Distribution of surprisal"]


def test_charts_wait_until_the_strip_is_drawn(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("heatmap")
    app.session_state["heatmap_strip"] = {"drawn": False}
    app.run()
    assert strip_text(app) == examples.examples()[0].text
    assert not figures(app)


def test_link_restores_model_precision_and_example(run_page: OpenApp, scored: list[tuple]) -> None:
    run_page("heatmap", text="facts", model="scratch-gpt2", precision="nf4")
    story = next(example.text for example in examples.examples() if example.name == "facts")
    assert scored[0][:3] == ("scratch-gpt2", "nf4", story)


def test_link_with_nonsense_falls_back_to_the_defaults(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("heatmap", text="../../etc/passwd", model="/etc", precision="float7")
    assert not app.exception
    assert scored[0][:3] == ("smollm2-135m", "auto", examples.examples()[0].text)


def test_own_text_is_scored_when_the_button_is_pressed(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("heatmap", text="own")
    assert not scored
    app.text_area(key="own_draft").set_value(readings.MARKUP)
    app.button[0].click().run()
    assert scored[-1][2] == readings.MARKUP
    assert not app.exception
    shown = [element.value for element in app.markdown] + [element.value for element in app.caption]
    assert not any("__pwned" in text for text in shown)
    link = next(data for data in strip_payloads(app) if "params" in data)
    assert link["params"]["text"] == "own"
    assert "__pwned" not in json.dumps(link)


def test_uploaded_utf16_file_is_read_and_scored(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("heatmap", text="own")
    app.file_uploader(key="own_file").upload("a.txt", "Größe ½".encode("utf-16"), "text/plain")
    app.run()
    assert scored[-1][2] == "Größe ½"
    assert app.text_area(key="own_draft").value == "Größe ½"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "PNG image"),
        (b"x" * 1_000_000, "1,000,000 characters"),
        (b"", "empty"),
    ],
)
def test_unusable_file_is_refused_in_one_sentence(
    run_page: OpenApp, scored: list[tuple], content: bytes, says: str
) -> None:
    app = run_page("heatmap", text="own")
    app.file_uploader(key="own_file").upload("a.txt", content, "text/plain")
    app.run()
    assert not app.exception
    assert not scored
    assert says in app.warning[0].value.replace("\\", "")


def test_options_reach_the_engine(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("heatmap")
    app.segmented_control(key="bos").set_value("on")
    app.toggle(key="special").set_value(True)
    app.number_input(key="window").set_value(64)
    app.number_input(key="stride").set_value(32)
    app.run()
    assert scored[-1][3] == {"bos": "on", "special_tokens": True, "window": 64, "stride": 32}


@pytest.mark.parametrize(
    ("link", "bos", "special"),
    [
        ({}, "auto", False),
        ({"bos": "off", "special": "true"}, "off", True),
        ({"bos": "true"}, "on", False),  # what a link of the first version said
        ({"bos": "<b>", "special": "maybe"}, "auto", False),
    ],
)
def test_a_link_says_how_the_text_is_read(
    run_page: OpenApp, scored: list[tuple], link: dict[str, str], bos: str, special: bool
) -> None:
    app = run_page("heatmap", **link)
    assert not app.exception
    assert (scored[-1][3]["bos"], scored[-1][3]["special_tokens"]) == (bos, special)
    given = next(data for data in strip_payloads(app) if "params" in data)["params"]
    expected = ({} if bos == "auto" else {"bos": bos}) | ({"special": "true"} if special else {})
    assert {name: value for name, value in given.items() if name in {"bos", "special"}} == expected


@pytest.mark.parametrize(
    ("bos", "said"),
    [
        ("auto", "Opened with <s>, as SmolLM2 135M Instruct's tokenizer does."),
        ("on", "Opened with <s>, as the option asks."),
    ],
)
def test_what_stood_in_front_is_said_under_the_strip(
    run_page: OpenApp, monkeypatch: pytest.MonkeyPatch, bos: Bos, said: str
) -> None:
    opened = replace(readings.reading(readings.ENGLISH, first_predicted=True), bos=bos)
    monkeypatch.setattr(engine_access, "score_text", lambda *_asked, **_settings: opened)
    app = run_page("heatmap")
    assert said in [caption.value.replace("\\", "") for caption in app.caption]


def test_nothing_is_said_of_openings_where_there_was_none(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("heatmap")
    assert not any("Opened" in caption.value for caption in app.caption)


def test_tied_ranks_are_spelt_out_in_the_table(run_page: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = readings.reading(readings.ENGLISH)
    ties = np.zeros(len(scores), dtype=np.int64)
    ties[3] = 2
    for found in (replace(scores, ties=ties), scores):
        monkeypatch.setattr(engine_access, "score_text", lambda *_asked, found=found, **_settings: found)
        table = run_page("heatmap").dataframe[0].value
        if found is scores:
            assert "tied" not in table
            continue
        rank = int(scores.ranks[3])
        assert table.loc[3, "tied"] == f"{rank:,} to {rank + 2:,} (tied)"
        assert set(table["tied"].drop(3)) == {""}
        assert table.loc[3, "rank"] == rank


def test_selected_tokens_are_marked_in_the_strip_and_in_the_other_chart(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("heatmap")
    selection = app.session_state["heatmap_selection"]
    selection.tokens, selection.source = (3, 5), "line"
    app.run()
    remote = next(data for data in strip_payloads(app) if data.get("kind") == "remote")
    assert remote["highlight"] == [3, 5]
    marked, _ = figures(app)[1]["data"]
    assert sum(marked["y"]) == 2


@pytest.mark.parametrize("name", ["log_prob", "rank", "entropy"])
def test_charts_show_the_chosen_value(run_page: OpenApp, scored: list[tuple], name: str) -> None:
    app = run_page("heatmap")
    app.segmented_control(key="chart_value").set_value(name)
    app.run()
    assert figures(app)[0]["layout"]["yaxis"]["title"]["text"] == series.QUANTITIES[name].axis


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.TextError("The text is empty. <b> ![](http://x/y.png)"), "warning"),
        (errors.ModelAbsentError("gpt2 is not on this machine."), "error"),
        (errors.Cancelled("Stopped."), "info"),
        (errors.MemoryBudgetError("It needs 5 GB."), "error"),
    ],
)
def test_what_the_engine_refuses_is_said_as_it_is(
    run_page: OpenApp, refused: Callable[[errors.EngineError], None], error: errors.EngineError, kind: str
) -> None:
    refused(error)
    app = run_page("heatmap")
    assert not app.exception
    (message,) = getattr(app, kind)
    assert message.value.replace("\\", "") == str(error)
    assert "](" not in message.value


def test_text_of_one_token_is_drawn_with_care(run_page: OpenApp, scored: list[tuple]) -> None:
    app = run_page("heatmap", text="own")
    app.text_area(key="own_draft").set_value("Hello")
    app.button[0].click().run()
    assert not app.exception
    assert strip_text(app) == "Hello"
    assert [metric.value for metric in app.metric][:2] == ["1", "none"]
    assert all(not figure["data"] for figure in figures(app))

"""One selection per page: the last part touched decides, and another result starts afresh."""

import pandas as pd
import plotly.graph_objects as go
import pytest
import streamlit as st

from ui import selection
from ui.figures import series


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> dict:
    values: dict = {}
    monkeypatch.setattr(st, "session_state", values)
    return values


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    calls: list[tuple] = []
    monkeypatch.setattr(st, "plotly_chart", lambda figure, **options: calls.append((figure, options)))
    monkeypatch.setattr(st, "dataframe", lambda frame, **options: calls.append((frame, options)))
    return calls


def draw(marked: tuple[int, ...]) -> go.Figure:
    return go.Figure(layout_title_text=str(marked))


def select_points(state: dict, options: dict, *customdata: object) -> None:
    state[options["key"]] = {"selection": {"points": [{"customdata": value} for value in customdata]}}
    options["on_select"]()


def test_selecting_in_a_chart_marks_the_other_but_leaves_its_own_figure(state: dict, drawn: list[tuple]) -> None:
    selection.chart("page", "line", draw, lambda token: [token], alt="")
    select_points(state, drawn[0][1], 4, 2, 4)
    assert selection.current("page").tokens == (2, 4)
    for part in ("line", "bars"):
        selection.chart("page", part, draw, lambda token: [token], alt="")
    assert [figure.layout.title.text for figure, _ in drawn[1:]] == ["()", "(2, 4)"]


def test_emptying_a_selection_marks_nothing(state: dict, drawn: list[tuple]) -> None:
    selection.chart("page", "line", draw, lambda token: [token], alt="")
    select_points(state, drawn[0][1], 4)
    select_points(state, drawn[0][1])
    assert selection.current("page").tokens == ()


def test_clicking_a_token_hands_the_selection_to_every_chart(state: dict, drawn: list[tuple]) -> None:
    selection.chart("page", "line", draw, lambda token: [token], alt="")
    select_points(state, drawn[0][1], 4)
    selection.click("page", 7)
    selection.chart("page", "line", draw, lambda token: [token], alt="")
    assert drawn[1][0].layout.title.text == "(4,)"
    assert selection.current("page").clicked == 7


def test_another_result_starts_with_nothing_selected(state: dict) -> None:
    selection.current("page", about="first").tokens = (1,)
    assert selection.current("page", about="first").tokens == (1,)
    assert selection.current("page", about="second").tokens == ()


def test_rows_select_the_tokens_of_the_frames_index_until_a_chart_is_touched(state: dict, drawn: list[tuple]) -> None:
    frame = pd.DataFrame({"token": ["a", "b", "c"]}, index=[9, 5, 7])
    selection.table("page", "table", frame, {})
    key = drawn[0][1]["key"]
    state[key] = {"selection": {"rows": [0, 2]}}
    drawn[0][1]["on_select"]()
    assert selection.current("page").tokens == (7, 9)
    selection.table("page", "table", frame, {})
    assert drawn[1][1]["key"] == key
    selection.chart("page", "line", draw, lambda token: [token], alt="")
    select_points(state, drawn[2][1], 1)
    selection.table("page", "table", frame, {})
    assert drawn[3][1]["key"] != key  # a new table, in which nothing is selected


def test_a_bar_of_the_histogram_stands_for_the_tokens_it_counts(four_tokens) -> None:
    surprisal = series.QUANTITIES["surprisal"]
    bars = series.histogram(four_tokens, surprisal, theme="light").data[1]
    found = [token for bar in bars.customdata for token in series.tokens_in_bin(four_tokens, surprisal, bar)]
    assert sorted(found) == [1, 2, 3]

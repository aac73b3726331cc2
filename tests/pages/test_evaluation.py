"""The divergence page on runs computed ahead with a tiny model: what is shown, opened, refused, kept."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine import steps
from engine.evaluation import divergence, hellaswag, kinds, mauve, runner
from engine.evaluation.corpora.corpus import read_corpus
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.runs import planning
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run, RunStore
from engine.models.loaded import LoadedModel
from engine.models.request import ModelRequest
from engine.steps import Progress, Steps
from tests.pages.conftest import OpenApp
from ui import engine_access
from ui.evaluation import runs

PAIR = list(engine_access.PAIR)


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOGITSCOPE_DATA", str(tmp_path))


@pytest.fixture
def finished(tiny_gpt2: LoadedModel):  # type: ignore[no-untyped-def]
    """`finished(plan)` does a run with the tiny model whatever it names."""

    def load(asked: ModelRequest) -> Steps[LoadedModel]:
        yield Progress("Loading")
        return tiny_gpt2

    def do(plan: Plan) -> Run:
        store = RunStore()
        return steps.run(runner.run_steps(store, store.begin(plan).id, load))

    return do


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What the page begins: it is kept, and not done."""
    found: list[Plan] = []

    def start(plan: Plan) -> Run:
        found.append(plan)
        return runs.store().begin(plan)

    monkeypatch.setattr(runs, "start", start)
    return found


def example() -> Plan:
    return divergence.plan(*PAIR, runs.own_corpus())


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def strips(app: AppTest) -> list[dict]:
    found = [json.loads(element.proto.json) for element in app.get("bidi_component")]
    return [data for data in found if "options" in data]


def test_the_first_view_is_a_finished_example_with_a_token_open(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    finished(example())
    app = run_page("evaluation")
    assert not app.exception
    assert metrics(app)["Mean KL"] == "0"
    assert metrics(app)["Same first guess"] == "100 %"
    numbers, tokens = app.dataframe[0].value, app.dataframe[1].value
    assert "99.0% KL" in numbers["number"].tolist()
    assert numbers.columns.tolist() == ["number", "value", "by_text", "interval", "by_token"]
    assert any("Only 8 texts" in warning.value for warning in app.warning)
    assert any("Trust ± by text" in caption.value for caption in app.caption)
    assert any("split into paragraphs have a higher perplexity" in caption.value for caption in app.caption)
    assert len(tokens) == 12
    (strip,) = strips(app)
    assert strip["kind"] == "comparison"
    assert strip["options"]["view"] == {"colour": "kl"}


def test_what_a_run_was_given_is_read_once_however_often_the_page_is_touched(
    run_page: OpenApp,
    finished,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finished(example())
    read: list[str] = []
    plain = RunStore.inputs
    monkeypatch.setattr(RunStore, "inputs", lambda store, run_id: read.append(run_id) or plain(store, run_id))
    app = run_page("evaluation")
    touched = len(read)
    app.run()
    app.run()
    assert len(strips(app)) == 1
    assert 0 < touched <= 2  # for the result, and for its tokens
    assert len(read) == touched


def test_a_link_to_a_run_opens_its_view_and_its_models(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    items = [HellaSwagItem(f"Context {n}", ("a", "b b", "c", "d"), n % 4) for n in range(5)]
    models = [ModelRequest("scratch-gpt2", "float32"), ModelRequest("scratch-gpt2", "nf4")]
    run = finished(hellaswag.plan(models, items))
    app = run_page("evaluation", run=run.id)
    assert not app.exception
    assert app.session_state["view"] == "hellaswag"
    assert app.session_state["candidate_precision"] == "nf4"
    assert any("McNemar" in caption.value for caption in app.caption)
    assert any("No question differs; with 5 questions" in caption.value for caption in app.caption)
    assert len(app.dataframe[0].value) == 5


def test_looking_and_choosing_leave_the_store_empty(run_page: OpenApp, begun: list[Plan]) -> None:
    app = run_page("evaluation", view="mauve")
    app.selectbox(key="candidate_precision").set_value("int8").run()
    for view in ("divergence", "hellaswag", "glance", "runs"):
        app.segmented_control(key="view").set_value(view).run()
        if view != "runs":
            for precision in ("float32", "nf4", "int8"):
                app.selectbox(key="base_precision").set_value(precision).run()
        assert not app.exception
        run_page("evaluation", **{name: "".join(value) for name, value in app.query_params.items()})  # as a reload does
    app.segmented_control(key="view").set_value("hellaswag").run()
    app.segmented_control(key="run_bos").set_value("off").run()
    assert "Not evaluated yet" in " ".join(element.proto.body for element in app.get("html"))
    assert begun == []
    assert RunStore().runs() == ()


@pytest.mark.parametrize("view", ["divergence", "hellaswag"])
def test_the_example_of_the_first_view_is_begun_since_it_is_computed(
    run_page: OpenApp, begun: list[Plan], view: str
) -> None:
    run_page("evaluation", view=view)
    (run,) = RunStore().runs()
    assert [plan.id for plan in begun] == [run.id]
    assert run.kind == view
    assert kinds.models_of(run) == PAIR


def test_a_link_from_before_the_view_was_renamed_still_opens_it(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    finished(example())
    app = run_page("evaluation", view="corpus")
    assert app.session_state["view"] == "divergence"
    assert metrics(app)["Mean KL"] == "0"


def test_a_run_stands_only_under_the_way_its_texts_were_read(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    run = finished(divergence.plan(*PAIR, runs.own_corpus(), bos="on"))
    app = run_page("evaluation", run=run.id)
    assert not app.exception
    assert app.segmented_control(key="run_bos").value == "on"
    assert metrics(app)["Mean KL"] == "0"
    assert any("Every text opened with" in caption.value for caption in app.caption)
    app.segmented_control(key="run_bos").set_value("off").run()
    assert not app.exception
    assert "run" not in app.query_params
    assert "Mean KL" not in metrics(app)
    assert "Not compared yet" in " ".join(element.proto.body for element in app.get("html"))


def test_a_run_of_the_first_version_opens_as_read_without_an_opening_token(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    first = {"base": [PAIR[0].name, PAIR[0].precision], "candidate": [PAIR[1].name, PAIR[1].precision]}
    settings = {**first, "window": None, "stride": None}
    corpus = runs.own_corpus()
    old = Plan(
        planning.run_id("divergence", settings, corpus.digest),
        "divergence",
        "An old run",
        settings,
        list(corpus.texts),
        corpus.digest,
    )
    app = run_page("evaluation", run=finished(old).id)
    assert not app.exception
    assert app.segmented_control(key="run_bos").value == "off"
    assert metrics(app)["Mean KL"] == "0"
    assert app.query_params["run"] == old.id


def test_the_chosen_reading_is_part_of_the_run_that_is_begun(run_page: OpenApp, finished, begun: list[Plan]) -> None:  # type: ignore[no-untyped-def]
    finished(example())
    app = run_page("evaluation")
    app.segmented_control(key="run_bos").set_value("on")
    app.toggle(key="run_special").set_value(True).run()
    app.button(key="compare").click().run()
    assert (begun[-1].settings["bos"], begun[-1].settings["special_tokens"]) == ("on", True)


def test_questions_stand_only_under_the_opening_they_were_put_with(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    run = finished(hellaswag.plan(PAIR, runs.own_items(), bos="on"))
    app = run_page("evaluation", run=run.id)
    assert not app.exception
    assert app.segmented_control(key="run_bos").value == "on"
    assert any("Every text opened with" in caption.value for caption in app.caption)
    app.segmented_control(key="run_bos").set_value("off").run()
    assert "run" not in app.query_params
    assert "Not evaluated yet" in " ".join(element.proto.body for element in app.get("html"))


def test_the_opening_is_part_of_the_crowds_that_are_compared(run_page: OpenApp, begun: list[Plan]) -> None:
    app = run_page("evaluation", view="mauve")
    app.segmented_control(key="run_bos").set_value("off")
    app.text_area(key="mauve_texts_typed").set_value("\n\n".join(f"Text number {n}." for n in range(100))).run()
    app.button(key="mauve_texts_go").click().run()
    assert not app.exception
    assert begun[-1].settings["bos"] == "off"


def test_choosing_another_pair_leaves_the_run(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    run = finished(example())
    app = run_page("evaluation", run=run.id)
    app.selectbox(key="candidate_precision").set_value("float32").run()
    assert not app.exception
    assert "run" not in app.query_params
    assert "Mean KL" not in metrics(app)


def test_a_run_that_is_no_longer_kept_is_said(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    finished(example())
    app = run_page("evaluation", run="0123456789abcdef")
    assert any("no longer kept" in info.value for info in app.info)
    assert metrics(app)["Mean KL"] == "0"


def test_a_stopped_run_says_what_is_kept_and_can_go_on(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    corpus = read_corpus("One text that is long enough.\n\nAnother text.")
    run = RunStore().begin(divergence.plan(*PAIR, corpus))
    app = run_page("evaluation", run=run.id)
    assert not app.exception
    assert app.button(key="continue_run")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("", "corpus is empty"), ('{"text": "a"}\n{"x": 1}', "Line 2 lacks a 'text'")],
)
def test_a_corpus_that_cannot_be_used_is_refused_in_place(run_page: OpenApp, finished, typed: str, said: str) -> None:  # type: ignore[no-untyped-def]
    finished(example())
    app = run_page("evaluation")
    app.segmented_control(key="corpus").set_value("own").run()
    app.text_area(key="corpus_typed").set_value(typed).run()
    app.button(key="corpus_go").click().run()
    assert said in app.warning[0].value.replace("\\", "")
    assert not app.exception


UPLOADS = [
    ("a.csv", "id,text\n1,One text.\n2,Another text.\n".encode("utf-16"), 'Read as CSV, column "text"; UTF-16.'),
    ("a.json", b'[{"body": "One text."}, {"body": "Another text."}]', 'Read as JSON, key "body"; UTF-8.'),
    (
        "a.parquet",
        pd.DataFrame({"text": ["One text.", "Another text."]}).to_parquet(),
        'Read as Parquet, column "text".',
    ),
]


@pytest.mark.parametrize(("name", "content", "said"), UPLOADS, ids=[name for name, _, _ in UPLOADS])
def test_a_table_is_uploaded_as_its_texts_and_the_page_says_how_it_was_read(
    run_page: OpenApp,
    finished,  # type: ignore[no-untyped-def]
    name: str,
    content: bytes,
    said: str,
    begun: list[Plan],
) -> None:
    finished(example())
    app = run_page("evaluation")
    app.segmented_control(key="corpus").set_value("own").run()
    app.file_uploader(key="corpus_file").upload(name, content, "application/octet-stream")
    app.button(key="corpus_go").click().run()
    assert not app.exception
    assert begun[0].inputs == ["One text.", "Another text."]
    assert said in [caption.value.replace("\\", "") for caption in app.caption]
    again = run_page("evaluation", run=begun[0].id)  # another session opens the run
    assert said in [caption.value.replace("\\", "") for caption in again.caption]


def test_a_column_that_is_not_clear_can_be_chosen(
    run_page: OpenApp,
    finished,  # type: ignore[no-untyped-def]
    begun: list[Plan],
) -> None:
    finished(example())
    app = run_page("evaluation")
    app.segmented_control(key="corpus").set_value("own").run()
    table = b"question,answer\nWhy?,Because.\n"
    app.file_uploader(key="corpus_file").upload("a.csv", table, "text/csv")
    app.button(key="corpus_go").click().run()
    assert "there are 'question', 'answer'" in app.warning[0].value.replace("\\", "")
    app.selectbox(key="corpus_column").set_value("answer").run()
    app.button(key="corpus_go").click().run()
    assert not app.exception
    assert begun[0].inputs == ["Because."]
    app.file_uploader(key="corpus_file").upload("b.txt", b"Another file.", "text/plain")  # asks for no column
    app.button(key="corpus_go").click().run()
    assert begun[1].inputs == ["Another file."]
    assert "corpus_column" not in [box.key for box in app.selectbox]


def test_the_column_of_each_of_two_sets_can_be_chosen(run_page: OpenApp, begun: list[Plan]) -> None:
    app = run_page("evaluation", view="mauve")
    app.segmented_control(key="mauve_source").set_value("sets").run()
    for key, other in (("mauve_human", "reply"), ("mauve_other", "answer")):
        rows = "".join(f"{key} {number},no text\n" for number in range(100))
        app.file_uploader(key=f"{key}_file").upload("same.csv", f"question,{other}\n{rows}".encode(), "text/csv")
    for key in ("mauve_human", "mauve_other"):
        app.button(key="mauve_sets_go").click().run()
        assert "Call the one that holds the texts" in app.warning[0].value.replace("\\", "")
        app.selectbox(key=f"{key}_column").set_value("question").run()
    app.button(key="mauve_sets_go").click().run()
    assert not app.exception
    assert begun[0].inputs["human"][:2] == ["mauve_human 0", "mauve_human 1"]
    assert begun[0].inputs["other"][-1] == "mauve_other 99"
    said = [caption.value.replace("\\", "") for caption in app.caption]
    assert 'Read as CSV, column "question"; UTF-8.' in said


def test_an_item_that_cannot_be_used_is_left_out_and_the_page_says_so(
    run_page: OpenApp,
    finished,  # type: ignore[no-untyped-def]
    begun: list[Plan],
) -> None:
    finished(hellaswag.plan(PAIR, runs.own_items()))
    app = run_page("evaluation", view="hellaswag")
    app.segmented_control(key="items").set_value("own").run()
    item = {"ctx": "c", "endings": ["a", "b", "c", "d"], "label": 0}
    app.text_area(key="items_typed").set_value(json.dumps(item) + "\n" + json.dumps({**item, "label": 5}))
    app.button(key="items_go").click().run()
    assert not app.exception
    assert len(begun[0].inputs) == 1
    assert any("1 of 2 items is left out" in caption.value for caption in app.caption)


def test_malformed_items_are_refused_with_their_line(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    finished(hellaswag.plan(PAIR, runs.own_items()))
    app = run_page("evaluation", view="hellaswag")
    app.segmented_control(key="items").set_value("own").run()
    app.text_area(key="items_typed").set_value('{"ctx": "c", "endings": ["a", "b", "c", "d"]}').run()
    app.button(key="items_go").click().run()
    assert "Line 1 lacks 'label'" in app.warning[0].value.replace("\\", "")


def test_mauve_shows_a_score_with_its_error_and_its_warning(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["red", "blue", "walks", "a", "the", "tree"], 12)) for _ in range(220)]
    run = finished(mauve.plan(PAIR[0], texts[:110], other=texts[110:], seeds=2))
    app = run_page("evaluation", run=run.id)
    assert not app.exception
    assert "±" in metrics(app)["MAUVE: Given set"]
    assert "±" in metrics(app)["Human against human"]
    assert any("Only 110 texts" in warning.value for warning in app.warning)
    details = app.dataframe[0].value
    assert details["set"].tolist() == ["Given set", "Given set, halves", "Human against human, halves"]
    assert details["texts"].tolist() == ["110 and 110", "55 and 55", "55 and 55"]
    assert details["MAUVE*"].str.contains("±").all()


def test_few_texts_are_refused_before_anything_runs(run_page: OpenApp) -> None:
    app = run_page("evaluation", view="mauve")
    app.text_area(key="mauve_texts_typed").set_value("One.\n\nTwo.").run()
    app.button(key="mauve_texts_go").click().run()
    assert "A set has 2 texts" in app.warning[0].value
    assert RunStore().runs() == ()


def test_the_table_at_a_glance_has_what_was_measured(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    finished(example())
    app = run_page("evaluation", view="glance")
    table = app.dataframe[0].value.set_index("measure")
    assert table.loc["KL to the base (nats)", "candidate"] == "0"
    assert table.loc["MAUVE", "base"] == "not measured"
    assert table.loc["Perplexity", "basis"].endswith("tokens of 8 texts, opened by its tokenizer")
    assert any("Only 8 texts" in warning.value for warning in app.warning)
    assert any("HellaSwag, MAUVE" in caption.value for caption in app.caption)


def test_past_runs_are_listed_and_deleted(run_page: OpenApp, finished) -> None:  # type: ignore[no-untyped-def]
    run = finished(example())
    app = run_page("evaluation", view="runs")
    assert app.dataframe[0].value["id"].tolist() == [run.id]
    app.session_state["past_runs"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()
    app.button(key="delete_runs").click().run()
    assert RunStore().runs() == ()
    assert not app.exception


def test_a_damaged_store_is_said_and_the_page_works(run_page: OpenApp, tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").write_bytes(b"no database" * 999)
    app = run_page("evaluation", view="runs")
    assert "damaged store was set aside" in app.warning[0].value.replace("\\", "")
    assert not app.exception

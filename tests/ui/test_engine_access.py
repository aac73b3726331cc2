"""Pages share one queue: the same question is answered once, another setting is another question."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from engine import sources
from engine.errors import ModelAbsentError, TextError, UnknownModelError
from engine.jobs import once
from engine.models import registry
from engine.models.loaded import PRECISIONS, LoadedModel
from engine.models.request import LocatedModel, ModelRequest
from engine.paths import ROOT
from engine.scoring import compare, score
from engine.sources import Availability
from engine.steps import Progress
from ui import downloads, engine_access
from ui.evaluation import runs
from ui.training import server

SCRATCH = ModelRequest("scratch-gpt2", "float32")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    once.forget_all()
    yield
    once.forget_all()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, tiny_gpt2: LoadedModel) -> list[tuple]:
    """Every model is the tiny one; the list holds what was loaded."""
    asked: list[tuple] = []

    class Pool:
        def load_steps(self, model: LocatedModel):
            asked.append((model.spec.name, model.asked))
            yield Progress("Loading")
            return tiny_gpt2

    monkeypatch.setattr(engine_access, "pool", Pool)
    monkeypatch.setattr(sources, "availability", lambda spec: Availability("here", ROOT, 0, ""))
    return asked


def test_same_question_is_computed_once(loads: list[tuple]) -> None:
    first = engine_access.score_text("scratch-gpt2", "float32", "One two three.")
    assert engine_access.score_text("scratch-gpt2", "float32", "One two three.") is first
    assert loads == [("scratch-gpt2", "float32")]


@pytest.mark.parametrize(
    ("name", "precision", "text", "settings"),
    [
        ("gpt2", "float32", "One two three.", {}),
        ("scratch-gpt2", "nf4", "One two three.", {}),
        ("scratch-gpt2", "float32", "One two four.", {}),
        ("scratch-gpt2", "float32", "One two three.", {"bos": "on"}),
        ("scratch-gpt2", "float32", "One two three.", {"special_tokens": True}),
        ("scratch-gpt2", "float32", "One two three.", {"window": 16, "stride": 8}),
    ],
)
def test_whatever_differs_is_another_question(loads: list[tuple], name, precision, text, settings) -> None:
    first = engine_access.score_text("scratch-gpt2", "float32", "One two three.")
    other = engine_access.score_text(name, precision, text, **settings)
    assert other is not first
    assert len(loads) == 2


def test_two_names_of_one_model_are_one_question(loads: list[tuple]) -> None:
    assert engine_access.score_text("gpt2", "auto", "Hello there") is engine_access.score_text(
        "openai-community/gpt2", "auto", "Hello there"
    )


def test_scored_ahead_is_what_the_page_gets(loads: list[tuple], tiny_gpt2: LoadedModel) -> None:
    ticket = engine_access.ahead_of_time((SCRATCH,), "One two three.")
    settings = {"bos": "auto", "window": None, "stride": None}
    assert engine_access.score_text(SCRATCH.name, SCRATCH.precision, "One two three.", **settings) is ticket.result()
    expected = score.score_text(tiny_gpt2, "One two three.")
    assert ticket.result().perplexity == pytest.approx(expected.perplexity)


def test_clearing_streamlits_caches_as_any_visitor_can_leaves_one_of_each(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for place in ("LOGITSCOPE_CACHE", "LOGITSCOPE_DATA"):
        monkeypatch.setenv(place, str(tmp_path))
    held = [make() for make in (engine_access.pool, engine_access.queue, downloads.queue, downloads.tickets)]
    held += [server.jobs(), runs.store(), runs.drivers()]
    st.cache_resource.clear()
    st.cache_data.clear()
    assert [engine_access.pool(), engine_access.queue(), downloads.queue(), downloads.tickets()] == held[:4]
    assert [server.jobs(), runs.store(), runs.drivers()] == held[4:]


def test_steps_tell_of_the_whole_work_and_never_go_back(loads: list[tuple]) -> None:
    ids = engine_access.with_models(
        (SCRATCH.located(), SCRATCH.located()), 40, lambda a, b: compare.compare_models_steps(a, b, "One two.")
    )
    shares = [step.fraction for step in ids]
    assert None not in shares
    assert shares == sorted(shares)


def test_a_download_beside_long_scoring_does_not_wait(loads: list[tuple]) -> None:
    scoring, go_on = threading.Event(), threading.Event()

    def long():
        scoring.set()
        yield Progress("Scoring")
        assert go_on.wait(20)

    ticket = engine_access.queue().submit("long", long)
    assert scoring.wait(20)

    def fetching():
        yield Progress("Fetching", 1, 1, "bytes")
        return "fetched"

    assert downloads.fetched("data", fetching) == "fetched"
    assert not ticket.done
    go_on.set()
    ticket.result(20)


def test_comparing_asks_for_both_models(loads: list[tuple]) -> None:
    comparison = engine_access.compare_models(SCRATCH, ModelRequest("gpt2"), "One two three.")
    assert loads == [("scratch-gpt2", "float32"), ("gpt2", "auto")]
    assert comparison.shared_vocabulary


def test_text_too_long_for_a_page_names_the_command_line(loads: list[tuple]) -> None:
    with pytest.raises(TextError, match=r"100,001 characters.*python -m engine score"):
        engine_access.score_text("gpt2", "auto", "x" * 100_001)
    assert not loads


def test_unknown_model_is_refused_before_it_is_queued(loads: list[tuple]) -> None:
    with pytest.raises(UnknownModelError):
        engine_access.score_text("no such model", "auto", "Hello")


def test_absent_model_is_refused_before_it_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "availability", lambda spec: Availability("fetchable", None, 0, "Not here."))
    monkeypatch.setattr(engine_access, "queue", lambda: pytest.fail("asked the queue"))
    with pytest.raises(ModelAbsentError, match="python -m engine fetch gpt2"):
        engine_access.score_text("gpt2", "auto", "Hello")


def test_default_pair_is_of_registered_models_in_known_precisions() -> None:
    for choice in engine_access.PAIR:
        assert registry.resolve(choice.name).name == choice.name
    assert {choice.precision for choice in engine_access.PAIR} <= {"auto", *PRECISIONS}

"""Pages run by Streamlit's own test driver, with an engine whose answers are known."""

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.errors import EngineError
from engine.jobs import once
from engine.paths import ROOT
from tests import readings
from ui import engine_access

OpenApp = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def fresh_process_state() -> Iterator[None]:
    """What the process holds (models, queue, results) is not shared between tests."""
    for forget in (once.forget_all, st.cache_resource.clear):
        forget()
    yield
    for forget in (once.forget_all, st.cache_resource.clear):
        forget()


@pytest.fixture
def run_page() -> OpenApp:
    """`run_page("heatmap", text="story")` runs one page alone, with what stands in its link."""

    def run(name: str, **link: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=60)
        for parameter, value in link.items():
            app.query_params[parameter] = value
        app.session_state["heatmap_strip"] = {"drawn": True}  # what a browser would say
        return app.run()

    return run


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Replaces scoring by a reading made by hand; the list holds what was asked."""
    asked: list[tuple] = []

    def score_text(name: str, precision: str, text: str, **settings: object):
        asked.append((name, precision, text, settings))
        return readings.reading(text)

    monkeypatch.setattr(engine_access, "score_text", score_text)
    return asked


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[[EngineError], None]:
    """Makes scoring and comparing raise."""

    def refuse(error: EngineError) -> None:
        def raising(*_args: object, **_settings: object):
            raise error

        monkeypatch.setattr(engine_access, "score_text", raising)
        monkeypatch.setattr(engine_access, "compare_models", raising)

    return refuse

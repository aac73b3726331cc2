"""What the server holds of evaluations: the store, the runs at work, results read back, our own texts and questions."""

from collections.abc import Mapping
from functools import cache as remembered
from html import escape
from typing import Any

import streamlit as st

from engine import paths
from engine.errors import EngineError
from engine.evaluation import divergence, kinds, runner
from engine.evaluation.corpora.corpus import Corpus, read_corpus
from engine.evaluation.drivers import RunDrivers
from engine.evaluation.hellaswag.items import HellaSwagItem, read_item_set
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run, RunStore
from engine.jobs.once import per_process
from engine.models.request import ModelRequest
from ui import engine_access, messages, progress, reading_options

RUN = "run"
"""Name of the run in the page's address: a reload, or another person, finds it again."""
_GOES_ON = (
    "It goes on while you look at other pages or reload this one; its address finds it again. What is finished is kept."
)
_ASSETS = paths.ASSETS / "corpus"


@per_process
def store() -> RunStore:
    """The kept runs."""
    return RunStore()


@per_process
def drivers() -> RunDrivers:
    """The runs this server does."""
    return RunDrivers(engine_access.queue(), store(), engine_access.pool().load_steps)


def result(run: Run) -> Any:
    """A finished run's result, of the type its evaluation gives, or None."""
    return _result(run.id, run.updated) if run.finished else None


@st.cache_resource(show_spinner=False, max_entries=12)
def _result(run_id: str, updated: float) -> Any:
    return runner.reopen(store(), run_id)


@st.cache_resource(show_spinner=False, max_entries=2)
def inputs(run_id: str) -> Any:
    """A run's data. They may be large, and the run's id stands for them."""
    return store().inputs(run_id)


def asked(kind: str, pair: tuple[ModelRequest, ModelRequest], how: Mapping[str, Any]) -> Run | None:
    """The run of that kind and pair that the address names; None if it names another or none.

    `how` is how its texts are to be read and compared: `bos`, and if there is a choice the others.
    """
    run_id = st.query_params.get(RUN)
    run = None if run_id is None else store().find(run_id)
    if run_id is not None and run is None:
        st.query_params.pop(RUN)
        st.info("That run is no longer kept. Start a new one.", icon=":material/history:")
    if run is None or run.kind != kind:
        return None
    kept = reading_options.of_run(run)
    if any(model not in pair for model in kinds.models_of(run)) or not how.items() <= kept.items():
        st.query_params.pop(RUN)  # another pair, or another way to read, was chosen since
        return None
    return run


def start(plan: Plan) -> Run:
    """Keep what a plan asks for, and do it."""
    run = store().begin(plan)
    drivers().start(run.id, progress.session())
    return run


def begin(plan: Plan) -> None:
    """Do what a plan asks for, and put it into the address."""
    st.query_params[RUN] = start(plan).id


def go_on(run: Run) -> None:
    """Continue a run that was stopped, and put it into the address."""
    st.query_params[RUN] = run.id
    drivers().start(run.id, progress.session())


def at_work(run: Run) -> bool:
    """Draw what stands where the result will be; False if there is a result to draw instead."""
    if run.finished:
        return False
    driver = drivers().find(run.id, progress.session())
    if driver is not None and driver.active:
        progress.live("run", lambda: driver.status if driver.active else None, driver.stop, _GOES_ON)
        return True
    if driver is not None and driver.error is not None:
        if not isinstance(driver.error, EngineError):
            raise driver.error
        messages.show(driver.error)
    _unfinished(run)
    return True


def _unfinished(run: Run) -> None:
    done = len(store().places(run.id))
    kept = f"{done:,} batches are finished and kept." if done else "Nothing is finished yet."
    with st.container(key="waiting_stopped", horizontal=True, vertical_alignment="center"):
        st.html(f'<p class="ls-run" role="status"><strong>Stopped:</strong> {escape(run.title)}. {kept}</p>')
        st.button("Continue", icon=":material/play_arrow:", key="continue_run", on_click=go_on, args=(run,))


@remembered
def own_corpus() -> Corpus:
    """Eight texts written for this project."""
    return Corpus(read_corpus((_ASSETS / "texts.txt").read_text(encoding="utf-8")).texts)


@remembered
def own_items() -> tuple[HellaSwagItem, ...]:
    """Twelve questions in HellaSwag's form written for this project."""
    return read_item_set((_ASSETS / "endings.jsonl").read_text(encoding="utf-8")).items


def prepare() -> None:
    """Begin the page's first view before the first visitor; it is kept, so a machine does this only once."""
    plan = divergence.plan(*engine_access.PAIR, own_corpus())
    run = store().find(plan.id)
    if run is None or not run.finished:
        start(plan)

"""What the server holds of evaluations: the store, the runs at work, results read back, our own texts and questions."""

from collections.abc import Mapping
from functools import cache as remembered
from typing import Any

import streamlit as st

from engine import paths
from engine.errors import EngineError
from engine.evaluation import divergence, kinds
from engine.evaluation.corpora.corpus import Corpus, read_corpus
from engine.evaluation.hellaswag.items import HellaSwagItem, read_item_set
from engine.evaluation.runs import runner
from engine.evaluation.runs.drivers import RunDrivers
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run, RunStore
from engine.models.request import ModelRequest
from ui import engine_access, reading_options

RUN = "run"
"""Name of the run in the page's address: a reload, or another person, finds it again."""
_ASSETS = paths.ASSETS / "corpus"


@st.cache_resource(show_spinner=False)
def store() -> RunStore:
    """The kept runs."""
    return RunStore()


@st.cache_resource(show_spinner=False)
def drivers() -> RunDrivers:
    """The runs this server does."""
    return RunDrivers(engine_access.worker(), store(), engine_access.pool().load_steps)


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
    """The run of that kind and pair that the address names; None where it names another or none.

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
    drivers().start(run.id)
    return run


def begin(plan: Plan) -> None:
    """Do what a plan asks for, and put it into the address."""
    st.query_params[RUN] = start(plan).id


def go_on(run: Run) -> None:
    """Continue a run that was stopped, and put it into the address."""
    st.query_params[RUN] = run.id
    drivers().start(run.id)


def failure(run: Run) -> EngineError | None:
    """What ended a run early, if the engine refused something; a bug is raised here."""
    driver = drivers().find(run.id)
    if driver is None or driver.error is None:
        return None
    if not isinstance(driver.error, EngineError):
        raise driver.error
    return driver.error


@remembered
def own_corpus() -> Corpus:
    """Eight texts written for this project."""
    return Corpus(read_corpus((_ASSETS / "texts.txt").read_text(encoding="utf-8")).texts)


@remembered
def own_items() -> tuple[HellaSwagItem, ...]:
    """Twelve questions in HellaSwag's form written for this project."""
    return read_item_set((_ASSETS / "endings.jsonl").read_text(encoding="utf-8")).items


def prepare() -> None:
    """Begin the page's first view before the first visitor; it is kept, so this costs something only once a machine."""
    plan = divergence.plan(*engine_access.PAIR, own_corpus())
    run = store().find(plan.id)
    if run is None or not run.finished:
        start(plan)

"""What the server holds for the divergence page: the store, the runs at work, results read back, our own corpus."""

from functools import cache as remembered

import streamlit as st

from engine import paths
from engine.errors import EngineError, ParameterError
from engine.evaluation import glance
from engine.evaluation.corpora.corpus import Corpus, read_corpus
from engine.evaluation.hellaswag.items import HellaSwagItem, read_item_set
from engine.evaluation.runs import plans, runner
from engine.evaluation.runs.drivers import RunDriver, RunDrivers
from engine.evaluation.runs.runner import Result
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


def result(run: Run) -> Result | None:
    """A finished run's result, or None."""
    return _result(run.id, run.updated) if run.finished else None


@st.cache_resource(show_spinner=False, max_entries=12)
def _result(run_id: str, updated: float) -> Result | None:
    return runner.reopen(store(), run_id)


def asked(kind: str, pair: tuple[ModelRequest, ModelRequest], **how: object) -> Run | None:
    """The run of that kind and pair that the address names; None where it names another or none.

    `how` is how its texts are to be read and compared: `bos`, and if there is a choice the others.
    """
    run_id = st.query_params.get(RUN)
    run = None if run_id is None else found(run_id)
    if run_id is not None and run is None:
        st.query_params.pop(RUN)
        st.info("That run is no longer kept. Start a new one.", icon=":material/history:")
    if run is None or run.kind != kind:
        return None
    models = glance.models_of(run)
    kept = reading_options.of_run(run)
    if any(model not in pair for model in models) or not how.items() <= kept.items():
        st.query_params.pop(RUN)  # another pair, or another way to read, was chosen since
        return None
    return run


def found(run_id: str) -> Run | None:
    """The kept run of that id, or None."""
    try:
        return store().run(run_id)
    except ParameterError:
        return None


def begin(run: Run) -> RunDriver:
    """Start or continue a run and put it into the address."""
    st.query_params[RUN] = run.id
    return drivers().start(run.id)


def go_on(run: Run) -> None:
    """Continue a run that was stopped."""
    begin(run)


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
    return read_corpus((_ASSETS / "texts.txt").read_text(encoding="utf-8"))


@remembered
def own_items() -> tuple[HellaSwagItem, ...]:
    """Twelve questions in HellaSwag's form written for this project."""
    return read_item_set((_ASSETS / "endings.jsonl").read_text(encoding="utf-8")).items


def example_run() -> Run:
    """The finished example of the page's first view: our own corpus under the default pair."""
    return plans.plan_divergence(store(), *engine_access.PAIR, own_corpus())


def prepare() -> None:
    """Begin the example before the first visitor; it is kept, so this costs something only once a machine."""
    run = example_run()
    if not run.finished:
        drivers().start(run.id)

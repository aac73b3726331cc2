"""What the whole server holds for training: its processes, the vocabularies looked through, one finished example."""

import atexit
import json
import os
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime import get_instance

from engine import paths
from engine.jobs.once import per_process
from engine.training import patterns, vocabulary
from engine.training.job import Job, JobView
from engine.training.jobs import AT_ONCE, TrainingJobs
from engine.training.patterns import Pattern
from engine.training.process import NICENESS
from engine.training.records import TrainingRun
from engine.training.vocabulary import Vocabulary
from ui import progress

_EXAMPLE = paths.ASSETS / "training" / "example_run.json"
_SHOWN_TOKENS = 240
JOB = "job"
"""Name of the run in the page's address: a reload finds it again."""


@dataclass(frozen=True)
class Preview:
    """Which tokens a pattern matches: how many of how many, and some of them, spread over the vocabulary."""

    count: int
    size: int
    shown: tuple[str, ...]


@per_process
def jobs() -> TrainingJobs:
    """Every training run of the server.

    LOGITSCOPE_TRAINING_AT_ONCE and LOGITSCOPE_TRAINING_NICENESS change how many run at once, and at which priority.
    """
    running = TrainingJobs(
        lambda session: get_instance().is_active_session(session),
        at_once=int(os.environ.get("LOGITSCOPE_TRAINING_AT_ONCE", AT_ONCE)),
        niceness=int(os.environ.get("LOGITSCOPE_TRAINING_NICENESS", NICENESS)),
    )
    atexit.register(running.close)  # its models may take gigabytes
    return running


@per_process
def told_to_stop() -> set[str]:
    """Runs by id that somebody stopped: their process takes a moment to say that it has heard."""
    return set()


def current() -> tuple[Job, JobView] | tuple[None, None]:
    """The run of this page, found by its name in the address; None if there is none or it is no longer kept."""
    name = st.query_params.get(JOB)
    job = None if name is None else jobs().find(name, progress.session())
    return (None, None) if job is None else (job, jobs().view(job))


@st.cache_resource(show_spinner="Reading the vocabulary ...", max_entries=8)
def vocabulary_of(start: str) -> Vocabulary:
    """Tokens of a start model, read once."""
    return vocabulary.read(start)


@st.cache_data(show_spinner=False, max_entries=200)
def preview(start: str, kind: patterns.PatternKind, text: str, ignore_case: bool) -> Preview:
    """Which tokens a pattern matches.

    Raises
    ------
    ParameterError
        It matches nothing or everything, or is no pattern.
    """
    of = vocabulary_of(start)
    wanted = patterns.match(Pattern(kind, text, ignore_case), of.texts, of.control_ids).nonzero()[0]
    every = max(1, len(wanted) // _SHOWN_TOKENS)
    shown = tuple(of.texts[index] for index in wanted[::every][:_SHOWN_TOKENS])
    return Preview(len(wanted), len(of.texts), shown)


@st.cache_resource(show_spinner=False)
def example() -> TrainingRun:
    """A run of the first preset, recorded when this version was made (benchmarks/training.py --record)."""
    return TrainingRun.from_dict(json.loads(_EXAMPLE.read_text(encoding="utf-8")))

"""A run at work: how far it is, how fast, how long still, and a way to stop it. It alone is redrawn."""

from html import escape

import streamlit as st

from engine import formatting
from engine.evaluation.runs.drivers import Pace
from engine.evaluation.runs.store import Run
from ui import messages, progress
from ui.evaluation import runs

POLL_SECONDS = 0.7


def shown(run: Run) -> bool:
    """Draw what stands where the result will be; False where there is a result to draw instead."""
    if run.finished:
        return False
    driver = runs.drivers().find(run.id)
    if driver is not None and driver.active:
        st.fragment(_live, run_every=POLL_SECONDS)(run.id)
        return True
    error = runs.failure(run)
    if error is not None:
        messages.show(error)
    _unfinished(run)
    return True


def _live(run_id: str) -> None:
    driver = runs.drivers().find(run_id)
    if driver is None or not driver.active:
        st.rerun()
    pace = driver.pace()
    with (
        st.container(key="waiting_run"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container():
            st.html(f'<div role="status">{escape(sentence(pace))}</div>')
            st.progress(0.0 if pace.progress is None else (pace.progress.fraction or 0.0))
        st.button("Stop", icon=":material/stop:", key="stop_run", on_click=driver.stop)
    st.caption(
        "It goes on while you look at other pages or reload this one; its address finds it again. What is finished "
        "is kept."
    )


def sentence(pace: Pace) -> str:
    """One line for a person.

    >>> from engine.steps import Progress
    >>> sentence(Pace(Progress("HellaSwag", 30, 100, "items"), 2.5, 28.0, 0))
    'HellaSwag: 30 of 100 items, 2.5 items/s, 28 s left'
    """
    text, _ = progress.describe(pace.ahead, pace.progress)
    if pace.ahead or pace.rate is None or pace.progress is None:
        return text
    rate = f"{pace.rate:,.0f}" if pace.rate >= 10 else f"{pace.rate:.1f}"
    left = "" if pace.seconds_left is None else f", {formatting.duration(pace.seconds_left)} left"
    return f"{text}, {rate} {pace.progress.unit}/s{left}"


def _unfinished(run: Run) -> None:
    done = len(runs.store().places(run.id))
    kept = f"{done:,} batches are finished and kept." if done else "Nothing is finished yet."
    with st.container(key="waiting_stopped"), st.container(horizontal=True, vertical_alignment="center"):
        st.html(f'<div role="status">Stopped: {escape(run.title)}. {kept}</div>')
        st.button("Continue", icon=":material/play_arrow:", key="continue_run", on_click=runs.go_on, args=(run,))

"""Waiting for work in the queue, in view: the place in it, then how far the work is, and a way to stop it."""

from html import escape
from typing import TypeVar
from zlib import crc32

import streamlit as st

from engine.errors import Cancelled
from engine.jobs.worker import Ticket
from engine.steps import Progress

T = TypeVar("T")

_PATIENCE_S = 0.2  # shorter work shows nothing: a flash of a progress bar is worse than none
_POLL_S = 0.1
_STOPPED = "stopped_work"
_NUMBERS = ("", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def refuse_stopped(key: object) -> None:
    """Raise `Cancelled` where this session stopped the work called `key` and has not asked for it again.

    Without this the rerun that follows the Stop button would start the same work anew.
    """
    if st.session_state.get(_STOPPED) == repr(key):
        raise Cancelled("Stopped. Nothing is being computed for this page.")
    forget_stopped()


def forget_stopped() -> None:
    """Let work that was stopped be asked for again."""
    st.session_state.pop(_STOPPED, None)


def result_of(ticket: Ticket[T], key: object) -> T:
    """Result of `ticket`, waiting in view where it takes longer than a moment.

    The place in the queue is given up however the wait ends: with the result, with Stop, with a rerun of the page, or
    with the browser closed (Streamlit then raises inside the next call that draws).
    """
    try:
        if not ticket.wait(_PATIENCE_S):
            _wait_in_view(ticket, repr(key))
        return ticket.result()
    finally:
        ticket.leave()


def place_in_queue(ahead: int) -> str:
    """Say how many are ahead, in words.

    >>> place_in_queue(2)
    'Two ahead of you'
    """
    return f"{_NUMBERS[ahead] if ahead < len(_NUMBERS) else ahead} ahead of you"


def describe(ahead: int, progress: Progress | None) -> tuple[str, float]:
    """Line to show and share done in [0, 1].

    >>> describe(0, Progress("Scoring", 512, 1024, "tokens"))
    ('Scoring: 512 of 1,024 tokens', 0.5)
    """
    if ahead > 0:
        return place_in_queue(ahead), 0.0
    if progress is None:
        return "Starting", 0.0
    if not progress.total:
        return progress.message, 0.0
    counted = f"{progress.done:,} of {progress.total:,} {progress.unit}"
    return f"{progress.message}: {counted}", progress.fraction or 0.0


def _wait_in_view(ticket: Ticket[T], key: str) -> None:
    slot, name = st.empty(), f"waiting_{crc32(key.encode()):08x}"  # a page may wait for several things in one run
    with slot.container(key=name), st.container(horizontal=True, vertical_alignment="center"):
        with st.container():
            line, bar = st.empty(), st.empty()
        st.button("Stop", icon=":material/stop:", key=f"stop_{name}", on_click=_stop, args=(key,))
    while not ticket.wait(_POLL_S):
        text, share = describe(ticket.position, ticket.progress)
        line.html(f'<div role="status">{escape(text)}</div>')
        bar.progress(share)
    slot.empty()


def _stop(key: str) -> None:
    st.session_state[_STOPPED] = key

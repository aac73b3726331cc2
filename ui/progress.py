"""Long work in view, of whatever kind: what is done, how far, how fast, how much longer, what comes first, and Stop."""

from collections.abc import Callable
from html import escape
from typing import TypeVar
from zlib import crc32

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine import formatting
from engine.errors import Cancelled
from engine.jobs.pace import Status
from engine.jobs.queue import Ticket
from engine.steps import Progress

T = TypeVar("T")

POLL_SECONDS = 0.4
"""How often anything that shows work looks again."""
_PATIENCE_S = 0.2  # shorter work shows nothing: a flash of a progress bar is worse than none
_STOPPED = "stopped_work"
_NUMBERS = ("", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def session() -> str:
    """Name of this browser tab's session: who asks for work. Empty for the program itself, as before any visitor."""
    context = get_script_run_ctx(suppress_warning=True)
    return "" if context is None else context.session_id


def refuse_stopped(key: object) -> None:
    """Raise `Cancelled` if this session stopped the work called `key` and has not asked for it again.

    Without this the rerun that follows the Stop button would start the same work anew.
    """
    if st.session_state.get(_STOPPED) == repr(key):
        raise Cancelled("Stopped. Nothing is being computed for this page.")
    forget_stopped()


def forget_stopped() -> None:
    """Let work that was stopped be asked for again."""
    st.session_state.pop(_STOPPED, None)


def result_of(ticket: Ticket[T], key: object) -> T:
    """Result of `ticket`, waiting in view if it takes longer than a moment.

    The place in the queue is given up however the wait ends: with the result, with Stop, with a rerun of the page, or
    with the browser closed (Streamlit then raises inside the next call that draws).
    """
    try:
        if not ticket.done:
            _wait_in_view(ticket, repr(key))
        return ticket.result()
    finally:
        ticket.leave()


def _wait_in_view(ticket: Ticket[T], key: str) -> None:
    # The slot goes out before the wait: a container sent with it would adopt what the last run drew there.
    slot, name = st.empty(), f"{crc32(key.encode()):08x}"  # a page may wait for several things in one run
    if not ticket.wait(_PATIENCE_S):
        with slot:
            line = show(name, ticket.status, _stop, key)
        while not ticket.wait(POLL_SECONDS):
            line.html(html(ticket.status))
    slot.empty()


def _stop(key: str) -> None:
    st.session_state[_STOPPED] = key


def live(key: str, status: Callable[[], Status | None], stop: Callable[[], None], note: str) -> None:
    """Work that goes on by itself, redrawn on its own until `status` is None; the page is then run again."""

    @st.fragment(run_every=POLL_SECONDS)
    def drawn() -> None:
        now = status()
        if now is None:
            st.rerun()
        show(key, now, stop)
        st.caption(note)

    drawn()


def show(key: str, status: Status, stop: Callable[..., None], *args: object) -> DeltaGenerator:
    """Draw `status` beside a button that calls `stop` with `args`; returns where the status is, to draw it anew."""
    with st.container(key=f"waiting_{key}", horizontal=True, vertical_alignment="center"):
        line = st.empty()
        line.html(html(status))
        st.button("Stop", icon=":material/stop:", key=f"stop_{key}", on_click=stop, args=args, disabled=status.stopping)
    return line


def html(status: Status) -> str:
    """The line and the bar, everything in them escaped."""
    what, *more = map(escape, said(status))
    share = None if status.progress is None else status.progress.fraction
    width = f"{100 * (share or 0.0):.1f}"
    return (
        f'<div class="ls-run"><p role="status"><strong>{what}</strong> {" · ".join(more)}</p><div class="ls-meter" '
        f'role="progressbar" aria-label="{what}"{"" if share is None else f" aria-valuenow={width!r}"}>'
        f'<span style="width:{width}%"></span></div></div>'
    )


def said(status: Status) -> list[str]:
    """What is going on, and what there is to add to it.

    >>> from engine.steps import Progress
    >>> said(Status(Progress("HellaSwag", 30, 100, "items"), 2.5, 28.0))
    ['HellaSwag', '30 of 100 items', '2.5 items/s', '28 s left']
    """
    number = _NUMBERS[status.ahead] if status.ahead < len(_NUMBERS) else status.ahead
    progress, ahead = status.progress, f"{number} ahead of you" if status.ahead else ""
    if status.stopping:
        parts = ["Stopping after this step", progress.message if progress else ""]
    elif progress is None:
        parts = [
            ahead or ("Starting" if status.behind is None else "Waiting for work begun earlier"),
            status.behind or "",
        ]
    else:
        left = "" if status.seconds_left is None else f"{formatting.duration(status.seconds_left)} left"
        parts = [progress.message, *_counted(progress, status.rate), ahead.lower(), left]
    return [part for part in parts if part]


def _counted(progress: Progress, rate: float | None) -> list[str]:
    """How many of how many units, and how many per second; if less than one, per minute."""
    size, unit = (1e6, "MB") if progress.unit == "bytes" else (1.0, progress.unit)
    counted = [f"{progress.done / size:,.0f} of {progress.total / size:,.0f} {unit}"] if progress.total else []
    if rate is None or not counted:
        return counted
    per, each = (rate / size, "s") if rate >= size else (60 * rate / size, "min")
    return [*counted, f"{per:,.{0 if per >= 10 else 1}f} {unit}/{each}"]

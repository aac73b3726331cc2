"""What a person reads while work is under way, and that stopping it stays stopped."""

import logging
import re
import threading
import time

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.errors import Cancelled
from engine.jobs.pace import Status
from engine.jobs.queue import Queue
from engine.steps import Progress
from ui import progress

BYTES = Progress("Y", 45_000_000, 93_000_000, "bytes")
ITEMS = Progress("X", 10, 100, "items")


def test_the_program_has_no_session_and_the_console_hears_nothing_of_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")
    monkeypatch.setattr(context, "handlers", [caplog.handler])
    asked = threading.Thread(target=lambda: names.append(progress.session()), name="prepare")
    names: list[str] = []
    asked.start()
    asked.join()
    assert names == [""]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status(ahead=1), ["One ahead of you"]),
        (Status(ahead=40, behind="Loading"), ["40 ahead of you", "Loading"]),
        (Status(behind=""), ["Waiting for work begun earlier"]),
        (Status(behind="Loading GPT-2"), ["Waiting for work begun earlier", "Loading GPT-2"]),
        (Status(), ["Starting"]),
        (Status(Progress("Loading GPT-2")), ["Loading GPT-2"]),
        (Status(Progress("Scoring", 1_500, 3_000, "tokens")), ["Scoring", "1,500 of 3,000 tokens"]),
        (Status(ITEMS, None, None), ["X", "10 of 100 items"]),
        (Status(ITEMS, 20.0, 4.5), ["X", "10 of 100 items", "20 items/s", "4 s left"]),
        (Status(ITEMS, 2.5, 36.0), ["X", "10 of 100 items", "2.5 items/s", "36 s left"]),
        (Status(ITEMS, 0.05, 1800.0), ["X", "10 of 100 items", "3.0 items/min", "30 min left"]),
        (Status(ITEMS, ahead=2), ["X", "10 of 100 items", "two ahead of you"]),
        (Status(ITEMS, behind="Scoring"), ["X", "10 of 100 items"]),
        (
            Status(BYTES, 2.4e6, 20.0),
            ["Y", "45 of 93 MB", "2.4 MB/s", "20 s left"],
        ),
        (Status(ITEMS, 20.0, 4.5, stopping=True), ["Stopping after this step", "X"]),
        (Status(stopping=True), ["Stopping after this step"]),
    ],
)
def test_one_line_says_what_how_far_how_fast_and_what_comes_first(status: Status, expected: list[str]) -> None:
    assert progress.said(status) == expected


def test_the_bar_is_that_of_the_whole_work_and_nothing_in_the_line_is_read_as_html() -> None:
    drawn = progress.html(Status(Progress('<b>"x"', 9, 10, "items", overall=0.25)))
    assert 'aria-valuenow="25.0"' in drawn.replace("'", '"')
    assert "width:25.0%" in drawn
    assert "<b>" not in drawn
    assert re.search(r'aria-label="[^"]*&quot;x&quot;"', drawn)


def test_a_bar_of_which_nothing_is_known_has_no_value() -> None:
    assert "aria-valuenow" not in progress.html(Status(Progress("Asking")))


def test_stopped_work_is_refused_until_it_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict = {}
    monkeypatch.setattr(st, "session_state", state)
    progress._stop(repr("job"))
    with pytest.raises(Cancelled):
        progress.refuse_stopped("job")
    progress.forget_stopped()
    progress.refuse_stopped("job")


def test_other_work_clears_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    progress._stop(repr("job"))
    progress.refuse_stopped("another")
    progress.refuse_stopped("job")


def test_waiting_shows_a_stop_button_and_gives_the_place_up_when_the_page_reruns() -> None:
    def page() -> None:
        import streamlit as st

        from ui import progress

        ticket = st.session_state["queue"].submit("slow", st.session_state["make_steps"])
        st.text(progress.result_of(ticket, "slow"))

    ended: list[str] = []

    def make_steps():
        try:
            for done in range(5):
                yield Progress("Counting", done, 5)
                time.sleep(0.1)
        finally:
            ended.append("ended")
        return "counted"

    app = AppTest.from_function(page, default_timeout=20)
    app.session_state["queue"] = Queue()
    app.session_state["make_steps"] = make_steps
    app.run()
    assert [text.value for text in app.text] == ["counted"]
    assert not app.button  # what was shown while waiting is gone
    assert ended == ["ended"]


def test_work_shown_as_stopping_cannot_be_stopped_again() -> None:
    def page() -> None:
        import streamlit as st

        from engine.jobs.pace import Status
        from ui import progress

        def stop() -> None:
            st.session_state["stopped"] = True

        progress.show("work", Status(stopping=st.session_state.get("stopped", False)), stop)

    app = AppTest.from_function(page).run()
    assert not app.button[0].disabled
    app.button[0].click().run()
    assert app.button[0].disabled
    assert "Stopping after this step" in app.get("html")[0].proto.body


def test_live_work_is_drawn_until_it_is_over_and_then_the_page_runs_again() -> None:
    def page() -> None:
        import streamlit as st

        from ui import progress

        left = st.session_state["left"]
        if left:
            progress.live("work", lambda: left.pop() if left else None, lambda: None, "It goes on.")
        st.text(f"{len(left)} left")

    app = AppTest.from_function(page)
    app.session_state["left"] = [Status(Progress("Drawn", 1, 2, "items"))]
    app.run()
    assert "1 of 2 items" in app.get("html")[0].proto.body
    assert app.caption[0].value == "It goes on."
    app.run()
    assert not app.get("html")

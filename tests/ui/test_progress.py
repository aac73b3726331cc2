"""What a person reads while work is under way, and that stopping it stays stopped."""

import time

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.errors import Cancelled
from engine.jobs.worker import Worker
from engine.steps import Progress
from ui import progress as waiting


@pytest.mark.parametrize(
    ("ahead", "progress", "expected"),
    [
        (1, None, ("One ahead of you", 0.0)),
        (2, Progress("Scoring", 1, 2), ("Two ahead of you", 0.0)),
        (40, None, ("40 ahead of you", 0.0)),
        (0, None, ("Starting", 0.0)),
        (0, Progress("Loading GPT-2"), ("Loading GPT-2", 0.0)),
        (0, Progress("Scoring", 1_500, 3_000, "tokens"), ("Scoring: 1,500 of 3,000 tokens", 0.5)),
    ],
)
def test_place_in_the_queue_then_how_far_the_work_is(ahead, progress, expected) -> None:
    assert waiting.describe(ahead, progress) == expected


def test_stopped_work_is_refused_until_it_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict = {}
    monkeypatch.setattr(st, "session_state", state)
    waiting._stop(repr("job"))
    with pytest.raises(Cancelled):
        waiting.refuse_stopped("job")
    waiting.forget_stopped()
    waiting.refuse_stopped("job")


def test_other_work_clears_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    waiting._stop(repr("job"))
    waiting.refuse_stopped("another")
    waiting.refuse_stopped("job")


def test_waiting_shows_a_stop_button_and_gives_the_place_up_when_the_page_reruns() -> None:
    def page() -> None:
        import streamlit as st

        from ui import progress as waiting

        ticket = st.session_state["worker"].submit("slow", st.session_state["make_steps"])
        st.text(waiting.result_of(ticket, "slow"))

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
    app.session_state["worker"] = Worker()
    app.session_state["make_steps"] = make_steps
    app.run()
    assert [text.value for text in app.text] == ["counted"]
    assert not app.button  # what was shown while waiting is gone
    assert ended == ["ended"]

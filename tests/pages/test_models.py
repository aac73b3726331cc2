"""The models page: the state of each model, fetching with progress, stopping, agreeing to terms, adding one's own."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi

from engine import errors, sources
from engine.models import registry
from engine.sources import Availability, hub_client
from engine.sources.kinds import Hub
from engine.steps import Progress
from tests.pages.conftest import OpenApp
from ui import downloads, machine


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, Availability]:
    """What each model's files are said to be; 'here' unless changed."""
    changed: dict[str, Availability] = {}
    here = Availability("here", Path("somewhere"), 1_000_000, "Here.")
    monkeypatch.setattr(sources, "availability", lambda spec, probe=False: changed.get(spec.name, here))
    return changed


@pytest.fixture
def hub_that_was_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A hub that refused a connection just now; the list holds what it is asked for from here on, again in vain."""
    asked: list[str] = []

    def refused(self: HfApi, repo: str, **_: object) -> None:
        asked.append(repo)
        raise httpx2.ConnectError("refused")

    monkeypatch.setattr(HfApi, "model_info", refused)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    hub_client.forget_unreachable()
    hub_client.ask(Hub("openai-community/gpt2", "main"))
    assert hub_client.known_unreachable()
    asked.clear()
    yield asked
    hub_client.forget_unreachable()


def absent(state: str = "fetchable") -> Availability:
    return Availability(state, None, 0, "The hub did not answer: <b>timeout</b>.")


def cards(app) -> list[str]:
    return [block.proto.body for block in app.get("html") if "ls-model" in block.proto.body]


def at_work(app) -> str:
    return " ".join(block.proto.body for block in app.get("html") if "ls-run" in block.proto.body)


def test_every_model_of_the_registry_has_a_card(run_page: OpenApp, states: dict) -> None:
    app = run_page("models")
    assert not app.exception
    assert len(cards(app)) == len(registry.specs())
    for spec, card in zip(registry.specs(), cards(app), strict=True):
        assert spec.licence in card


def test_only_absent_models_can_be_fetched(run_page: OpenApp, states: dict) -> None:
    states["gpt2"] = absent()
    states["gpt2-xl"] = absent("unreachable")
    app = run_page("models")
    fetchable = {button.key for button in app.button if (button.key or "").startswith("fetch_")}
    assert fetchable == {"fetch_gpt2", "fetch_gpt2-xl"}
    (unreachable,) = [card for card in cards(app) if "does not answer" in card]
    assert "&lt;b&gt;timeout" in unreachable


def test_fetching_shows_progress_and_can_be_stopped(
    run_page: OpenApp, states: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    states["gpt2"] = absent()
    ended, piece = threading.Event(), threading.Event()

    def slow(spec, *, accept_licence: bool):
        try:
            while True:
                yield Progress("Fetching GPT-2", 250_000_000, 1_000_000_000, "bytes")
                assert piece.wait(20)
        finally:
            ended.set()

    monkeypatch.setattr(sources, "fetch_steps", slow)
    app = run_page("models")
    app.button(key="fetch_gpt2").click().run()
    while downloads.tickets()["gpt2"].status.progress is None:
        time.sleep(0.01)
    app.run()
    assert "250 of 1,000 MB" in at_work(app)
    app.button(key="stop_fetch_of_gpt2").click().run()  # answers at once, while the piece in hand goes on
    assert "Stopping after this step" in at_work(app)
    assert app.button(key="stop_fetch_of_gpt2").disabled
    assert not ended.is_set()
    piece.set()
    assert ended.wait(5)
    downloads.tickets()["gpt2"].end()
    app.run()
    assert downloads.running() == {}
    assert app.button(key="fetch_gpt2")
    assert not app.exception


def test_failed_fetch_says_why(run_page: OpenApp, states: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    states["gpt2"] = absent()

    def failing(spec, *, accept_licence: bool):
        yield Progress("Asking")
        raise errors.UnreachableError("The hub cannot be reached.")

    monkeypatch.setattr(sources, "fetch_steps", failing)
    app = run_page("models")
    app.button(key="fetch_gpt2").click().run()
    downloads.tickets()["gpt2"].wait(5)
    app.run()
    assert [message.value.replace("\\", "") for message in app.error] == ["The hub cannot be reached."]
    assert app.button(key="fetch_gpt2")


def test_model_with_terms_is_fetched_only_once_they_are_accepted(
    run_page: OpenApp, states: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = next(spec for spec in registry.specs() if machine.terms(spec))
    states[spec.name] = absent()
    asked: list[bool] = []

    def fetch(spec, *, accept_licence: bool):
        asked.append(accept_licence)
        yield Progress("Fetching")

    monkeypatch.setattr(sources, "fetch_steps", fetch)
    app = run_page("models")
    assert app.button(key=f"fetch_{spec.name}").disabled
    assert machine.terms(spec) in [text.value for text in app.text]
    app.checkbox(key=f"agree_{spec.name}").check().run()
    app.button(key=f"fetch_{spec.name}").click().run()
    downloads.queue().submit("after", lambda: iter(())).wait(5)
    assert asked == [True]


def test_fetching_asks_a_hub_that_did_not_answer_a_moment_ago(
    run_page: OpenApp, hub_that_was_away: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = run_page("models")
    assert "cannot be reached" in " ".join(cards(app))
    app.button(key="fetch_gpt2").click().run()
    downloads.tickets()["gpt2"].wait(20)
    assert hub_that_was_away


def test_checking_the_hub_asks_one_that_did_not_answer_a_moment_ago(
    run_page: OpenApp, hub_that_was_away: list[str]
) -> None:
    app = run_page("models")
    app.button(key="check_hub").click().run()
    assert len(hub_that_was_away) == 1
    app.button(key="check_hub").click().run()
    assert len(hub_that_was_away) == 2


def test_hub_id_can_be_added_and_nonsense_is_refused(run_page: OpenApp, states: dict) -> None:
    app = run_page("models")
    app.text_input(key="new_model").set_value("org/some-model")
    app.button(key=next(b.key for b in app.button if b.label == "Add")).click().run()
    assert any("some-model" in card for card in cards(app))
    app.text_input(key="new_model").set_value("<img src=x> ![](http://x)")
    app.button(key=next(b.key for b in app.button if b.label == "Add")).click().run()
    assert not app.exception
    assert "No model is called" in app.error[0].value
    assert "![](" not in app.error[0].value


@pytest.mark.parametrize(
    ("state", "before", "after"),
    [
        ("fetchable", "has not been asked yet", "The hub answers."),
        ("unreachable", "did not answer", "did not answer"),
    ],
)
def test_hub_status_is_shown_and_asked_for_again(
    run_page: OpenApp, monkeypatch: pytest.MonkeyPatch, state: str, before: str, after: str
) -> None:
    probes: list[bool] = []

    def availability(spec, probe=False):
        probes.append(probe)
        return absent(state)

    monkeypatch.setattr(sources, "availability", availability)
    app = run_page("models")
    assert any(before in text.value for text in app.text)
    assert not any(probes)
    app.button(key="check_hub").click().run()
    assert any(after in text.value for text in app.text)
    assert any(probes)

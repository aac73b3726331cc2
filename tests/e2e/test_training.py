"""Training in a real browser: a whole run, a reload in the middle of one, two people at once, a killed process."""

import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage, settled

expect.set_options(timeout=120_000)  # a training process needs seconds to start, and longer on a busy machine


SMALL = "layers=1&width=64&batch_size=4&context_length=128"


def opened(open_page: OpenPage, settings: str = "", **options: str) -> Page:
    """The page once its vocabulary is read, which the first visitor of a server waits for."""
    page = open_page(f"/bias_training?{settings}", settle=False, **options)
    page.set_default_timeout(60_000)
    expect(page.locator(".ls-count")).to_contain_text("985 of 50,257 tokens match (1.96%)")
    settled(page)
    return page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def says(page: Page, state: str) -> None:
    expect(page.locator(".ls-run strong")).to_have_text(state)


def step_of(page: Page) -> int:
    found = re.search(r"([\d,]+) of", page.locator(".ls-run p").inner_text())
    assert found is not None
    return int(found[1].replace(",", ""))


def training_processes() -> list[psutil.Process]:
    """Those below this test's own server, what they are forked off included."""
    return [each for each in psutil.Process().children(recursive=True) if "engine.training" in " ".join(each.cmdline())]


def test_a_whole_run_with_pause_step_change_of_rate_and_stop_and_other_pages_read_its_model(
    open_page: OpenPage, tmp_path: Path
) -> None:
    page = opened(open_page, f"{SMALL}&steps=3000")
    expect(page.get_by_text("Recorded earlier")).to_be_visible()
    assert "layers" not in page.url
    press(page, "Start")
    says(page, "Training")
    press(page, "Pause")
    says(page, "Paused")
    held = step_of(page)
    page.wait_for_timeout(1500)
    assert step_of(page) == held
    press(page, "Step")
    expect(page.locator(".ls-run p")).to_contain_text(f"{held + 1:,} of")
    page.locator(".st-key-train_learning_rate [role=slider], .st-key-train_learning_rate input[type=range]").press(
        "ArrowRight"
    )
    expect(page.locator(".st-key-train_learning_rate")).to_contain_text("0.005")
    press(page, "Resume")
    says(page, "Training")
    page.wait_for_timeout(1500)
    press(page, "Stop")
    says(page, "Stopped")
    expect(page.locator(".ls-generation")).to_have_count(2)
    expect(page.locator(".ls-generation").last).to_contain_text("of 200")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Everything (JSON)").click()
    waiting.value.save_as(tmp_path / "run.json")
    run = json.loads((tmp_path / "run.json").read_text())
    rates = [step["learning_rate"] for step in run["steps"]]
    assert set(rates) == {0.002, 0.005}
    assert rates == sorted(rates)
    assert run["outcome"] == "stopped"
    press(page, "See a text with it")
    expect(page.locator(".tokens .t").first).to_be_visible()
    expect(page.get_by_role("combobox", name="Model", exact=True)).to_have_value(re.compile("scratch-likes-x"))


def test_two_people_train_at_once_and_a_run_survives_a_reload_but_not_a_kill(open_page: OpenPage) -> None:
    first, second, third = (opened(open_page, f"{SMALL}&steps=5000") for _ in range(3))
    for page in (first, second):
        press(page, "Start")
    for page in (first, second):
        says(page, "Training")
    assert re.search("job=", first.url)
    seen = step_of(first)
    first.reload()
    says(first, "Training")
    expect(first.locator(".st-key-train_steps input")).to_have_value("5000")
    assert step_of(first) >= seen
    press(third, "Start")
    expect(third.get_by_text("2 runs ahead: at most 2 train at once")).to_be_visible()
    press(third, "Stop")
    second.close()  # the run of a closed page ends a minute later; the others go on
    later = step_of(first)
    expect(first.locator(".ls-run p")).not_to_contain_text(f"{later:,} of")
    for process in training_processes():
        process.kill()
    expect(first.get_by_text("killed from outside")).to_be_visible()
    press(first, "Start")
    says(first, "Training")
    press(first, "Reset")
    expect(first.get_by_text("Recorded earlier")).to_be_visible()
    assert "job=" not in first.url


def test_bad_patterns_are_said_in_one_sentence(
    open_page: OpenPage, rerun: Callable[[Page], AbstractContextManager[None]]
) -> None:
    page = opened(open_page)
    for kind, text, answer in (
        ("Letter", "qzqz", "None of the 50,257 tokens match"),
        ("Expression", "(", "is not a regular expression"),
        ("Expression", "(?R)", "took more than 2 seconds"),
    ):
        choice = page.get_by_role("radio", name=kind)
        if not choice.is_checked():
            with rerun(page):  # which draws the field anew, and would undo what is typed meanwhile
                choice.click()
        field = page.locator(".st-key-train_pattern_text input")
        field.fill(text)
        field.press("Enter")
        expect(page.get_by_text(answer)).to_be_visible()
        expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()


def test_the_page_is_accessible_and_fits_a_phone(
    open_page: OpenPage, phone_page: Page, axe: Callable[..., list[str]]
) -> None:
    for scheme in ("light", "dark"):
        page = opened(open_page, scheme=scheme)
        expect(page.locator(".stPlotlyChart .main-svg").first).to_be_visible()
        time.sleep(0.5)  # Streamlit fades new elements in, and half-faded text has no contrast
        assert axe(page) == []
    phone_page.goto(phone_page.url.rstrip("/") + "/bias_training")
    expect(phone_page.get_by_text("Recorded earlier")).to_be_visible()
    assert phone_page.evaluate("document.documentElement.scrollWidth <= innerWidth")

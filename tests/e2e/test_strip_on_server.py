"""The token strip on a Streamlit page (strip_app.py): what the server hears, what it marks, the address, the theme."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from engine.strip import page as strip_page
from tests.e2e.app_page import backgrounds, cells
from tests.e2e.conftest import OpenPage, settled

Rerun = Callable[[Page], AbstractContextManager[None]]
Runs = Callable[[Page], int]


@pytest.fixture(scope="module")
def app_script() -> str:
    return "tests/e2e/strip_app.py"


@pytest.fixture
def open_page(open_page: OpenPage) -> OpenPage:
    """As everywhere, but also waits for the strip, which draws itself after the script has run."""

    def open_(*args: Any, **options: Any) -> Page:
        page = open_page(*args, **options)
        cells(page).first.wait_for()
        return page

    return open_


def test_every_colouring_is_drawn_without_asking_the_server(page: Page, script_runs: Runs) -> None:
    runs, seen = script_runs(page), set()
    asked: list[str] = []
    # The browser looks for the page's icon again when the address changes.
    page.on("request", lambda request: None if "favicon" in request.url else asked.append(request.url))
    for name in ("logprob", "prob", "rank", "surprisal", "entropy", "ratio"):
        page.get_by_label("Colour").select_option(name)
        seen.add(tuple(backgrounds(page)))
    page.get_by_label("Whole words").check()
    assert len(seen) == 6
    assert (script_runs(page), asked) == (runs, [])


def test_clicking_pins_cards_and_tells_the_server_once(page: Page, rerun: Rerun, script_runs: Runs) -> None:
    with rerun(page):
        cells(page).nth(3).click()
    expect(page.get_by_text("selected 3")).to_be_visible()
    with rerun(page):
        cells(page).nth(8).click()
    runs = script_runs(page)
    assert page.locator(".pins .card .title").all_inner_texts() == ["␣a", "␣measure"]
    one, two = (page.locator(".pins .card").nth(i).bounding_box() for i in (0, 1))
    assert one is not None
    assert two is not None
    assert one["y"] == two["y"]
    assert cells(page).nth(3).get_attribute("aria-selected") == "true"
    with rerun(page):
        page.get_by_role("button", name="Close the card of a", exact=True).click()
    expect(page.locator(".pins .card")).to_have_count(1)
    with rerun(page):
        page.keyboard.press("Escape")
    expect(page.locator(".pins .card")).to_have_count(0)
    expect(page.get_by_text("selected None")).to_be_visible()
    assert script_runs(page) == runs + 2


def test_without_report_the_server_never_hears(open_page: OpenPage, script_runs: Runs) -> None:
    page = open_page("/?report=0")
    runs = script_runs(page)
    cells(page).nth(3).click()
    expect(page.locator(".pins .card")).to_have_count(1)
    page.wait_for_timeout(300)
    assert script_runs(page) == runs


def test_python_marks_tokens_without_sending_the_text_again(open_page: OpenPage, rerun: Rerun) -> None:
    page = open_page("/?text=long&height=300", settle=False)
    expect(cells(page)).to_have_count(5_000)
    settled(page)
    n_bytes: list[int] = []
    page.evaluate("window.__cell = 1")
    cdp = page.context.new_cdp_session(page)
    cdp.send("Network.enable")
    cdp.on("Network.webSocketFrameReceived", lambda event: n_bytes.append(len(event["response"]["payloadData"])))
    with rerun(page):
        page.get_by_label("Mark").fill("7")  # typed, not clicked: a click while the list still scrolls only highlights
        page.keyboard.press("Enter")
    expect(page.locator(".tokens .marked")).to_have_text("\u00a0word7")
    script = 4 / 3 * len(strip_page.script().encode())  # of the component that marks; frames are written in base64
    assert 0 < sum(n_bytes) < script + 5_000


def test_marks_stay_when_cells_become_words(page: Page, rerun: Rerun) -> None:
    with rerun(page):
        page.get_by_label("Mark").fill("7")
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")  # the list of choices lies over the strip
    expect(page.locator(".tokens .marked")).to_have_count(1)
    for shown in (True, False):
        page.get_by_label("Whole words").set_checked(shown)
        expect(page.locator(".tokens .marked")).to_have_count(1)


def test_python_can_pin_a_token_and_a_person_can_close_it(open_page: OpenPage, rerun: Rerun) -> None:
    page = open_page("/?selected=5")
    expect(page.locator(".pins .title")).to_have_text("␣analysis")
    with rerun(page):
        page.get_by_role("button", name="Close the card of analysis").click()
    with rerun(page):
        page.get_by_label("Shift").fill("2")
        page.get_by_label("Shift").press("Enter")
    expect(page.locator(".pins .card")).to_have_count(0)


def test_address_keeps_the_view_beside_streamlits_own_parameters(open_page: OpenPage, rerun: Rerun) -> None:
    page = open_page("/?shift=3")
    page.get_by_label("Colour").select_option("entropy")
    assert page.url.endswith("/?shift=3&colour=entropy")
    with rerun(page):
        page.get_by_label("Shift").fill("4")
        page.get_by_label("Shift").press("Enter")
    page.get_by_label("Whole words").check()
    low = page.get_by_label("Lowest Entropy, bits")
    low.fill("1.5")
    low.press("Enter")
    with rerun(page):
        cells(page).nth(3).click()
    for part in ("shift=4", "colour=entropy", "words=1", "limits=1.5_"):
        assert part in page.url
    expect(page.get_by_text('"colour": "entropy"')).to_be_visible()
    again = open_page(page.url[page.url.index("/", 8) :])
    expect(again.get_by_label("Colour")).to_have_value("entropy")
    expect(again.get_by_label("Whole words")).to_be_checked()
    expect(again.get_by_label("Lowest Entropy, bits")).to_have_value("1.5")
    again.get_by_label("Colour").select_option("logprob")
    again.get_by_label("Whole words").uncheck()
    assert again.url.endswith("/?shift=4")


def test_theme_change_redraws(page: Page) -> None:
    light = backgrounds(page)
    page.emulate_media(color_scheme="dark")
    expect(page.locator(".ls[data-theme=dark]")).to_be_visible()
    dark = backgrounds(page)
    assert sum(a != b for a, b in zip(light, dark, strict=True)) > 40


def test_hovering_one_strip_points_at_the_same_place_in_the_others(open_page: OpenPage) -> None:
    page = open_page("/?kind=pair")
    lists = page.locator(".tokens")
    expect(lists).to_have_count(3)
    lists.nth(0).locator(".t").nth(5).hover()
    for other in (1, 2):
        expect(lists.nth(other).locator(".pointed")).to_have_text("\u00a0analysis")
    page.get_by_label("Colour").nth(1).select_option("rank")
    assert page.url.endswith("b_colour=rank")

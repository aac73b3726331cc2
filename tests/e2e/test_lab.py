"""The information lab in a browser: bars and sliders under the hand, links, both themes, a phone."""

import re
import statistics
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import PHONE, OpenPage

FIRST_CHART = {
    "Distributions": "kl_chain",
    "Gaussians": "gauss_densities",
    "Entropy": "entropy_histogram",
    "Mutual information": "mutual_scatter",
}
SLOW_ANSWER_MS = 1_000
"""Five times the aim: test machines are busy. benchmarks/lab_latency.py holds the lab to 200 ms."""

ANSWER_MS = """([input, steps]) => new Promise((resolve, reject) => {
  const shown = () => [...document.querySelectorAll('.ls-numbers')].map(e => e.textContent).join();
  const before = shown(), start = performance.now();
  const watch = setInterval(() => {
    if (shown() !== before) { clearInterval(watch); resolve(performance.now() - start); }
    if (performance.now() - start > 10000) { clearInterval(watch); reject(new Error('no answer')); }
  }, 4);
  input.value = String(+input.value + steps * +input.step);
  input.dispatchEvent(new Event('input', {bubbles: true}));
})"""


@pytest.fixture(scope="module")
def app_script() -> str:
    return "tests/e2e/lab_app.py"


def number(page: Page, label: str) -> Locator:
    """The live number under a label."""
    return page.locator(".ls-numbers div", has=page.get_by_text(label, exact=True)).locator("dd").first


def drag_to(page: Page, bar: Locator, share: float, *, release: bool = True) -> None:
    box = bar.bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] * (1 - share), steps=4)
    if release:
        page.mouse.up()


def test_dragging_q_to_the_floor_makes_one_divergence_infinite_and_the_link_keeps_it(
    page: Page, open_page: OpenPage
) -> None:
    expect(number(page, "D(P‖Q)")).to_contain_text("0.2008")
    drag_to(page, page.get_by_role("slider", name="Q of C", exact=True), 0)
    expect(number(page, "D(P‖Q)")).to_contain_text("∞")
    expect(number(page, "D(Q‖P)")).not_to_contain_text("∞")
    expect(page.get_by_role("slider", name="Q of A", exact=True)).to_have_attribute("aria-valuenow", "0.500")
    page.wait_for_url(re.compile(r"q=0\.5%2C0\.5%2C0"))
    again = open_page(page.url[page.url.index("/", 8) :])
    expect(number(again, "D(P‖Q)")).to_contain_text("∞")
    expect(again.get_by_role("slider", name="Q of C", exact=True)).to_have_attribute("aria-valuetext", "0, impossible")


def test_numbers_follow_while_the_bar_is_still_held(page: Page) -> None:
    bar = page.get_by_role("slider", name="P of A", exact=True)
    drag_to(page, bar, 0.9, release=False)
    expect(number(page, "D(P‖Q)")).not_to_contain_text("0.2008")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"0\.(89|9)"))
    page.mouse.up()


def test_bars_obey_the_keyboard_and_typing(page: Page) -> None:
    bar = page.get_by_role("slider", name="P of A", exact=True)
    bar.focus()
    bar.press("PageUp")
    bar.press("ArrowUp")
    expect(bar).to_have_attribute("aria-valuenow", "0.210")
    page.get_by_role("spinbutton", name="P of C, exact", exact=True).fill("0.5")
    expect(page.get_by_role("slider", name="P of C", exact=True)).to_have_attribute("aria-valuenow", "0.500")
    total = sum(
        float(page.get_by_role("slider", name=f"P of {name}", exact=True).get_attribute("aria-valuenow") or 0)
        for name in "ABC"
    )
    assert total == pytest.approx(1, abs=0.002)


def test_outcomes_can_be_added_taken_away_and_swapped(page: Page) -> None:
    page.get_by_role("button", name="One more", exact=True).click()
    expect(page.get_by_role("slider", name="Q of D", exact=True)).to_have_attribute("aria-valuenow", "0.000")
    page.get_by_role("button", name="Swap P and Q").click()
    expect(number(page, "D(P‖Q)")).to_contain_text("0.2274")
    for _ in range(2):
        page.get_by_role("button", name="One outcome fewer").click()
    expect(page.get_by_role("button", name="One outcome fewer")).to_be_disabled()
    expect(page.get_by_role("slider", name="P of B", exact=True)).to_have_attribute("aria-valuenow", "0.500")


def test_a_preset_replaces_what_was_dragged(page: Page) -> None:
    drag_to(page, page.get_by_role("slider", name="Q of C", exact=True), 0)
    expect(number(page, "D(P‖Q)")).to_contain_text("∞")
    page.get_by_role("combobox", name=re.compile("Start from")).click()
    page.get_by_role("option", name="Equal", exact=True).click()
    expect(number(page, "D(P‖Q)")).to_contain_text("0.0000")
    drag_to(page, page.get_by_role("slider", name="Q of D", exact=True), 0)
    expect(number(page, "D(P‖Q)")).to_contain_text("∞")


def test_sliders_keep_their_values_over_panels_and_in_the_link(page: Page, open_page: OpenPage) -> None:
    page.get_by_role("radio", name="Gaussians").click()
    slider = page.get_by_role("slider", name="Mean of Q", exact=True)
    slider.fill("3")
    expect(number(page, "D(P‖Q), closed form")).to_contain_text("1.4431")
    page.wait_for_url(re.compile("m2=3"))
    page.get_by_role("radio", name="Entropy").click()
    expect(page.get_by_role("slider", name="Bins", exact=True)).to_be_visible()
    page.get_by_role("radio", name="Gaussians").click()
    expect(page.get_by_role("slider", name="Mean of Q", exact=True)).to_have_value("3")
    again = open_page(page.url[page.url.index("/", 8) :])
    expect(number(again, "D(P‖Q), closed form")).to_contain_text("1.4431")


def show(page: Page, panel: str) -> None:
    """Open a panel and wait until its charts stand."""
    page.get_by_role("radio", name=panel, exact=True).click()
    expect(page.get_by_role("radio", name=panel, exact=True)).to_be_checked()
    expect(page.locator(f".st-key-{FIRST_CHART[panel]} .main-svg").first).to_be_visible(timeout=20_000)
    expect(page.locator("[data-stale=true]")).to_have_count(0, timeout=20_000)


def test_slider_moves_are_answered_at_once(page: Page) -> None:
    for panel, slider in (("Gaussians", "Mean of Q"), ("Entropy", "Bins"), ("Mutual information", "Samples")):
        show(page, panel)
        handle = page.get_by_role("slider", name=slider, exact=True).first.element_handle()
        answers = [page.evaluate(ANSWER_MS, [handle, 2]) for _ in range(5)]
        assert statistics.median(answers) < SLOW_ANSWER_MS, (panel, answers)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_panel_has_an_accessibility_finding(open_page: OpenPage, axe: Callable[..., list[str]], scheme: str) -> None:
    page = open_page(scheme=scheme)
    for panel in FIRST_CHART:
        show(page, panel)
        assert axe(page) == [], panel


def test_nothing_sticks_out_of_a_phone(phone_page: Page) -> None:
    for panel in FIRST_CHART:
        show(phone_page, panel)
        assert phone_page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], panel


def test_a_change_of_theme_redraws_without_losing_the_bars(page: Page) -> None:
    drag_to(page, page.get_by_role("slider", name="Q of C", exact=True), 0)
    expect(number(page, "D(P‖Q)")).to_contain_text("∞")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("[data-testid=stApp]")).to_have_css("background-color", "rgb(19, 20, 25)")
    expect(page.get_by_role("slider", name="Q of C", exact=True)).to_have_attribute("aria-valuenow", "0.000")

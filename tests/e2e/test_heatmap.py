"""The heatmap page of the real app with the real embedded model, in a real browser."""

import csv
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.app_page import cells, chart, drag, shown_text
from tests.e2e.conftest import OpenPage, settled
from tests.readings import MARKUP
from ui import examples

Rerun = Callable[[Page], AbstractContextManager[None]]
Runs = Callable[[Page], int]
FIRST = examples.examples()[0].text


def with_charts(open_page: OpenPage) -> Page:
    """The page with its charts, which come in a script run of their own."""
    page = open_page()
    expect(page.locator(".stPlotlyChart")).to_have_count(2)
    settled(page)
    return page


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return with_charts(open_page)


@pytest.fixture(scope="module")
def shown(open_to_look: OpenPage) -> Page:
    return with_charts(open_to_look)


def score(page: Page, text: str) -> None:
    page.get_by_role("radio", name="Your own text").click()
    page.get_by_label("Your text").fill(text)
    page.get_by_role("button", name="Score").click()


def test_first_paint_is_a_finished_example(shown: Page) -> None:
    expect(cells(shown).first).to_be_visible()
    assert shown_text(shown) == FIRST
    expect(shown.get_by_role("heading", name="Token heatmap")).to_be_visible()
    for label in ("Tokens", "Perplexity", "Bits per byte", "Mean surprisal"):
        expect(shown.locator("[data-testid=stMetric]", has_text=label)).to_be_visible()
    expect(chart(shown, "Surprisal along the text")).to_be_visible()
    expect(shown.get_by_text("Most surprising (bits)")).to_be_visible()


def test_recolouring_asks_nothing_of_the_server_and_stands_in_the_address(page: Page, script_runs: Runs) -> None:
    cells(page).first.wait_for()
    expect(chart(page, "Distribution")).to_be_visible()
    before, runs = cells(page).nth(4).evaluate("e => getComputedStyle(e).backgroundColor"), script_runs(page)
    page.get_by_label("Colour").select_option("rank")
    assert cells(page).nth(4).evaluate("e => getComputedStyle(e).backgroundColor") != before
    assert "colour=rank" in page.url
    assert script_runs(page) == runs


def test_hover_click_and_keyboard(page: Page, rerun: Rerun) -> None:
    goal = cells(page).filter(has_text="goal").first
    goal.hover()
    card = page.locator(".card:visible")
    for label in ("Log-prob", "Rank", "Entropy"):
        expect(card.first).to_contain_text(label)
    with rerun(page):
        goal.click()
    # The clicked token's line in the chart along the text, and its bar in the histogram.
    expect(chart(page, "Surprisal along the text").locator(".shapelayer path")).to_have_count(1)
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    expect(cells(page).last).to_have_class(re.compile("active"))
    with rerun(page):
        page.keyboard.press("Enter")
    expect(page.locator(".tokens [aria-selected=true]")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator(".tokens [aria-selected=true]")).to_have_count(1)


def test_selections_in_charts_and_table_are_marked_in_the_text(page: Page, rerun: Rerun) -> None:
    line, bars = chart(page, "Surprisal along the text"), chart(page, "Distribution of surprisal")
    expect(bars).to_be_visible()
    with rerun(page):
        drag(page, line, (0.02, 0.02), (0.3, 0.5))
    marked = page.locator(".tokens .marked")
    expect(marked).not_to_have_count(0)
    first = marked.count()
    with rerun(page):
        drag(page, bars, (0.7, 0.05), (0.98, 1.0))
    expect(marked).not_to_have_count(first)
    expect(marked.filter(has_text="Ice").or_(marked.filter(has_text="goal")).first).to_be_visible()
    page.get_by_text("All tokens as a table").click()
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()


def test_markup_in_ones_own_text_is_text(open_page: OpenPage) -> None:
    page = open_page("/?text=own")
    score(page, MARKUP)
    expect(cells(page).first).to_be_visible()
    assert "<script>window.__pwned = 1</script>" in shown_text(page)
    assert page.evaluate("window.__pwned") is None
    assert page.locator("img[src=x]").count() == 0
    assert "pwned" not in page.url
    expect(page.get_by_text("Your own text is not part of the link.")).to_be_visible()


def test_exported_files_hold_the_result(page: Page, open_page: OpenPage, tmp_path: Path) -> None:
    cells(page).first.wait_for()
    n = int(
        page.locator("[data-testid=stMetric]", has_text="Tokens").locator("[data-testid=stMetricValue]").inner_text()
    )
    files: dict[str, Path] = {}
    page.get_by_role("button", name="Export").click()
    for label in ("CSV table", "JSON, everything", "Web page of the strip"):
        with page.expect_download() as download:
            page.get_by_role("button", name=label).click()
        files[label] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[label])
    rows = list(csv.DictReader(files["CSV table"].open(encoding="utf-8", newline="")))
    assert len(rows) == n
    assert rows[0]["log_prob_nats"] == ""
    values = json.loads(files["JSON, everything"].read_text(encoding="utf-8"))
    assert values["text"] == FIRST
    assert values["log_probs"][0] is None
    assert [float(row["log_prob_nats"]) for row in rows[1:]] == pytest.approx(values["log_probs"][1:])
    saved = page.context.browser.new_page()
    saved.goto(files["Web page of the strip"].as_uri())
    expect(saved.locator(".t").first).to_be_visible()
    assert shown_text(saved) == FIRST
    saved.close()


def test_chart_is_saved_as_png_without_the_server(page: Page, script_runs: Runs) -> None:
    line = chart(page, "Surprisal along the text")
    line.hover()
    runs = script_runs(page)
    with page.expect_download() as download:
        line.locator("[data-title*='Download']").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    assert script_runs(page) == runs


def test_copied_link_restores_what_is_looked_at(page: Page, open_page: OpenPage, rerun: Rerun) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with rerun(page):
        page.get_by_role("radio", name="Facts").click()
    expect(cells(page).first).to_contain_text("Mar")
    page.get_by_label("Colour").select_option("entropy")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    again = open_page("/?" + link.split("?", 1)[1])
    expect(again.get_by_label("Colour")).to_have_value("entropy")
    expect(cells(again).first).to_contain_text("Mar")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("picture.txt", b"\x89PNG\r\n\x1a\n" + bytes(200), "PNG"),
        ("long.txt", b"a long text " * 90_000, "python -m engine score"),
        ("latin.txt", "Größe".encode("latin-1"), "UTF-8"),
    ],
)
def test_unusable_file_gets_one_sentence(open_page: OpenPage, name: str, content: bytes, says: str) -> None:
    page = open_page("/?text=own")
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/plain", "buffer": content})
    expect(page.get_by_role("alert").filter(has_text=says)).to_be_visible()
    expect(cells(page)).to_have_count(0)


def test_utf16_file_and_empty_text(open_page: OpenPage) -> None:
    page = open_page("/?text=own")
    expect(page.get_by_text("Nothing to score yet")).to_be_visible()
    page.get_by_role("button", name="Score").click()
    expect(page.get_by_role("alert").filter(has_text="The text is empty")).to_be_visible()
    file = {"name": "a.txt", "mimeType": "text/plain", "buffer": "Größe ½ 🙂 und mehr".encode("utf-16")}
    page.locator("input[type=file]").set_input_files(file)
    expect(cells(page).first).to_be_visible()
    assert shown_text(page) == "Größe ½ 🙂 und mehr"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_finding(
    shown: Page, open_page: OpenPage, axe: Callable[..., list[str]], scheme: str
) -> None:
    page = shown if scheme == "light" else open_page(scheme=scheme)
    expect(page.locator(".stPlotlyChart")).to_have_count(2)
    expect(chart(page, "Distribution")).to_be_visible()
    assert [finding for finding in axe(page) if "(serious)" in finding or "(critical)" in finding] == []


def test_phone_shows_everything_within_its_width(phone_page: Page) -> None:
    expect(cells(phone_page).first).to_be_visible()
    main = phone_page.get_by_test_id("stMain")
    assert main.evaluate("e => e.scrollWidth <= e.clientWidth")
    box = cells(phone_page).last.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390

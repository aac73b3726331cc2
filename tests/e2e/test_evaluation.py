"""The divergence page in a real browser, with the embedded model on a handful of texts and items."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from engine.evaluation.corpora import corpus
from engine.evaluation.runs.store import RunStore
from tests.e2e import app_page  # noqa: F401  (sets how long an expectation waits)
from tests.e2e.conftest import PHONE, OpenPage, settled

PATIENCE_MS = 420_000
"""Loading two models and a few hundred tokens: seconds, but minutes on a machine that others keep busy."""
pytestmark = pytest.mark.timeout(600)
STREAMLIT_OWN = ("empty-table-header", "presentation-role-conflict")
ITEMS = "\n".join(
    f"Cooking: A man puts number {n} of the eggs into a pan of hot oil. He\n0\nfries it until it is done.\n"
    "drives it to the airport.\npaints the ceiling with it.\nis a small country in Europe."
    for n in range(4)
)


def opened(open_page: OpenPage, path: str = "/divergence", **options: object) -> Page:
    """The page with its example finished, which the first test of the module has to wait for."""
    page = open_page(path, **options)
    if "view=" not in path:
        expect(page.get_by_test_id("stMetricLabel").filter(has_text="Mean KL")).to_be_visible(timeout=PATIENCE_MS)
    settled(page)
    return page


def row(table: Locator, number: int) -> dict[str, float]:
    """Where to click to choose a row of a table, which is drawn on a canvas."""
    return {"x": 18, "y": 38 + 35 * number + 17}


def test_the_example_finishes_and_every_number_opens_to_tokens(
    open_page: OpenPage, rerun: Callable, axe: Callable[..., list[str]]
) -> None:
    page = opened(open_page)
    tables = page.get_by_test_id("stDataFrame")
    expect(page.get_by_role("heading", name="99.0% KL")).to_be_visible()
    expect(page.locator(".tokens .t").first).to_be_visible()
    before = page.locator(".tokens").inner_text()
    with rerun(page):
        tables.nth(0).click(position=row(tables.nth(0), 9))
    expect(page.get_by_role("heading", name="Maximum KL")).to_be_visible()
    with rerun(page):
        tables.nth(1).click(position=row(tables.nth(1), 6))
    expect(page.locator(".tokens")).not_to_have_text(before)
    assert axe(page, allow=STREAMLIT_OWN) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible(open_page: OpenPage, axe: Callable[..., list[str]], scheme: str) -> None:
    page = opened(open_page, scheme=scheme)
    for view, shown in (
        ("At a glance", "nf4 against SmolLM2"),
        ("Past runs", "Select one to open"),
        ("MAUVE", "No score yet"),
    ):
        settled(page)
        page.get_by_role("radio", name=view).click()
        expect(page.get_by_text(shown).first).to_be_visible(timeout=60_000)
        settled(page)
        assert axe(page, allow=STREAMLIT_OWN) == [], view


def test_the_page_fits_a_phone(open_page: OpenPage) -> None:
    page = opened(open_page, viewport=PHONE, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_own_items_run_survives_a_reload_and_opens_each_item(open_page: OpenPage, tmp_path: Path) -> None:
    page = opened(open_page)
    page.get_by_role("radio", name="HellaSwag", exact=True).click()
    page.get_by_role("radio", name="Your own file").click(timeout=60_000)
    file = tmp_path / "items.txt"
    file.write_text(ITEMS, encoding="utf-8")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
    expect(page.get_by_text("items.txt")).to_be_visible()
    page.get_by_role("button", name="Evaluate these items").click()
    expect(page).to_have_url(re.compile(r"run=[0-9a-f]{16}"), timeout=60_000)
    address = page.url
    page.reload()
    expect(page.get_by_text("The same items, both models")).to_be_visible(timeout=PATIENCE_MS)
    assert re.search(r"run=[0-9a-f]{16}", page.url)[0] in address  # type: ignore[index]
    expect(page.get_by_test_id("stText").filter(has_text="Cooking: A man puts number 0")).to_be_visible()
    expect(page.get_by_text("McNemar's exact test")).to_be_visible()


def test_a_run_can_be_stopped_and_continued(open_page: OpenPage, data_dir: str) -> None:
    page = opened(open_page)
    page.get_by_role("radio", name="Your own corpus").click()
    texts = "\n\n".join(f"{n}: The river carried the boat past the mill and the old bridge." for n in range(40))
    page.get_by_label("Your texts").fill(texts)
    page.get_by_role("button", name="Compare on this corpus").click()
    expect(page).to_have_url(re.compile(r"run=[0-9a-f]{16}"), timeout=60_000)
    store, run_id = RunStore(Path(data_dir) / "runs.sqlite"), re.findall(r"run=([0-9a-f]{16})", page.url)[0]
    kept = stopped_after(page, 1, store, run_id)
    assert 0 < len(kept) < 40
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    further = stopped_after(page, len(kept) + 1, store, run_id)
    assert len(kept) < len(further) < len(corpus.read_corpus(texts).texts) == 40
    assert {place: further[place] for place in kept} == kept  # not computed a second time


def stopped_after(page: Page, count: int, store: RunStore, run_id: str) -> dict[tuple[str, int], object]:
    """Stop once so many batches are kept. Of each its own duration, by which a second computation would show."""
    while len(store.places(run_id)) < count:  # as long as the test may take
        page.wait_for_timeout(20)
    page.get_by_role("button", name="Stop").click(timeout=60_000)
    stopped = page.get_by_role("status").filter(has_text="Stopped:")
    expect(stopped).to_be_visible(timeout=60_000)
    batches = {place: store.batch(run_id, *place) for place in store.places(run_id)}
    expect(stopped).to_contain_text(f"{len(batches)} batches are finished and kept")
    return {place: batch.data["seconds"] for place, batch in batches.items() if batch is not None}


def test_markup_in_a_corpus_stays_text(open_page: OpenPage) -> None:
    page = opened(open_page)
    page.get_by_role("radio", name="Your own corpus").click()
    page.get_by_label("Your texts").fill('<img src=x onerror="window.__pwned=1"> ![](http://foreign.invalid/x.png) end')
    page.get_by_role("button", name="Compare on this corpus").click()
    expect(page.locator(".tokens")).to_contain_text("onerror", timeout=PATIENCE_MS)
    assert page.evaluate("window.__pwned") is None


def test_two_sets_of_texts_are_scored_and_opened_by_cluster(open_page: OpenPage, axe: Callable[..., list[str]]) -> None:
    page = opened(open_page, "/divergence?view=mauve")
    page.get_by_role("radio", name="Two sets of texts").click()
    weather = "\n\n".join(f"On day {n} it rained, and the {n % 7} boats stayed in the harbour." for n in range(100))
    sums = "\n\n".join(f"def add_{n}(x): return x + {n}" for n in range(100))
    page.get_by_label("Human texts, blank lines between them", exact=True).fill(weather)
    page.get_by_label("The other set", exact=True).fill(sums)
    settled(page)
    page.get_by_role("button", name="Score the sets").click()
    expect(page.get_by_test_id("stMetricLabel").filter(has_text="MAUVE:")).to_be_visible(timeout=PATIENCE_MS)
    score = page.get_by_test_id("stMetricValue").first.inner_text()
    assert 0 < float(score.split()[0]) < 0.2
    expect(page.get_by_text("Where they differ", exact=True)).to_be_visible()
    expect(page.locator(".stPlotlyChart")).to_have_count(2)
    settled(page)
    assert axe(page, allow=STREAMLIT_OWN) == []

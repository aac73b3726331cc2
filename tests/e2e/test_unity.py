"""The page of two models of the real app: the embedded model against its own 4-bit form, in a real browser."""

import csv
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.app_page import chart, drag
from tests.e2e.conftest import PHONE, OpenPage, settled

Rerun = Callable[[Page], AbstractContextManager[None]]
SCATTER = "Each token under both models"


def with_scatter(open_page: OpenPage) -> Page:
    page = open_page("/unity", settle=False)
    expect(chart(page, SCATTER)).to_be_visible(timeout=60_000)  # right after a start the 4-bit form is still loading
    settled(page)
    return page


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return with_scatter(open_page)


@pytest.fixture(scope="module")
def shown(open_to_look: OpenPage) -> Page:
    return with_scatter(open_to_look)


def strip(page: Page, name: str) -> Locator:
    return page.locator(f".st-key-unity_{name} .tokens")


def metric(page: Page, label: str) -> str:
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue").inner_text()


def test_embedded_model_and_its_four_bits_are_close_but_not_equal(shown: Page) -> None:
    assert 0.9 < float(metric(shown, "Pearson")) < 1
    assert 0 < float(metric(shown, "Mean KL").split()[0]) < 2
    for name in ("difference", "a", "b"):
        assert strip(shown, name).locator(".t").count() > 50
    expect(shown.get_by_text("a larger model is not more confident on every token")).to_be_visible()
    expect(chart(shown, "How far apart the predictions are")).to_be_visible()


def test_box_in_the_scatter_marks_the_tokens_in_every_strip(page: Page, rerun: Rerun) -> None:
    with rerun(page):
        drag(page, chart(page, SCATTER), (0.03, 0.3), (0.6, 0.97))
    marked = [strip(page, name).locator(".marked") for name in ("difference", "a", "b")]
    expect(marked[0]).not_to_have_count(0)
    texts = [found.all_inner_texts() for found in marked]
    assert texts[0] == texts[1] == texts[2]


def test_clicked_token_says_what_each_would_have_said_and_stands_out_in_the_scatter(page: Page, rerun: Rerun) -> None:
    with rerun(page):
        strip(page, "difference").locator(".t").nth(5).click()
    card = page.locator(".st-key-unity_difference .pins .card")
    expect(card).to_contain_text("A")
    expect(card).to_contain_text("KL")


def test_swap_exchanges_the_sides_and_the_address(page: Page, rerun: Rerun) -> None:
    above, below = metric(page, "B expects more"), metric(page, "A expects more")
    with rerun(page):
        page.get_by_role("button", name="Swap").click()
    expect(page.get_by_test_id("stMetric").filter(has_text="B expects more")).to_contain_text(below)
    assert metric(page, "A expects more") == above
    assert "a_precision=nf4" in page.url


def test_other_tokenizer_is_compared_on_common_pieces_without_kl(open_page: OpenPage) -> None:
    page = open_page("/unity?b=scratch-gpt2&b_precision=float32&text=facts")
    expect(chart(page, SCATTER)).to_be_visible()
    assert float(metric(page, "A expects more").rstrip("%")) > 50
    assert page.get_by_test_id("stMetric").filter(has_text="Mean KL").count() == 0
    expect(chart(page, "How far apart the predictions are")).to_contain_text("vocabular")


def test_exported_comparison_holds_both_readings(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON, everything").click()
    download.value.save_as(tmp_path / "comparison.json")
    values = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert values["a"]["token_ids"] == values["b"]["token_ids"]
    assert float(metric(page, "Pearson")) == pytest.approx(values["pearson"], abs=6e-4)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV table").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(values["spans"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_finding(
    shown: Page, open_page: OpenPage, axe: Callable[..., list[str]], scheme: str
) -> None:
    page = shown if scheme == "light" else open_page("/unity", scheme=scheme)
    expect(chart(page, SCATTER)).to_be_visible()
    assert [finding for finding in axe(page) if "(serious)" in finding or "(critical)" in finding] == []


def test_phone_shows_everything_within_its_width(open_page: OpenPage) -> None:
    page = open_page("/unity", viewport=PHONE)
    expect(chart(page, SCATTER)).to_be_visible()
    assert page.get_by_test_id("stMain").evaluate("e => e.scrollWidth <= e.clientWidth")

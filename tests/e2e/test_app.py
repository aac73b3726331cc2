"""The app as a whole: its first request, its headers, two people at once, and a machine without the model."""

import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from engine import paths
from tests.e2e.app_page import cells
from tests.e2e.conftest import OpenPage, running_server, settled
from ui import examples, headers


class Bare(NamedTuple):
    """A server that has no model and was asked for nothing yet, the folder where it looks for models, and its log."""

    url: str
    cache: Path
    log: Path


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, data_dir: str) -> Iterator[Bare]:
    folder = tmp_path_factory.mktemp("bare")
    cache, log = folder / "empty-cache", folder / "server.log"
    with running_server("app.py", {"LOGITSCOPE_CACHE": str(cache), "LOGITSCOPE_DATA": data_dir}, log) as url:
        yield Bare(url, cache, log)


def test_deep_link_as_the_very_first_request_of_a_server(bare: Bare, profile: Callable[..., BrowserContext]) -> None:
    # Without the router of its own Streamlit would answer this one in its old multipage mode.
    page = profile().new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{bare.url}/models?from=link")
    settled(page)
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name="Two models")).to_be_visible()
    page.close()


def test_without_any_model_the_app_starts_says_what_to_do_and_shows_terms_before_it_fetches(
    bare: Bare, profile: Callable[..., BrowserContext]
) -> None:
    page = profile().new_page()
    page.set_default_timeout(60_000)
    page.goto(bare.url)
    settled(page)
    expect(page.get_by_role("alert").filter(has_text="not on this machine")).to_be_visible()
    page.get_by_role("link", name="Open the Models page").click()
    expect(page.get_by_role("button", name="Fetch").first).to_be_visible()
    gemma = page.locator("[class*=st-key-model_]", has_text="Gemma")
    gemma.get_by_role("button", name="Fetch").click()
    expect(page.get_by_text("I have read and accept these terms")).to_be_visible()
    expect(page.get_by_role("button", name="Fetch", exact=True).last).to_be_disabled()
    assert "The app starts all the same" in bare.log.read_text()
    # Nothing was prepared: once the model is there, the heatmap loads it in view, and gets there.
    bare.cache.mkdir(exist_ok=True)
    (bare.cache / "models").symlink_to(paths.models_dir())
    page.goto(bare.url)
    expect(cells(page).first).to_be_visible(timeout=60_000)
    page.close()


def test_every_answer_carries_the_security_headers(app_url: str) -> None:
    for path in ("/", "/unity", "/_stcore/health", "/favicon.ico"):
        answer = urllib.request.urlopen(app_url + path)
        assert answer.headers["content-security-policy"] == headers.content_security_policy()
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_page_breaks_the_policy_or_logs_an_error(open_page: OpenPage) -> None:
    page = open_page("/", settle=False)
    page.set_default_timeout(60_000)  # the server, new, is still preparing examples
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.reload()
    settled(page)
    expect(page.locator(".stPlotlyChart").first).to_be_visible()
    for link, title in (("Two models", "Two models, one text"), ("Models", "Models")):
        page.get_by_role("link", name=link, exact=True).click()
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        settled(page)
    assert said == []


def test_two_people_see_their_own_text(open_page: OpenPage) -> None:
    first, second = open_page(), open_page("/?text=facts")
    expect(cells(first).first).to_contain_text("The")
    expect(cells(second).first).to_contain_text("Mar")
    first.get_by_role("radio", name="Python").click()
    expect(cells(first).first).to_contain_text("def")
    expect(cells(second).first).to_contain_text("Mar")


def test_choices_are_remembered_across_pages(page: Page) -> None:
    page.get_by_role("radio", name="Story").click()
    expect(page).to_have_url(re.compile("text=story"))
    page.get_by_role("link", name="Two models", exact=True).click()
    expect(page.get_by_role("radio", name="Story")).to_be_checked()
    page.get_by_role("link", name="Heatmap", exact=True).click()
    expect(page.get_by_role("radio", name="Story")).to_be_checked()
    expect(page).to_have_url(re.compile("text=story"))


def test_framework_chrome_is_gone(page: Page) -> None:
    expect(cells(page).first).to_be_visible()
    for name in ("Deploy", "Main menu"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    # Whatever Streamlit calls them: its bar has no other button than that of the sidebar.
    expect(page.get_by_test_id("stHeader")).to_have_count(1)
    expect(page.get_by_test_id("stHeader").get_by_role("button")).to_have_count(0)


def test_examples_are_of_a_readable_length() -> None:
    for example in examples.examples():
        assert 50 <= len(example.text.split()) <= 150
    assert examples.examples()[0].text.startswith("The goal of a correlation analysis")

"""The models page of the real app, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from engine.models import registry
from tests.e2e.conftest import PHONE, OpenPage


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page("/models")


@pytest.fixture(scope="module")
def shown(open_to_look: OpenPage) -> Page:
    return open_to_look("/models")


def test_machine_and_every_model_are_shown(shown: Page) -> None:
    expect(shown.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    for spec in registry.specs():
        expect(shown.get_by_role("heading", name=spec.title)).to_be_visible()
    embedded = shown.locator(".ls-model", has_text=registry.resolve(registry.DEFAULT_MODEL).title)
    expect(embedded).to_contain_text("On this machine")
    expect(embedded).to_contain_text("loaded in")
    expect(shown.get_by_role("img", name="Models take")).to_be_visible()


def test_unknown_name_is_answered_with_near_ones(page: Page) -> None:
    page.get_by_label("Hub id or directory").fill("gpt-2-lrge")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert").filter(has_text="gpt2-large")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_finding(
    shown: Page, open_page: OpenPage, axe: Callable[..., list[str]], scheme: str
) -> None:
    page = shown if scheme == "light" else open_page("/models", scheme=scheme)
    expect(page.get_by_label("Hub id or directory")).to_be_visible()
    assert [finding for finding in axe(page) if "(serious)" in finding or "(critical)" in finding] == []


def test_phone_shows_everything_within_its_width(open_page: OpenPage) -> None:
    page = open_page("/models", viewport=PHONE)
    expect(page.get_by_label("Hub id or directory")).to_be_visible()
    assert page.get_by_test_id("stMain").evaluate("e => e.scrollWidth <= e.clientWidth")

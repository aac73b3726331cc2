"""What tests of the real app look for on its pages."""

from playwright.sync_api import Locator, Page, expect

expect.set_options(timeout=20_000)  # the machine of a test run may be busy with others'


def cells(page: Page) -> Locator:
    return page.locator(".tokens .t")


def shown_text(page: Page) -> str:
    return "".join(cells(page).all_text_contents()).replace("\u00a0", " ")


def backgrounds(page: Page) -> list[str]:
    return cells(page).evaluate_all("spans => spans.map(span => getComputedStyle(span).backgroundColor)")


def chart(page: Page, title: str) -> Locator:
    return page.locator(".stPlotlyChart", has_text=title)


def drag(page: Page, plot: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a box in a plot, its corners as shares of the plotting area, away from the edges, which drag axes."""
    expect(plot).to_have_count(1)  # the one before goes when the script run ends
    plot.scroll_into_view_if_needed()
    area = plot.locator(".nsewdrag").first.bounding_box()
    assert area is not None
    points = [(area["x"] + area["width"] * x, area["y"] + area["height"] * y) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=6)
    page.mouse.up()

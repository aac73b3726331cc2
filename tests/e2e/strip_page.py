"""The strip on a static page, for browser tests that need no server: mounted by its own script as Streamlit mounts it.

Python puts the data and the app's colours into the page. The browser's own routing answers at an address of this
machine, so that the page has an address and a clipboard; whatever else is asked for is refused and told.
"""

import json
from typing import get_args

from playwright.sync_api import BrowserContext, Page, Route

from engine.strip import page as strip_page
from engine.strip import payload
from ui import palette

_THEME = """:root {{ --st-background-color: {0.background}; --st-text-color: {0.text}; --st-border-color: {0.border};
--st-primary-color: {0.accent}; background: {0.background}; }}"""
ADDRESS = "http://localhost/"
STRIP = "[data-testid=strip]"
_PAGE = """<!doctype html><html lang="en"><head><title>Strip</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>{theme}</style></head><body>
<main data-testid="strip"><template shadowrootmode="open"><style>{style}</style></template></main>
<script type="module">
import mount from "/strip.js";
const data = await (await fetch("/data.json")).json();
mount({{ data, parentElement: document.querySelector("main").shadowRoot, setStateValue() {{}} }});
</script></body></html>"""


def open_strip(context: BrowserContext, data: payload.Payload, query: str, foreign: list[str]) -> Page:
    """A page of the strip at `ADDRESS` + `query`; what it asks for beside itself is added to `foreign`."""
    light, dark = (_THEME.format(palette.palette(theme)) for theme in get_args(palette.Theme))
    theme = f"{light} @media (prefers-color-scheme: dark) {{ {dark} }}"
    answers = {
        "": ("text/html", _PAGE.format(style=strip_page.style(), theme=theme)),
        "strip.js": ("text/javascript", strip_page.script()),
        "data.json": ("application/json", json.dumps(data)),
    }

    def answer(route: Route) -> None:
        name = route.request.url.partition("?")[0].removeprefix(ADDRESS)
        if name not in answers:
            foreign.append(route.request.url)
            return route.abort()
        kind, body = answers[name]
        return route.fulfill(content_type=f"{kind}; charset=utf-8", body=body)

    if not context.pages:  # one that stays, or the process would go with each test's last page
        context.new_page()
    page = context.new_page()
    page.route("**", answer)
    page.goto(ADDRESS + query)
    return page

"""The strip's page: closed to whatever the text says, and to the network."""

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from engine.strip import page
from tests import readings


class Outline(HTMLParser):
    """Every element with its attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.contents: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in self.contents:
            self.contents[tag].append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.contents[self.cdata_elem][-1] += data


@pytest.mark.parametrize("title", ["Report", "</title><script>alert(1)</script>"])
def test_no_text_breaks_out_of_the_standalone_page(title: str) -> None:
    outline = Outline(page.scores_html(readings.reading(readings.MARKUP), title=title))
    tags = [tag for tag, _ in outline.elements]
    expected = ["html", "head", "meta", "meta", "meta", "meta", "title", "style", "body", "main", "script", "script"]
    assert tags == expected
    embedded = json.loads(outline.contents["script"][0])
    strings = embedded["strip"]["strings"]
    assert "".join(strings[at] for at in embedded["strip"]["cell_text"]) == readings.MARKUP
    assert embedded["title"] == title


def test_standalone_page_allows_its_own_script_and_no_network() -> None:
    outline = Outline(page.scores_html(readings.reading(readings.ENGLISH)))
    policy = next(
        it["content"] or "" for _, it in outline.elements if it.get("http-equiv") == "Content-Security-Policy"
    )
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == digest(outline.contents["script"][1])
    assert directives["style-src"] == digest(outline.contents["style"][0])
    assert set(directives) == {"default-src", "script-src", "style-src", "base-uri"}
    assert not [it for _, it in outline.elements if {"src", "href", "style"} & set(it)]


def test_standalone_page_is_the_same_each_time() -> None:
    first, second = (page.scores_html(readings.reading(readings.ENGLISH)) for _ in range(2))
    assert first == second
    assert "Perplexity" in first


def test_comparison_has_a_standalone_page_too() -> None:
    embedded = json.loads(Outline(page.comparison_html(readings.comparison(readings.ENGLISH))).contents["script"][0])
    assert embedded["strip"]["kind"] == "comparison"
    assert embedded["facts"][0][1].startswith("Small model")


def test_notebook_frame_may_run_scripts_and_nothing_else() -> None:
    scores = readings.reading(readings.MARKUP)
    frame = scores._repr_html_()
    outline = Outline(frame)
    [(tag, attributes)] = outline.elements
    assert (tag, attributes["sandbox"]) == ("iframe", "allow-scripts")
    assert attributes["srcdoc"] == page.scores_html(scores)
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', frame).group(1)) == attributes["srcdoc"]  # type: ignore[union-attr]


def test_page_says_what_stands_in_front_of_the_text_if_anything_does() -> None:
    opened, plain = (readings.reading(readings.ENGLISH, first_predicted=first) for first in (True, False))
    assert '["Opened with","\\u003cs>"]' in page.scores_html(opened)
    assert "Opened with" not in page.scores_html(plain)


def test_page_of_a_comparison_says_which_model_was_opened() -> None:
    both = readings.comparison(readings.ENGLISH)
    shown = page.comparison_html(replace(both, a=replace(both.a, opening_ids=(0,), opening_tokens=("<s>",))))
    assert "A opened with" in shown
    assert "B opened with" not in shown


@pytest.mark.parametrize("module", ["engine.strip.page", "engine.strip.payload"])
def test_the_strip_is_imported_by_results_and_imports_none(module: str) -> None:
    check = f"import sys, {module}; sys.exit('engine.scoring.results' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)

"""Whatever a message holds, it is shown as the characters it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ui import messages

HOSTILE = "![](http://foreign.invalid/x.png) [x](javascript:alert(1)) <img src=x onerror=y> :red[a] $x^2$ `c` *b* #h"


def visible(markdown: str) -> str:
    """Text of the paragraph that Markdown makes of it; anything but plain text makes the test fail."""
    (paragraph,) = [token for token in MarkdownIt("commonmark").parse(markdown) if token.type == "inline"]
    assert {child.type for child in paragraph.children} <= {"text", "text_special"}
    return "".join(child.content for child in paragraph.children)


def test_hostile_text_stays_text() -> None:
    assert visible(messages.plain(HOSTILE)) == HOSTILE
    assert not re.search(r"(?<!\\):\w+(?<!\\)\[", messages.plain(HOSTILE))  # Streamlit's coloured text


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1))
def test_any_text_without_spaces_is_shown_unchanged(text: str) -> None:
    if text[0].isdigit() or not text.strip():
        return
    assert visible(messages.plain(text)) == text


@pytest.mark.parametrize("text", ["one\ntwo", "one\n\n    two"])
def test_a_message_is_one_paragraph(text: str) -> None:
    assert visible(messages.plain(text)) == "one two"

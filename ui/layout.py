"""What every page looks like: the heading, the style sheet, empty states, a row of figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import TypeVar

import plotly.graph_objects as go
import streamlit as st

from engine import paths
from ui import address
from ui.figures import base
from ui.palette import Theme, palette

T = TypeVar("T", bound=str)

_STYLE = paths.ASSETS / "app.css"


@dataclass(frozen=True)
class Fact:
    """One number of a summary: what it is, the number as shown, and one sentence that explains it."""

    label: str
    shown: str
    explanation: str


def style() -> None:
    """Load the app's style sheet, with the colours of the theme as `--ls-NAME`."""
    colours = vars(palette(theme()))
    variables = "".join(f"--ls-{name.replace('_', '-')}:{value};" for name, value in colours.items() if "#" in value)
    st.html(f"<style>:root{{{variables}}}\n{_STYLE.read_text(encoding='utf-8')}</style>")


def theme() -> Theme:
    """Light or dark, as this browser shows the page."""
    return "dark" if st.context.theme.type == "dark" else "light"


def heading(title: str, purpose: str) -> None:
    """Title of the page and the one sentence that says what it is for."""
    st.html(f'<header class="ls-heading"><h1>{escape(title)}</h1><p>{escape(purpose)}</p></header>')


def section(title: str, hint: str = "") -> None:
    """Head of one part of a page."""
    st.html(f'<div class="ls-section"><h2>{escape(title)}</h2><p>{escape(hint)}</p></div>')


def facts(numbers: list[Fact]) -> None:
    """A row of figures, each with its explanation behind a question mark."""
    with st.container(horizontal=True, key="facts"):
        for number in numbers:
            st.metric(number.label, number.shown, help=number.explanation, width="content")


def empty_state(title: str, hint: str) -> None:
    """What stands where a result will be."""
    st.html(f'<div class="ls-empty" role="status"><strong>{escape(title)}</strong><p>{escape(hint)}</p></div>')


def chart(figure: go.Figure, key: str, alt: str) -> None:
    """Show a chart with Plotly's own buttons; `alt` says what it shows for those who cannot see it."""
    st.plotly_chart(figure, theme=None, key=key, config=base.TOOLBAR, alt=alt)


def choice(
    label: str,
    titles: Mapping[T, str],
    key: str,
    *,
    default: T | None = None,
    named: bool = False,
    about: str = "",
    linked: bool = False,
    older: Mapping[str, str] = MappingProxyType({}),
) -> T:
    """One of a few, side by side, the first unless told otherwise; it stays chosen from page to page.

    `titles` says what stands on each. `named` shows the label too, with `about` behind its question mark. `linked`
    keeps the choice in the page's address, where `older` says what the values of earlier versions mean now.
    """
    usual = default or next(iter(titles))
    if linked:
        address.restore(key, list(titles), usual, older=older)
    elif st.session_state.get(key) not in titles:
        st.session_state[key] = usual
    st.segmented_control(
        label,
        list(titles),
        format_func=titles.__getitem__,
        required=True,
        key=key,
        persist_state="session",
        help=about or None,
        label_visibility="visible" if named else "collapsed",
        wrap=True,
    )
    if linked:
        address.note(key, usual)
    chosen: T = st.session_state[key]
    return chosen

"""What every panel of the lab is made of: a heading that says what to try, live numbers, small charts."""

from html import escape

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from engine import measures, paths
from ui import layout

_STYLE = paths.ASSETS / "lab" / "panels.css"
_QUIET = {"displayModeBar": False, "scrollZoom": False, "responsive": True}


def style() -> None:
    """Load the lab's style sheet."""
    st.html(_STYLE)


def heading(title: str, meaning: str, invitation: str) -> None:
    """Name of the panel, one sentence of meaning, and one that says what to try."""
    layout.section(title, meaning)
    st.html(f'<p class="ls-try"><strong>Try</strong> {escape(invitation)}</p>')


def chart(figure: go.Figure, key: str, alt: str) -> None:
    """A chart that redraws in place; `alt` says what it shows. If no trace has anything to hover it is a still."""
    still = all(trace.hoverinfo == "skip" for trace in figure.data)
    st.plotly_chart(figure, theme=None, key=key, config={**_QUIET, "staticPlot": still}, alt=alt)


def numbers(*entries: tuple[str, str, str]) -> None:
    """Live numbers side by side: (label, number, small print)."""
    cells = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(shown)}<small>{escape(note)}</small></dd></div>"
        for label, shown, note in entries
    )
    st.html(f'<dl class="ls-numbers" aria-live="off">{cells}</dl>')


def nats(label: str, value: float) -> tuple[str, str, str]:
    """An entry of `numbers` in nats with bits below; infinity is said.

    >>> nats("H", float("inf"))
    ('H', '∞', 'nats and bits alike')
    """
    if np.isinf(value):
        return label, "∞", "nats and bits alike"
    return label, f"{value:.4f}", f"nats = {float(measures.to_bits(value)):.4f} bits"


def note(text: str) -> None:
    """A remark below a chart."""
    st.html(f'<p class="ls-note">{escape(text)}</p>')

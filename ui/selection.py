"""One selection of tokens shared by the charts, tables and strips of a page: the part touched last decides.

The chart that was touched keeps its own drawing of the selection, so its figure must not change; the others draw the
tokens as marked, which gives them a new figure and so clears what was selected in them before.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from ui.figures import base

Pick = Callable[[Any], Iterable[int]]
"""From the `customdata` of a chart's point to indices of tokens."""


@dataclass
class Selection:
    """Indices of the tokens selected, the part of the page they were selected in, and what they are tokens of."""

    about: object = None
    tokens: tuple[int, ...] = ()
    source: str = ""
    clicked: int | None = None
    turns: dict[str, int] = field(default_factory=dict)


def current(group: str, about: object = None) -> Selection:
    """The selection of a page; an empty one as soon as the page is `about` another result."""
    key = f"{group}_selection"
    selection = st.session_state.get(key)
    if selection is None or (about is not None and selection.about != about):
        turns = {} if selection is None else {part: turn + 1 for part, turn in selection.turns.items()}
        selection = st.session_state[key] = Selection(about=about, turns=turns)
    found: Selection = selection
    return found


def click(group: str, token: int | None) -> None:
    """Note which token was clicked in a strip; every part then draws the selection as marks."""
    selection = current(group)
    selection.clicked = token
    selection.source = ""


def chart(
    group: str,
    part: str,
    draw: Callable[[tuple[int, ...]], go.Figure],
    pick: Pick,
    *,
    alt: str,
    modes: tuple[Literal["points", "box", "lasso"], ...] = ("points", "box"),
) -> None:
    """Show the chart that `draw` makes for the tokens to mark; selecting in it selects tokens for the whole page.

    Parameters
    ----------
    group, part : the page, and which chart of it
    draw : from marked tokens to the figure
    pick : from a point's customdata to tokens
    alt : what the chart shows, for those who cannot see it
    modes : ways to select
    """
    selection = current(group)
    figure = draw(() if selection.source == part else selection.tokens)
    st.plotly_chart(
        figure,
        theme=None,
        key=f"{group}_{part}",
        on_select=lambda: _take_points(group, part, pick),
        selection_mode=modes,
        config=base.TOOLBAR,
        alt=alt,
    )


def table(group: str, part: str, frame: pd.DataFrame, columns: dict[str, Any], *, height: int = 320) -> None:
    """Show a table whose index is the tokens; selecting rows selects tokens for the whole page."""
    selection = current(group)
    if selection.source != part and selection.turns.get(f"{part} touched"):
        selection.turns[part] = selection.turns.get(part, 0) + 1
        selection.turns[f"{part} touched"] = 0
    key = f"{group}_{part}_{selection.turns.get(part, 0)}"
    st.dataframe(
        frame,
        column_config=columns,
        hide_index=True,
        key=key,
        height=height,
        on_select=lambda: _take_rows(group, part, key, frame),
        selection_mode="multi-row",
    )


def _take_points(group: str, part: str, pick: Pick) -> None:
    points = st.session_state[f"{group}_{part}"]["selection"]["points"]
    _take(group, part, (token for point in points for token in pick(point["customdata"])))


def _take_rows(group: str, part: str, key: str, frame: pd.DataFrame) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    current(group).turns[f"{part} touched"] = 1
    _take(group, part, (int(frame.index[row]) for row in rows))


def _take(group: str, part: str, tokens: Iterable[int]) -> None:
    selection = current(group)
    selection.tokens = tuple(sorted(set(tokens)))
    selection.source = part if selection.tokens else ""

"""What every chart of the app looks like: fonts, gridlines, colours of the theme, room for the title."""

import textwrap
from html import escape
from typing import Any

import plotly.graph_objects as go

from ui import signs
from ui.palette import Palette, Theme, palette

FONT = "'Source Sans', 'Source Sans 3', system-ui, sans-serif"

TOOLBAR = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["autoScale2d", "zoomIn2d", "zoomOut2d"],
    "toImageButtonOptions": {"format": "png", "scale": 2},
}
"""Plotly's own buttons: zoom, select, and a PNG made in the browser without the server."""


def styled(
    figure: go.Figure, theme: Theme, title: str, x_title: str = "", y_title: str = "", *, height: int = 280
) -> go.Figure:
    """Give `figure`, with its traces, the look of the app and return it; titles are plain text, `height` is in pixels.

    Examples
    --------
    >>> styled(go.Figure(), "light", "Nothing yet").layout.title.text
    'Nothing yet'
    """
    colours = palette(theme)
    axes = {"xaxis": {**_axis(colours, x_title), "showgrid": False}, "yaxis": _axis(colours, y_title)}
    # Whole entries at once: merging them one by one takes ten times as long, 26 ms per chart.
    return figure.update_layout(_layout(colours, title, height) | axes, overwrite=True)


def _axis(colours: Palette, title: str) -> dict[str, Any]:
    return {
        "gridcolor": colours.border,
        "zeroline": False,
        "linecolor": colours.border,
        "ticks": "",
        "automargin": True,
        "title": {"text": escape(title), "font": {"size": 13, "color": colours.muted}, "standoff": 8},
        "tickfont": {"size": 12, "color": colours.muted},
    }


def _layout(colours: Palette, title: str, height: int) -> dict[str, Any]:
    return {
        "title": {
            "text": escape(title), "x": 0, "xref": "container", "y": 1, "yanchor": "top", "pad": {"t": 8, "l": 4},
            "font": {"size": 15, "color": colours.text, "weight": 600},
        },
        "font": {"family": FONT, "size": 13, "color": colours.text},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colours.muted, "activecolor": colours.accent},
        "hoverlabel": {
            "bgcolor": colours.surface,
            "bordercolor": colours.control,
            "font": {"family": FONT, "size": 13, "color": colours.text},
            "align": "left",
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"color": colours.muted}},
        "newselection": {"line": {"color": colours.accent, "width": 1.5, "dash": "solid"}},
        "activeselection": {"fillcolor": colours.accent, "opacity": 0.08},
        "margin": {"l": 8, "r": 12, "t": 40, "b": 8},
        "height": height,
        "showlegend": False,
        "bargap": 0.06,
    }  # fmt: skip


def empty(theme: Theme, title: str, reason: str, *, height: int = 280) -> go.Figure:
    """Return a titled figure with nothing but the reason why it is empty."""
    text = "<br>".join(escape(line) for line in textwrap.wrap(reason, 70))
    figure = styled(go.Figure(), theme, title, height=height)
    figure.add_annotation(
        text=text, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font_color=palette(theme).muted
    )
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)


def line(
    figure: go.Figure,
    x: object,
    y: object,
    colour: str,
    *,
    hover: str = "",
    width: float = 2,
    dash: str | None = None,
    **more: Any,
) -> None:
    """Add a line to `figure`. `hover` is what it says under the pointer, if anything; `more` is as in `go.Scatter`."""
    says = {"hovertemplate": hover} if hover else {"hoverinfo": "skip"}
    stroke = {"color": colour, "width": width, "dash": dash}
    figure.add_scatter(x=x, y=y, line=stroke, **{"mode": "lines", **says, **more})


def diagonal(figure: go.Figure, low: float, high: float, colour: str, *, width: float = 1) -> None:
    """Add the line y = x from `low` to `high`."""
    stroke = {"color": colour, "width": width, "dash": "dash"}
    figure.add_shape(type="line", x0=low, y0=low, x1=high, y1=high, line=stroke)


def token_label(token: str) -> str:
    """One token as chart text: escaped, since Plotly reads tags, with a sign for a space and what cannot be seen.

    >>> token_label(" <b>")
    '␣&lt;b&gt;'
    """
    return escape(signs.with_signs(token[:1]) + signs.with_signs(token[1:], spaces=False)) or "∅"


def scale(stops: tuple[str, ...]) -> list[list[float | str]]:
    """Colour stops as a Plotly colour scale from 0 to 1."""
    last = len(stops) - 1
    return [[index / last, colour] for index, colour in enumerate(stops)]


def translucent(colour: str, alpha: float) -> str:
    """'#rrggbb' with an opacity in [0, 1].

    >>> translucent("#ff0080", 0.5)
    'rgba(255,0,128,0.5)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"

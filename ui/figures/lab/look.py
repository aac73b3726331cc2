"""The app's look with fixed margins: letting Plotly fit them draws a chart several times, too slow under a slider."""

import plotly.graph_objects as go

from ui.figures import base
from ui.palette import Theme

LEFT, BOTTOM, LEGEND_ROW = 58, 46, 26


def styled(
    figure: go.Figure, theme: Theme, title: str, x_title: str = "", y_title: str = "",
    *, height: int, left: int = LEFT, legend_rows: int = 0,
) -> go.Figure:  # fmt: skip
    """`base.styled` with `left` pixels kept for the labels of y, and room below for x and a legend of some rows."""
    base.styled(figure, theme, title, x_title, y_title, height=height)
    figure.layout.xaxis.automargin = figure.layout.yaxis.automargin = False
    figure.layout.margin = {"l": left, "r": 12, "t": 40, "b": BOTTOM + legend_rows * LEGEND_ROW}
    if legend_rows:
        figure.layout.showlegend = True
        figure.layout.legend = {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"}
    return figure


def dot(figure: go.Figure, x: float, y: float, colour: str) -> None:
    """Mark the place on a curve where the sliders stand."""
    figure.add_scatter(x=[x], y=[y], mode="markers", marker={"size": 11, "color": colour}, showlegend=False)

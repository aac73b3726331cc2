"""A relation between two variables, what each estimator makes of it, and how its bias moves."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from engine.arrays import Floats
from engine.lab.bias import InformationBias
from engine.lab.estimators import TimedEstimate
from ui.figures import base
from ui.figures.lab import look
from ui.palette import Theme, palette

MOST_DOTS = 800


def scatter(x: Floats, y: Floats, x_edges: Floats, y_edges: Floats, *, theme: Theme) -> go.Figure:
    """The sample (n,), (n,), its first 800 points, with the bins' edges as a grid behind it."""
    colours = palette(theme)
    figure = go.Figure(
        go.Scatter(
            x=x[:MOST_DOTS], y=y[:MOST_DOTS], mode="markers", hoverinfo="skip",
            marker={"size": 5, "color": colours.model_a, "opacity": 0.6},
        )
    )  # fmt: skip
    base.line(figure, *_grid(x_edges, y_edges), colours.border, width=1)
    look.styled(figure, theme, "The sample and its bins", "x", "y", height=360)
    figure.update_xaxes(range=_wider(x_edges)).update_yaxes(range=_wider(y_edges), showgrid=False)
    figure.data = figure.data[::-1]
    return figure


def estimates(timed: Sequence[TimedEstimate], exact: float, *, theme: Theme) -> go.Figure:
    """Each estimator's value in nats as a bar with its spread, if it has one, and the exact value as a line."""
    colours = palette(theme)
    titles = [one.title for one in timed]
    values = [one.value for one in timed]
    raw = [one.name in ("equal_width", "percentile") for one in timed]
    spreads = [one.spread if np.isfinite(one.spread) else None for one in timed]
    shown = [*values, exact] if np.isfinite(exact) else values
    edge = 1.5 * max(0.12, *shown)  # the numbers stand in a column of their own, clear of the line
    figure = go.Figure(
        go.Bar(
            x=values, y=titles, orientation="h", hoverinfo="skip",
            marker_color=[colours.model_b if biased else colours.model_a for biased in raw],
            error_x={"array": spreads, "color": colours.muted, "thickness": 1.5},
        )
    )  # fmt: skip
    figure.add_scatter(
        x=[edge] * len(titles), y=titles, mode="text", text=[f"{value:.3f}" for value in values],
        textposition="middle left", textfont_color=colours.text, hoverinfo="skip",
    )  # fmt: skip
    if np.isfinite(exact):
        figure.add_vline(x=exact, line={"color": colours.accent, "width": 3})
        figure.add_annotation(
            x=exact, y=1, yref="paper", yanchor="bottom", text=f"exact {exact:.3f}", showarrow=False,
            font_color=colours.accent,
        )  # fmt: skip
    look.styled(figure, theme, "Estimates of I(X;Y)", "nats", height=360, left=164)
    figure.update_xaxes(range=[min(0.0, *shown) * 1.15, edge]).update_layout(bargap=0.35, margin_t=62)
    return figure.update_yaxes(autorange="reversed", showgrid=False, tickfont_color=colours.text)


def bias_by_samples(table: InformationBias, *, theme: Theme, mark: tuple[float, float] | None = None) -> go.Figure:
    """Histogram estimate of independent x and y against sample size, one line per bin count; the band `mark` shaded."""
    colours = palette(theme)
    figure = go.Figure()
    if mark is not None:
        figure.add_hrect(y0=mark[0], y1=mark[1], fillcolor=colours.accent, opacity=0.15, line_width=0)
    shades = _shades(len(table.rows), theme)
    for bins, values, shade in zip(table.rows, table.bias, shades, strict=True):
        hover = f"{bins} bins, %{{x:,}} samples: %{{y:.3f}} nats<extra></extra>"
        base.line(figure, table.columns, values, shade, mode="lines+markers", name=f"{bins} bins", hover=hover)
        first = (bins - 1) ** 2 / (2 * np.asarray(table.columns))
        base.line(figure, table.columns, first, shade, width=1, dash="dot", showlegend=False)
    title = "Independent x and y: all of this is bias"
    look.styled(figure, theme, title, "samples (dotted: first order)", "nats", height=360, legend_rows=2)
    figure.update_xaxes(type="log", dtick=1)
    return figure.update_yaxes(type="log", range=[-3, 0.7], exponentformat="power", dtick=1, tickfont_size=11)


def bias_by_truth(table: InformationBias, *, theme: Theme) -> go.Figure:
    """Estimate less truth against the truth, one line per sample size: flat would mean that comparisons are safe."""
    colours = palette(theme)
    figure = go.Figure()
    for samples, values, shade in zip(table.rows, table.bias, _shades(len(table.rows), theme), strict=True):
        hover = "truth %{x:.2f}: off by %{y:+.3f} nats<extra></extra>"
        base.line(figure, table.columns, values, shade, mode="lines+markers", name=f"n = {samples:,}", hover=hover)
    figure.add_hline(y=0, line={"color": colours.control, "width": 1})
    title, x_title = "Is the bias flat? Not here", "true I(X;Y) of a bivariate normal (nats)"
    return look.styled(figure, theme, title, x_title, "estimate − truth (nats)", height=360, legend_rows=2)


def _wider(edges: Floats) -> list[float]:
    """First and last edge with a little room, so that no dot is cut."""
    room = 0.03 * float(edges[-1] - edges[0])
    return [float(edges[0]) - room, float(edges[-1]) + room]


def _grid(x_edges: Floats, y_edges: Floats) -> tuple[list[float | None], list[float | None]]:
    """All edges as one broken line, which is cheaper than one shape per edge."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for x in x_edges[1:-1]:
        xs += [float(x), float(x), None]
        ys += [float(y_edges[0]), float(y_edges[-1]), None]
    for y in y_edges[1:-1]:
        xs += [float(x_edges[0]), float(x_edges[-1]), None]
        ys += [float(y), float(y), None]
    return xs, ys


def _shades(count: int, theme: Theme) -> list[str]:
    """`count` colours of one scale that all stand out from the page."""
    stops = palette(theme).sequential
    usable = stops[3:] if theme == "light" else stops[:6][::-1]
    return [usable[round(i * (len(usable) - 1) / max(1, count - 1))] for i in range(count)]

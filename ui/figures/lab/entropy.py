"""A sample in bins, what an epsilon inside the logarithm does, and the bias of entropy estimates."""

import numpy as np
import plotly.graph_objects as go

from engine.arrays import Floats
from engine.lab.bias import EntropyBias
from ui.figures import base
from ui.figures.lab import look
from ui.palette import Theme, palette


def histogram(edges: Floats, counts: Floats, *, theme: Theme) -> go.Figure:
    """Counts as density bars between `edges` (b + 1,), so that bins of unlike width compare by area."""
    colours = palette(theme)
    widths = np.diff(edges)
    density = counts / counts.sum() / widths
    figure = go.Figure(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2, y=density, width=widths,
            marker={"color": colours.model_a, "line": {"color": colours.background, "width": 1}},
            customdata=counts, hovertemplate="%{customdata:.0f} samples<extra></extra>",
        )
    )  # fmt: skip
    title = f"The sample in {counts.size} bins"
    return look.styled(figure, theme, title, "x", "share per unit of x", height=280)


def epsilon_error(epsilons: Floats, errors: Floats, current: float, error: float, *, theme: Theme) -> go.Figure:
    """How far -sum p ln(p + eps) is from the entropy, (m,) nats, against eps (m,); both on log axes."""
    colours = palette(theme)
    figure = go.Figure()
    base.line(figure, epsilons, errors, colours.accent, hover="ε = %{x:.0e}: %{y:.1e} nats<extra></extra>")
    look.dot(figure, current, error, colours.model_b)
    look.styled(figure, theme, "Error of ε inside the log", "ε", "entropy lost (nats)", height=260)
    figure.update_xaxes(type="log", exponentformat="power", dtick=3, tickfont_size=11)
    return figure.update_yaxes(type="log", exponentformat="power", dtick=4, tickfont_size=11)


def bias(table: EntropyBias, *, theme: Theme) -> go.Figure:
    """Mean plug-in and Miller-Madow entropy against sample size, with the truth as a line."""
    colours = palette(theme)
    figure = go.Figure()
    lines = (("plug-in", table.plug_in, colours.model_b), ("Miller-Madow", table.miller_madow, colours.model_a))
    for name, values, colour in lines:
        hover = "%{x} samples: %{y:.3f} nats<extra></extra>"
        base.line(figure, table.samples, values, colour, mode="lines+markers", name=name, hover=hover)
    figure.add_hline(
        y=table.truth, line={"color": colours.text, "dash": "dash", "width": 1}, annotation_text="truth",
        annotation_position="bottom left", annotation_font_color=colours.muted,
    )  # fmt: skip
    look.styled(figure, theme, "Estimated entropy by sample size", "samples", "nats", height=300, legend_rows=1)
    return figure.update_xaxes(type="log", dtick=1)

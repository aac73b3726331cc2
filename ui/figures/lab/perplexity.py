"""Surprisal along a text, the four ways to raise a base to an entropy, and two predictions under a temperature."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from engine.arrays import Floats
from engine.scoring.results import TextScores
from engine.units import to_bits
from ui.figures import base
from ui.figures.lab import look
from ui.palette import Theme, palette

MOST_TOKENS = 400


def surprisals(scores: TextScores, *, theme: Theme) -> go.Figure:
    """Surprisal of each of the first tokens (bits), what the model expected it to be, and the mean as a line."""
    colours = palette(theme)
    shown = np.flatnonzero(np.isfinite(scores.log_probs))[:MOST_TOKENS]
    title = "Surprisal of each token"
    if not shown.size:
        return base.empty(theme=theme, title=title, reason="No token of this text is predicted.")
    figure = go.Figure(
        go.Bar(
            x=shown + 1, y=scores.surprisals_bits[shown], marker_color=colours.model_a, name="surprisal",
            hovertext=[base.token_label(scores.tokens[index]) for index in shown],
            hovertemplate="<b>%{hovertext}</b> %{y:.2f} bits<extra></extra>",
        )
    )  # fmt: skip
    figure.add_scatter(
        x=shown + 1, y=to_bits(scores.entropies[shown]), mode="lines", name="entropy of the prediction",
        line={"color": colours.model_b, "width": 1.5}, hoverinfo="skip",
    )  # fmt: skip
    figure.add_hline(y=float(to_bits(-scores.mean_log_prob)), line={"color": colours.accent, "width": 2})
    look.styled(figure, theme=theme, title=title, x_title="Token", y_title="bits", height=300, legend_rows=1)
    return figure


def bases(names: Sequence[str], values: Sequence[float], right: Sequence[bool], *, theme: Theme) -> go.Figure:
    """What each pairing of base and unit gives as a 'perplexity', on a log axis; the wrong ones are hatched."""
    colours = palette(theme)
    figure = go.Figure(
        go.Bar(
            x=values, y=names, orientation="h", hoverinfo="skip",
            marker={
                "color": [colours.accent if good else colours.muted for good in right],
                "pattern": {"shape": ["" if good else "/" for good in right]},
            },
            text=[f"{value:,.2f}" if value < 1e6 else f"{value:.2e}" for value in values],
            textposition="outside", cliponaxis=False, textfont_color=colours.text,
        )
    )  # fmt: skip
    title = "Two are the perplexity, two are a slip"
    look.styled(figure, theme=theme, title=title, x_title="log scale", height=230, left=112)
    figure.update_xaxes(type="log", dtick=1, range=[0, np.log10(max(max(values), 10.0)) * 1.25])
    return figure.update_yaxes(autorange="reversed", showgrid=False, tickfont_color=colours.text)


def temperature_curve(
    temperatures: Floats, divergences: Floats, current: float, value: float, *, theme: Theme
) -> go.Figure:
    """D(teacher || student) (m,) in nats against temperature (m,), plain and times T²; the current one marked."""
    colours = palette(theme)
    figure = go.Figure()
    for name, y, dash in (("D at T", divergences, "solid"), ("T² · D", temperatures**2 * divergences, "dot")):
        figure.add_scatter(
            x=temperatures, y=y, mode="lines", name=name, line={"color": colours.accent, "dash": dash},
            hovertemplate="T = %{x:.2f}: %{y:.4f} nats<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=[current], y=[value], mode="markers", marker={"size": 11, "color": colours.model_b}, showlegend=False
    )
    title = "Distillation loss by temperature"
    look.styled(figure, theme=theme, title=title, x_title="Temperature T", y_title="nats", height=280, legend_rows=1)
    return figure.update_xaxes(type="log", dtick=1)

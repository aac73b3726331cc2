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
        return base.empty(theme, title, "No token of this text is predicted.")
    figure = go.Figure(
        go.Bar(
            x=shown + 1, y=scores.surprisals_bits[shown], marker_color=colours.model_a, name="surprisal",
            hovertext=[base.token_label(scores.tokens[index]) for index in shown],
            hovertemplate="<b>%{hovertext}</b> %{y:.2f} bits<extra></extra>",
        )
    )  # fmt: skip
    entropies = to_bits(scores.entropies[shown])
    base.line(figure, shown + 1, entropies, colours.model_b, width=1.5, name="entropy of the prediction")
    figure.add_hline(y=float(to_bits(-scores.mean_log_prob)), line={"color": colours.accent, "width": 2})
    return look.styled(figure, theme, title, "Token", "bits", height=300, legend_rows=1)


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
    look.styled(figure, theme, title, "log scale", height=230, left=112)
    figure.update_xaxes(type="log", dtick=1, range=[0, np.log10(max(max(values), 10.0)) * 1.25])
    return figure.update_yaxes(autorange="reversed", showgrid=False, tickfont_color=colours.text)


def temperature_curve(
    temperatures: Floats, divergences: Floats, current: float, value: float, *, theme: Theme
) -> go.Figure:
    """D(teacher || student) (m,) in nats against temperature (m,), plain and times T²; the current one marked."""
    colours = palette(theme)
    figure = go.Figure()
    for name, y, dash in (("D at T", divergences, "solid"), ("T² · D", temperatures**2 * divergences, "dot")):
        hover = "T = %{x:.2f}: %{y:.4f} nats<extra></extra>"
        base.line(figure, temperatures, y, colours.accent, dash=dash, name=name, hover=hover)
    look.dot(figure, current, value, colours.model_b)
    title = "Distillation loss by temperature"
    look.styled(figure, theme, title, "Temperature T", "nats", height=280, legend_rows=1)
    return figure.update_xaxes(type="log", dtick=1)

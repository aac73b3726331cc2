"""Two models on one text: the unity plot and how far their predictions are apart at each position."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from engine.arrays import Bools, Floats
from engine.scoring.results import ModelComparison
from ui.figures import base
from ui.palette import Palette, Theme, palette

# Of the absolute differences: full colour from here, so that one outlier does not pale the rest.
_STRONG_PERCENTILE = 98


def scatter(comparison: ModelComparison, *, theme: Theme, marked: Sequence[int] = ()) -> go.Figure:
    """Log-probability of the same pieces of text under both models, with the line y = x.

    Points are coloured by log p_b - log p_a: above the line model B did better. The index of each is in its
    `customdata`; the pieces whose indices are `marked` are drawn larger.
    """
    a, b = comparison.log_probs_a, comparison.log_probs_b
    shown = np.flatnonzero(np.isfinite(a) & np.isfinite(b))
    title = "Each token under both models"
    if not shown.size:
        return base.empty(theme, title, "No piece of this text is predicted by both.", height=460)
    colours = palette(theme)
    figure = go.Figure(
        go.Scatter(
            x=a[shown],
            y=b[shown],
            mode="markers",
            marker=_markers(comparison.differences[shown], np.isin(shown, np.asarray(marked, dtype=np.int64)), colours),
            customdata=shown.tolist(),
            hovertext=[base.token_label(piece) for piece in np.array(comparison.span_texts(), dtype=object)[shown]],
            hovertemplate="<b>%{hovertext}</b><br>A %{x:.3f}, B %{y:.3f} nats<extra></extra>",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.3}},
        )
    )
    low = float(min(a[shown].min(), b[shown].min())) * 1.04
    base.diagonal(figure, low, 0, colours.muted)
    for x, y, text in ((0.02, 0.98, "B expects it more"), (0.98, 0.02, "A expects it more")):
        font = {"color": colours.muted, "size": 13}
        figure.add_annotation(x=x, y=y, xref="paper", yref="paper", text=text, showarrow=False, font=font)
    x_title, y_title = (
        f"{side}: {scores.model_title}, log-probability (nats)"
        for side, scores in (("A", comparison.a), ("B", comparison.b))
    )
    base.styled(figure, theme, title, x_title, y_title, height=460)
    ends = [low, 0.02 * -low]
    figure.update_xaxes(range=ends, showgrid=True)
    return figure.update_yaxes(range=ends).update_layout(dragmode="select")


def _markers(difference: Floats, chosen: Bools, colours: Palette) -> dict[str, Any]:
    """Points coloured by `difference` (n,) in nats, evenly around 0; the `chosen` (n,) ones larger."""
    strong = float(np.percentile(np.abs(difference), _STRONG_PERCENTILE)) or 1.0
    return {
        "color": difference,
        "colorscale": base.scale(colours.diverging),
        "cmin": -strong,
        "cmax": strong,
        "size": np.where(chosen, 14, 9).tolist(),
        "line": {
            "width": np.where(chosen, 2, 1).tolist(),
            "color": np.where(chosen, colours.text, colours.control).tolist(),
        },
    }


def divergence(comparison: ModelComparison, *, theme: Theme, marked: Sequence[int] = ()) -> go.Figure:
    """KL and Jensen-Shannon divergence of the two predictions at each token, in nats; the reason if undefined."""
    title = "How far apart the predictions are"
    if comparison.kl_ab is None or comparison.js is None:
        reason = comparison.kl_undefined_reason or "The divergence is not defined for these two models."
        return base.empty(theme, title, reason, height=260)
    shown = np.flatnonzero(np.isfinite(comparison.kl_ab))
    if not shown.size:
        return base.empty(theme, title, "No token of this text is predicted.", height=260)
    colours = palette(theme)
    figure = go.Figure()
    lines = (("KL(A‖B)", comparison.kl_ab, colours.model_b), ("JS", comparison.js, colours.model_a))
    for name, values, colour in lines:
        base.line(
            figure, shown + 1, values[shown], colour, width=1.5, mode="lines+markers", name=name,
            marker={"size": np.where(np.isin(shown, np.asarray(marked, np.int64)), 10, 4).tolist()},
            customdata=shown.tolist(), hovertext=[base.token_label(comparison.a.tokens[index]) for index in shown],
            hover="<b>%{hovertext}</b><br>" + name + " %{y:.4f} nats<extra></extra>",
        )  # fmt: skip
    base.styled(figure, theme, title, "Token", "Divergence (nats)", height=260)
    return figure.update_layout(showlegend=True, legend={"x": 1, "xanchor": "right"}, dragmode="select")

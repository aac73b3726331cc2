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

    Parameters
    ----------
    comparison : m aligned pieces; the index of each point is in its `customdata`
    theme : light or dark
    marked : indices of pieces drawn larger

    Returns
    -------
    Figure whose points are coloured by log p_b - log p_a: above the line model B did better.
    """
    a, b = comparison.log_probs_a, comparison.log_probs_b
    shown = np.flatnonzero(np.isfinite(a) & np.isfinite(b))
    title = "Each token under both models"
    if not shown.size:
        return base.empty(theme=theme, title=title, reason="No piece of this text is predicted by both.", height=460)
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
    _line_of_equality(figure, low, colours.muted)
    base.styled(
        figure,
        theme=theme,
        title=title,
        x_title=f"A: {comparison.a.model_title}, log-probability (nats)",
        y_title=f"B: {comparison.b.model_title}, log-probability (nats)",
        height=460,
    )
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


def _line_of_equality(figure: go.Figure, low: float, colour: str) -> None:
    """The line y = x from `low` to 0, and on either side of it which model expects more."""
    figure.add_shape(type="line", x0=low, y0=low, x1=0, y1=0, line={"color": colour, "width": 1, "dash": "dash"})
    for x, y, text in ((0.02, 0.98, "B expects it more"), (0.98, 0.02, "A expects it more")):
        figure.add_annotation(
            x=x, y=y, xref="paper", yref="paper", text=text, showarrow=False, font={"color": colour, "size": 13}
        )


def divergence(comparison: ModelComparison, *, theme: Theme, marked: Sequence[int] = ()) -> go.Figure:
    """KL and Jensen-Shannon divergence of the two predictions at each token, in nats; the reason if undefined."""
    title = "How far apart the predictions are"
    if comparison.kl_ab is None or comparison.js is None:
        reason = comparison.kl_undefined_reason or "The divergence is not defined for these two models."
        return base.empty(theme=theme, title=title, reason=_wrapped(reason), height=260)
    shown = np.flatnonzero(np.isfinite(comparison.kl_ab))
    if not shown.size:
        return base.empty(theme=theme, title=title, reason="No token of this text is predicted.", height=260)
    colours = palette(theme)
    figure = go.Figure()
    lines = (("KL(A‖B)", comparison.kl_ab, colours.model_b), ("JS", comparison.js, colours.model_a))
    for name, values, colour in lines:
        figure.add_scatter(
            x=shown + 1,
            y=values[shown],
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 1.5},
            marker={"size": np.where(np.isin(shown, np.asarray(marked, np.int64)), 10, 4).tolist()},
            customdata=shown.tolist(),
            hovertext=[base.token_label(comparison.a.tokens[index]) for index in shown],
            hovertemplate="<b>%{hovertext}</b><br>" + name + " %{y:.4f} nats<extra></extra>",
        )
    base.styled(figure, theme=theme, title=title, x_title="Token", y_title="Divergence (nats)", height=260)
    return figure.update_layout(showlegend=True, legend={"x": 1, "xanchor": "right"}, dragmode="select")


def _wrapped(text: str, width: int = 70) -> str:
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f"{word} "
    return "\n".join(line.strip() for line in lines)

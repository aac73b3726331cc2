"""Two discrete distributions: their bars, the chain of measures, the terms of KL, and KL as a gap under a tangent."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from scipy import special

from engine import measures
from engine.arrays import Floats
from ui.figures import base
from ui.figures.lab import look
from ui.palette import Theme, palette

LEAST_Q = 1e-12


def pair(
    labels: Sequence[str], p: Floats, q: Floats, *, theme: Theme, names: tuple[str, str] = ("P", "Q")
) -> go.Figure:
    """P and Q (k,) as bars side by side; labels are display tokens."""
    colours = palette(theme)
    figure, places = go.Figure(), list(range(len(labels)))
    for name, values, colour in ((names[0], p, colours.model_a), (names[1], q, colours.model_b)):
        hover = "%{y:.4f}<extra>%{fullData.name}</extra>"
        figure.add_bar(x=places, y=values, name=name, marker_color=colour, hovertemplate=hover)
    look.styled(figure, theme, "Probability of what comes next", height=300, legend_rows=1)
    figure.update_xaxes(tickvals=places, ticktext=[base.token_label(label) for label in labels])
    return figure.update_layout(bargap=0.25)


def chain(p: Floats, q: Floats, *, theme: Theme) -> go.Figure:
    """Cross-entropy = entropy + KL of P and Q (K,) both ways, stacked bars in nats; infinity is hatched to the edge."""
    colours = palette(theme)
    rows, names = ("H(P,Q)", "H(Q,P)"), ("D(P‖Q)", "D(Q‖P)")
    entropies = np.array([float(measures.entropy(p)), float(measures.entropy(q))])
    divergences = np.array([float(measures.kl_divergence(p, q)), float(measures.kl_divergence(q, p))])
    known = divergences[np.isfinite(divergences)]
    edge = float((entropies + (known.max() if known.size else 0.0)).max()) * 1.3 + 0.1
    lengths = np.where(np.isfinite(divergences), divergences, edge - entropies)
    figure = go.Figure()
    figure.add_bar(
        y=rows, x=entropies, orientation="h", name="Entropy", marker_color=[colours.model_a, colours.model_b],
        text=[f"H(P) {entropies[0]:.3f}", f"H(Q) {entropies[1]:.3f}"], textfont_color=colours.background,
        insidetextanchor="middle", hoverinfo="skip",
    )  # fmt: skip
    figure.add_bar(
        y=rows, x=lengths, orientation="h", name="KL", hoverinfo="skip",
        marker={"color": colours.accent, "pattern": {"shape": ["" if np.isfinite(d) else "/" for d in divergences]}},
        text=[f"{name} = ∞" if np.isinf(d) else f"{name} {d:.3f}" for name, d in zip(names, divergences, strict=True)],
        textposition="auto", insidetextfont_color=colours.on_accent, outsidetextfont_color=colours.text,
    )  # fmt: skip
    look.styled(figure, theme, "Cross-entropy = entropy + KL", "nats", height=190, left=70)
    figure.update_layout(barmode="stack", bargap=0.3).update_xaxes(range=[0, edge])
    return figure.update_yaxes(autorange="reversed", showgrid=False, tickfont_color=colours.text)


def terms(labels: Sequence[str], p: Floats, q: Floats, *, theme: Theme) -> go.Figure:
    """The pointwise terms p ln(p/q) (K,) of D(P||Q), above and below 0, in nats; an infinite one reaches the edge."""
    colours = palette(theme)
    values = measures.kl_terms(p, q)
    finite = np.where(np.isfinite(values), values, 0.0)
    edge = max(0.1, float(np.abs(finite).max()) * 1.35)
    figure = go.Figure(
        go.Bar(
            x=[base.token_label(label) for label in labels], y=np.where(np.isfinite(values), values, edge),
            marker={
                "color": [colours.model_a if value >= 0 else colours.model_b for value in values],
                "pattern": {"shape": ["" if np.isfinite(value) else "/" for value in values]},
            },
            text=["∞" if np.isinf(value) else f"{value:+.3f}" for value in values],
            textposition="outside", cliponaxis=False, textfont_color=colours.text, hoverinfo="skip",
        )
    )  # fmt: skip
    title = "Terms p ln(p/q): their sum is D(P‖Q)"
    look.styled(figure, theme, title, y_title="nats", height=260)
    figure.add_hline(y=0, line={"color": colours.control, "width": 1})
    low = float(min(0.0, finite.min()))
    return figure.update_layout(bargap=0.35).update_yaxes(range=[low - 0.22 * (edge - low), edge])


def bregman(p: Floats, q: Floats, *, theme: Theme) -> go.Figure:
    """The curve sum p ln p on the line from Q (K,) to P (K,), its tangent at Q, and the gap at P, which is D(P||Q)."""
    colours = palette(theme)
    title = "KL is the gap under a tangent"
    if not np.isfinite(measures.kl_divergence(p, q)):
        reason = "At a zero of Q the tangent is vertical: the gap is infinite."
        return base.empty(theme, title, reason, height=260)
    share = np.linspace(0, 1.12, 85)
    points = q + share[:, None] * (p - q)
    inside = (points >= 0).all(axis=1)
    share, points = share[inside], points[inside]
    phi = special.xlogy(points, points).sum(axis=1)
    start, end = (float(-measures.entropy(v)) for v in (q, p))
    tangent = end - float(measures.bregman_divergence(p, q))
    figure = go.Figure()
    base.line(figure, share, phi, colours.text)
    base.line(figure, [0, 1], [start, tangent], colours.muted, dash="dash")
    base.line(figure, [1, 1], [tangent, end], colours.accent, width=5)
    figure.add_scatter(
        x=[0, 1], y=[start, end], mode="markers+text", text=["Q", "P"], textposition="top center", cliponaxis=False,
        marker={"size": 11, "color": [colours.model_b, colours.model_a]}, hoverinfo="skip",
    )  # fmt: skip
    figure.add_annotation(
        x=1, y=(tangent + end) / 2, text=f"D(P‖Q)<br>{end - tangent:.4f}", showarrow=False, xanchor="left", xshift=8,
        align="left", font={"color": colours.accent},
    )  # fmt: skip
    look.styled(figure, theme, title, y_title="φ = Σ p ln p (nats)", height=260)
    return figure.update_xaxes(visible=False, range=[-0.08, 1.4])


def vanishing(p: Floats, q: Floats, index: int, label: str, *, theme: Theme) -> go.Figure:
    """D(P||Q) in nats, P and Q (K,), as Q's share of one outcome shrinks to 1e-12, the others scaled; then infinity."""
    colours = palette(theme)
    shares = np.logspace(np.log10(0.99), np.log10(LEAST_Q), 60)
    others = np.delete(q, index)
    fill = others / others.sum() if others.sum() > 0 else np.full(others.size, 1 / others.size)
    fill = np.maximum(fill, LEAST_Q) / np.maximum(fill, LEAST_Q).sum()
    candidates = np.insert((1 - shares)[:, None] * fill, index, shares, axis=1)
    figure, values = go.Figure(), measures.kl_divergence(np.broadcast_to(p, candidates.shape), candidates)
    base.line(figure, shares, values, colours.accent, hover="q = %{x:.1e}: %{y:.3f} nats<extra></extra>")
    divergence = float(measures.kl_divergence(p, q))
    if np.isfinite(divergence):
        look.dot(figure, max(float(q[index]), LEAST_Q), divergence, colours.model_b)
    title = f"As Q gives {base.token_label(label)} less and less"
    ending = "at 0: ∞" if p[index] > 0 else "P never needs it"
    look.styled(figure, theme, title, "q (log scale, smaller →)", "D(P‖Q), nats", height=260)
    figure.add_annotation(
        x=0.03, y=0.97, xref="paper", yref="paper", xanchor="left", text=ending, showarrow=False,
        font={"color": colours.accent, "size": 15},
    )  # fmt: skip
    return figure.update_xaxes(type="log", range=[0.1, -12.4], exponentformat="power", dtick=3, tickfont_size=11)

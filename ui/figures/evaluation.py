"""Charts of the corpus evaluations: distributions of KL and delta-p, HellaSwag pairs, MAUVE's curve and clusters."""

import numpy as np
import plotly.graph_objects as go

from engine.arrays import Floats, Ints
from engine.evaluation.hellaswag.paired import PairedOutcome
from engine.evaluation.mauve.score import MauveResult
from ui.figures import base
from ui.palette import Theme, palette

BINS = 48
_LEAST_KL = 1e-6
"""KL below this is float32 rounding; such tokens share the first bar."""


def kl_histogram(kl: Floats, *, theme: Theme, marked: float | None = None) -> go.Figure:
    """How many tokens (n,) have which KL (nats, logarithmic); `marked` draws a line there."""
    title = "KL at each token"
    if not kl.size:
        return base.empty(theme, title, "No token is predicted by both models.")
    counts, edges = np.histogram(np.log10(np.maximum(kl, _LEAST_KL)), bins=BINS)
    figure = _bars(counts, 10**edges, palette(theme).accent, "KL %{customdata} nats")
    _finish(figure, theme, title, "KL(base‖candidate), nats", None if marked is None else max(marked, _LEAST_KL))
    return figure.update_xaxes(type="log", exponentformat="power", dtick=1)


def delta_histogram(delta_p: Floats, *, theme: Theme, marked: float | None = None) -> go.Figure:
    """How many tokens (n,) became more or less probable by how much; counts on a log axis, as most lie at 0."""
    title = "Change of the token's probability"
    if not delta_p.size:
        return base.empty(theme, title, "No token is predicted by both models.")
    reach = max(0.02, float(np.abs(delta_p).max()))
    counts, edges = np.histogram(delta_p, bins=np.linspace(-reach, reach, BINS))
    colours = palette(theme)
    middle = (edges[:-1] + edges[1:]) / 2
    fills = np.where(middle < 0, colours.model_a, colours.model_b).tolist()
    figure = _bars(counts, edges, fills, "Δp %{customdata}")
    _finish(figure, theme, title, "Δp: candidate minus base", marked)
    return figure.update_yaxes(type="log", dtick=1).update_xaxes(tickformat="+.0%")


def _bars(counts: Ints, edges: Floats, colour: str | list[str], says: str) -> go.Figure:
    low, high = edges[:-1], edges[1:]
    return go.Figure(
        go.Bar(
            x=(low + high) / 2,
            y=counts,
            width=(high - low) * 0.94,
            marker={"color": colour, "line": {"width": 0}},
            customdata=[f"{a:.3g} to {b:.3g}" for a, b in zip(low, high, strict=True)],
            hovertemplate=f"{says}<br>%{{y:,}} tokens<extra></extra>",
        )
    )


def _finish(figure: go.Figure, theme: Theme, title: str, x_title: str, marked: float | None) -> None:
    """Give the bars their look, and draw a line at `marked`."""
    if marked is not None and np.isfinite(marked):
        figure.add_vline(x=marked, line={"color": palette(theme).text, "width": 1.5, "dash": "dot"})
    base.styled(figure, theme, title, x_title, "Tokens", height=260).update_layout(bargap=0)


def paired_outcomes(outcome: PairedOutcome, names: tuple[str, str], *, theme: Theme) -> go.Figure:
    """One bar of all items: both right, only one model right, both wrong, by the same ending or by another."""
    colours = palette(theme)
    changed = 0 if outcome.churn is None else outcome.churn.count
    parts = [
        ("Both right", outcome.both_right, colours.accent),
        (f"Only {names[0]}", outcome.only_a, colours.model_a),
        (f"Only {names[1]}", outcome.only_b, colours.model_b),
        ("Both wrong", outcome.both_wrong - changed, colours.border),
    ]
    if outcome.churn is not None:
        parts[-1:] = [("Both wrong alike", parts[-1][1], colours.border), ("Wrong otherwise", changed, colours.muted)]
    figure = go.Figure()
    for name, count, colour in parts:
        figure.add_bar(
            x=[count],
            y=[""],
            orientation="h",
            name=f"{base.token_label(name)}: {count:,}",
            marker={"color": colour, "line": {"width": 1, "color": colours.background}},
            hovertemplate=f"{base.token_label(name)}: %{{x:,}} items<extra></extra>",
        )
    base.styled(figure, theme, "The same items, both models", "Items", height=200)
    figure.update_yaxes(visible=False)
    legend = {"y": -0.75, "yanchor": "top", "x": 0, "traceorder": "normal"}
    return figure.update_layout(barmode="stack", showlegend=True, legend=legend)


def ending_probabilities(probabilities: list[tuple[str, Floats]], label: int, *, theme: Theme) -> go.Figure:
    """Softmax (4,) over the endings of one item, a group of bars per ending, a bar per model; the true one is named."""
    colours = palette(theme)
    endings = [f"Ending {n + 1}{' (true)' if n == label else ''}" for n in range(4)]
    figure = go.Figure()
    for (name, values), colour in zip(probabilities, (colours.model_a, colours.model_b), strict=False):
        figure.add_bar(
            x=values,
            y=endings,
            orientation="h",
            name=base.token_label(name),
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    base.styled(figure, theme, "P(ending | context, one of these four)", height=280)
    figure.update_xaxes(range=[0, 1], tickformat=".0%").update_yaxes(autorange="reversed", ticksuffix="  ")
    return figure.update_layout(showlegend=len(probabilities) > 1, bargap=0.35, legend={"y": -0.12, "yanchor": "top"})


def mauve_curves(results: list[tuple[str, MauveResult]], *, theme: Theme) -> go.Figure:
    """Divergence curve of each set: the mean over k-means seeds, and a band between the outermost seeds."""
    colours = palette(theme)
    figure = go.Figure()
    for (name, result), colour in zip(results, (colours.model_a, colours.model_b), strict=False):
        mean, low, high = result.curve_band
        x, y = np.vstack([low, high[::-1]]).T
        fill = {"fill": "toself", "fillcolor": base.translucent(colour, 0.18)}
        base.line(figure, x, y, colour, width=0, showlegend=False, **fill)
        base.line(
            figure, mean[:, 0], mean[:, 1], colour, mode="lines+markers", marker={"size": 4},
            name=base.token_label(name), hover="%{x:.3f}, %{y:.3f}<extra></extra>",
        )  # fmt: skip
    base.styled(figure, theme, "Divergence curve", "exp(−5 KL(model‖mixture))", "exp(−5 KL(human‖mixture))", height=340)
    axis = {"range": [-0.03, 1.03], "showgrid": True}
    figure.update_xaxes(**axis).update_yaxes(**axis)
    return figure.update_layout(showlegend=len(results) > 1, legend={"x": 0, "y": -0.2, "yanchor": "top"})


def cluster_histogram(result: MauveResult, other: str, *, theme: Theme) -> go.Figure:
    """Share of human texts and of the set named `other` in each cluster of the first seed, by their difference."""
    colours = palette(theme)
    first = result.clusterings[0]
    order = np.argsort(first.q_histogram - first.p_histogram, kind="stable")
    figure = go.Figure()
    for name, shares, colour in (
        ("Human", first.p_histogram, colours.muted),
        (base.token_label(other), first.q_histogram, colours.accent),
    ):
        figure.add_bar(
            x=[str(place + 1) for place in range(len(order))],
            y=shares[order],
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="Cluster %{x}: %{y:.1%} of %{fullData.name}<extra></extra>",
        )
    base.styled(
        figure, theme, "Texts in each cluster", "Cluster, from most human to least", "Share of the set", height=340
    )
    figure.update_yaxes(tickformat=".0%")
    return figure.update_layout(barmode="group", showlegend=True, legend={"x": 1, "xanchor": "right"}, bargap=0.2)

"""Neurons of a model on a text: entropies by layer, information between layers and pairs, what correlation misses."""

import numpy as np
import plotly.graph_objects as go

from engine.arrays import Floats, Ints
from engine.lab.neurons import NeuronInformation
from ui.figures import base
from ui.figures.lab import look
from ui.palette import Theme, palette

CELLS = 48
MOST_DOTS = 800


def entropy_by_layer(result: NeuronInformation, *, theme: Theme) -> go.Figure:
    """Median entropy of each layer's neurons in nats, with the middle 80 % as a band."""
    colours = palette(theme)
    low, middle, high = np.percentile(result.entropies, [10, 50, 90], axis=1)
    layers = np.arange(len(middle))
    figure = go.Figure()
    fill = {"fill": "tonexty", "fillcolor": base.translucent(colours.accent, 0.2)}
    base.line(figure, layers, low, colours.accent, width=0)
    base.line(figure, layers, high, colours.accent, width=0, **fill)
    hover = "layer %{x}: median %{y:.3f} nats<extra></extra>"
    base.line(figure, layers, middle, colours.accent, mode="lines+markers", hover=hover)
    most = float(np.log(result.settings.bins))
    figure.add_hline(
        y=most, line={"color": colours.muted, "dash": "dot", "width": 1}, annotation_text=f"ln {result.settings.bins}",
        annotation_font_color=colours.muted, annotation_position="bottom right",
    )  # fmt: skip
    look.styled(figure, theme, "Entropy of single neurons", "Layer", "nats", height=330)
    return figure.update_yaxes(range=[0, most * 1.08])


def layer_matrix(result: NeuronInformation, *, theme: Theme) -> go.Figure:
    """Mean information between neurons of each two layers, above the baseline of shifted texts, in nats."""
    present = np.unique(result.layers)
    title = "Information between layers"
    if present.size < 2:
        return base.empty(theme, title, "All paired neurons are of one layer.", height=340)
    values = result.between_layers(result.above_baseline)
    return _matrix(values, present, title, "Layer", theme)


def pair_matrix(result: NeuronInformation, *, theme: Theme) -> go.Figure:
    """Information of all pairs of the chosen neurons above the baseline of shifted texts, in nats."""
    names = np.arange(len(result.layers), dtype=np.int64)
    return _matrix(result.above_baseline, names, "Information of all pairs", "Neuron, in order of layers", theme)


def depth_profile(result: NeuronInformation, *, theme: Theme) -> go.Figure:
    """Mean information above baseline (nats) inside each layer and with the next: by histogram and by correlation."""
    colours = palette(theme)
    present = np.unique(result.layers)
    title = "Along the depth"
    if present.size < 2:
        return base.empty(theme, title, "All paired neurons are of one layer.", height=300)
    seen, linear = result.between_layers(result.above_baseline), result.between_layers(result.from_correlation)
    figure = go.Figure()
    lines = (
        ("inside the layer", np.diag(seen), present, colours.accent, "solid"),
        ("with the next layer", np.diag(seen, 1), present[:-1], colours.model_a, "solid"),
        ("inside, by correlation", np.diag(linear), present, colours.muted, "dot"),
    )
    for name, values, layers, colour, dash in lines:
        hover = "layer %{x}: %{y:.4f} nats<extra></extra>"
        base.line(figure, layers, values, colour, dash=dash, name=name, hover=hover)
    return look.styled(figure, theme, title, "Layer", "nats", height=330, legend_rows=2)


def against_correlation(result: NeuronInformation, *, theme: Theme) -> go.Figure:
    """How many pairs have which information, against what their correlation accounts for; above the line it misses."""
    upper = np.triu_indices(len(result.layers), 1)
    x, y = result.from_correlation[upper], result.above_baseline[upper]
    known = np.isfinite(x) & np.isfinite(y)
    title = "What covariance misses"
    if not known.any():
        return base.empty(theme, title, "Every chosen neuron is constant on this text.", height=340)
    top = float(np.percentile(np.r_[x[known], y[known]], 99.9)) * 1.1 + 1e-3
    bottom = float(min(0.0, y[known].min())) * 1.05
    counts, xs, ys = np.histogram2d(
        x[known].clip(0, top), y[known].clip(bottom, top), bins=CELLS, range=[[0, top], [bottom, top]]
    )
    shown = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan).T
    figure = go.Figure(
        go.Heatmap(
            x=(xs[:-1] + xs[1:]) / 2, y=(ys[:-1] + ys[1:]) / 2, z=shown, customdata=counts.T, showscale=False,
            colorscale=_scale(theme), hovertemplate="%{customdata:.0f} pairs<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    base.diagonal(figure, 0, top, palette(theme).model_b, width=1.5)
    x_title = "from correlation: −½ ln(1 − r²), nats"
    return look.styled(figure, theme, title, x_title, "histogram less baseline, nats", height=340)


def nearest_against_histogram(result: NeuronInformation, *, theme: Theme) -> go.Figure:
    """The nearest-neighbour estimate of a sample of pairs against the histogram's, raw and less its baseline.

    Nearest-neighbour estimates are cut at 0: of independent neurons half lie exactly there.
    """
    colours = palette(theme)
    title = "A sample of pairs by both estimators"
    if not result.nearest.size:
        return base.empty(theme, title, "No pair was measured by nearest neighbours.", height=340)
    i, j = result.nearest_pairs.T
    figure = go.Figure()
    for name, values, colour in (
        ("raw histogram", result.information[i, j], colours.model_b),
        ("less baseline", result.above_baseline[i, j], colours.model_a),
    ):
        figure.add_scatter(
            x=result.nearest, y=values, mode="markers", name=name, marker={"size": 7, "color": colour},
            hovertemplate="%{x:.3f} against %{y:.3f} nats<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    top = float(max(result.nearest.max(), result.information[i, j].max())) * 1.05
    base.diagonal(figure, 0, top, colours.muted)
    x_title = f"{result.settings.neighbours} nearest neighbours (scikit-learn, cut at 0), nats"
    return look.styled(figure, theme, title, x_title, "histogram, nats", height=340, legend_rows=1)


def one_pair(result: NeuronInformation, i: int, j: int, *, theme: Theme) -> go.Figure:
    """Activations of two neurons (indices among the paired ones) at each token; hover shows the token."""
    colours = palette(theme)
    figure = go.Figure(
        go.Scatter(
            x=result.values[:MOST_DOTS, i], y=result.values[:MOST_DOTS, j], mode="markers",
            marker={"size": 6, "color": colours.model_a, "opacity": 0.65},
            hovertext=[base.token_label(token) for token in result.tokens[:MOST_DOTS]],
            hovertemplate="<b>%{hovertext}</b><extra></extra>",
        )
    )  # fmt: skip
    title, names = "Activations of the pair, one dot per token", (neuron_name(result, at) for at in (i, j))
    return look.styled(figure, theme, title, *names, height=340)


def neuron_name(result: NeuronInformation, index: int) -> str:
    """Name of a paired neuron, e.g. 'layer 3, neuron 71'."""
    return f"layer {result.layers[index]}, neuron {result.numbers[index]}"


def _matrix(values: Floats, names: Ints, title: str, axis: str, theme: Theme) -> go.Figure:
    known = values[np.isfinite(values)]
    strong = float(np.percentile(known, 99.5)) if known.size else 1.0
    figure = go.Figure(
        go.Heatmap(
            x=names, y=names, z=values, zmin=0.0, zmax=max(strong, 1e-6), colorscale=_scale(theme),
            colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": "nats", "side": "top"}, "len": 0.9},
            hovertemplate="%{y} and %{x}: %{z:.4f} nats<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    look.styled(figure, theme, title, axis, height=360)
    return figure.update_yaxes(autorange="reversed", showgrid=False)


def _scale(theme: Theme) -> list[list[float | str]]:
    return base.scale(palette(theme).surprise)

"""One text under one model: a value per token along the text, and how the values are distributed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from engine.arrays import Bools, Floats, Ints
from engine.scoring.results import TextScores
from engine.units import to_bits
from ui.figures import base
from ui.palette import Palette, Theme, palette

_MOST_SVG_POINTS = 3000  # beyond this a browser draws with WebGL, or it takes seconds
_MOST_BINS = 32


@dataclass(frozen=True)
class Quantity:
    """Something each token has one of."""

    name: str
    title: str
    axis: str
    """Axis title with the unit."""
    values: Callable[[TextScores], Floats]
    """(n,) values, NaN where nothing was predicted."""
    logarithmic: bool = False


def _ranks(scores: TextScores) -> Floats:
    return np.where(scores.ranks > 0, scores.ranks.astype(np.float64), np.nan)


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("surprisal", "Surprisal", "Surprisal (bits)", lambda s: np.asarray(s.surprisals_bits, np.float64)),
        Quantity("log_prob", "Log-probability", "Log-probability, ln p (nats)", lambda s: s.log_probs),
        Quantity("probability", "Probability", "Probability", lambda s: np.asarray(s.probabilities, np.float64)),
        Quantity("rank", "Rank", "Rank of the token (1 = expected)", _ranks, logarithmic=True),
        Quantity("entropy", "Entropy", "Entropy of the prediction (bits)", lambda s: to_bits(s.entropies)),
    )
}


def per_token(
    scores: TextScores, quantity: Quantity, *, theme: Theme, marked: Sequence[int] = (), clicked: int | None = None
) -> go.Figure:
    """Line along the text, one point per predicted token, its index in `customdata`.

    The tokens whose indices are `marked` are drawn larger; a vertical line stands at the one that is `clicked`.
    """
    values = quantity.values(scores)
    shown = np.flatnonzero(np.isfinite(values))
    title = f"{quantity.title} along the text"
    if not shown.size:
        return base.empty(theme, title, "No token of this text is predicted.")
    colours = palette(theme)
    trace = go.Scattergl if shown.size > _MOST_SVG_POINTS else go.Scatter
    figure = go.Figure(
        trace(
            x=shown + 1,
            y=values[shown],
            mode="lines+markers",
            line={"color": colours.border, "width": 1.5},
            marker=_markers(np.isin(shown, np.asarray(marked, dtype=np.int64)), colours),
            customdata=shown.tolist(),
            hovertext=[base.token_label(scores.tokens[index]) for index in shown],
            hovertemplate="<b>%{hovertext}</b><br>token %{x}: %{y:.4~g}<extra></extra>",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.35}},
        )
    )
    if clicked is not None:
        figure.add_vline(x=clicked + 1, line={"color": colours.text, "width": 1, "dash": "dot"})
    base.styled(figure, theme, title, "Token", quantity.axis)
    figure.update_xaxes(range=[0, len(scores) + 1]).update_layout(dragmode="select")
    return figure.update_yaxes(type="log" if quantity.logarithmic else "linear")


def _markers(chosen: Bools, colours: Palette) -> dict[str, Any]:
    """One point for each token, the `chosen` (n,) ones larger and in another colour."""
    return {
        "color": np.where(chosen, colours.model_b, colours.accent).tolist(),
        "size": np.where(chosen, 11, 6).tolist(),
        "line": {"width": 0},
    }


def bin_numbers(values: Floats, *, logarithmic: bool) -> tuple[Floats, Ints]:
    """Edges of equal bins and the bin of every value.

    Parameters
    ----------
    values : (n,) with NaN where missing
    logarithmic : bins are equal on a logarithmic axis

    Returns
    -------
    edges : (bins + 1,) in the values' own unit, empty if nothing is finite
    numbers : (n,) bin of each value, -1 where missing

    Examples
    --------
    >>> edges, numbers = bin_numbers(np.array([np.nan, 0.0, 1.0]), logarithmic=False)
    >>> int(numbers[0]), int(numbers[1]), int(numbers[2]) == len(edges) - 2
    (-1, 0, True)
    """
    finite = np.isfinite(values)
    numbers = np.full(values.shape, -1, dtype=np.int64)
    if not finite.any():
        return np.empty(0), numbers
    axis = np.log10(values[finite]) if logarithmic else values[finite]
    bins = int(np.clip(2 * np.sqrt(axis.size), 5, _MOST_BINS))
    edges = np.linspace(*_range_to_cut(axis, bins), bins + 1)
    numbers[finite] = np.clip(np.searchsorted(edges, axis, side="right") - 1, 0, bins - 1)
    return (10.0**edges if logarithmic else edges), numbers


def _range_to_cut(values: Floats, bins: int) -> tuple[float, float]:
    """Smallest and largest value, moved apart if no `bins` different floats lie between them."""
    low, high = float(values.min()), float(values.max())
    step = float(np.spacing(max(abs(low), abs(high))))
    if high - low > 4 * bins * step:
        return low, high
    reach = max(0.5, 4 * bins * step)
    return low - reach, high + reach


def tokens_in_bin(scores: TextScores, quantity: Quantity, bar: Sequence[float]) -> list[int]:
    """Indices of the tokens that a bar of `histogram` counts; `bar` is its customdata."""
    _, numbers = bin_numbers(quantity.values(scores), logarithmic=quantity.logarithmic)
    return [int(index) for index in np.flatnonzero(numbers == int(bar[0]))]


def histogram(
    scores: TextScores, quantity: Quantity, *, theme: Theme, marked: Sequence[int] = (), clicked: int | None = None
) -> go.Figure:
    """How many tokens have which value, the number of each bin in `customdata`; marked tokens as a part of each bar."""
    edges, numbers = bin_numbers(quantity.values(scores), logarithmic=quantity.logarithmic)
    title = f"Distribution of {quantity.title[0].lower()}{quantity.title[1:]}"
    if not edges.size:
        return base.empty(theme, title, "No token of this text is predicted.")
    colours = palette(theme)
    bins = np.arange(edges.size - 1)
    centres = np.sqrt(edges[:-1] * edges[1:]) if quantity.logarithmic else (edges[:-1] + edges[1:]) / 2
    inside = [index for index in {*marked, *(() if clicked is None else (clicked,))} if numbers[index] >= 0]
    counts = np.bincount(numbers[numbers >= 0], minlength=bins.size)
    parts = np.bincount(numbers[inside], minlength=bins.size) if inside else np.zeros_like(counts)
    figure = go.Figure()
    for heights, colour, name in ((parts, colours.model_b, "marked"), (counts - parts, colours.accent, "tokens")):
        figure.add_bar(
            x=centres,
            y=heights.tolist(),
            width=np.diff(edges) * 0.94,
            marker={"color": colour, "line": {"width": 0}},
            name=name,
            customdata=np.stack([bins, edges[:-1], edges[1:]], axis=1).tolist(),
            hovertemplate="%{y} " + name + " from %{customdata[1]:.3~g} to %{customdata[2]:.3~g}<extra></extra>",
            unselected={"marker": {"opacity": 0.35}},
        )
    figure.update_layout(barmode="stack", dragmode="select")
    base.styled(figure, theme, title, quantity.axis, "Tokens")
    return figure.update_xaxes(type="log" if quantity.logarithmic else "linear")

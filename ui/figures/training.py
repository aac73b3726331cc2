"""The curves of a training run, live or finished, and the trade-off between runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log, log10
from typing import Any, TypeVar

import plotly.graph_objects as go

from engine.training import records
from engine.training.records import RunStart, TrainStep
from ui.figures import base
from ui.palette import Palette, Theme, palette

T = TypeVar("T")

HEIGHT = 226
_MOST_POINTS = 300
"""A chart here is about 260 pixels wide."""


@dataclass(frozen=True)
class Line:
    """One curve of a chart: its name, how to read it off a step, and the name of its colour in the palette."""

    name: str
    read: Callable[[TrainStep], float | None]
    colour: str


@dataclass(frozen=True)
class Curve:
    """One small chart over the steps of a run."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    logarithmic: bool = False
    share: bool = False


CURVES: dict[str, Curve] = {
    "divergence": Curve(
        "What is pulled down",
        "nats",
        (
            Line("Cross-entropy H(Q, P)", lambda step: step.cross_entropy, "model_b"),
            Line("Divergence D(Q‖P)", lambda step: step.kl, "accent"),
        ),
    ),
    "wanted": Curve(
        "Probability of wanted tokens",
        "share",
        (
            Line("after the training input", lambda step: step.wanted_mass, "accent"),
            Line("in real text", lambda step: step.wanted_mass_text, "model_b"),
        ),
        share=True,
    ),
    "gradient": Curve(
        "Gradient norm", "L2", (Line("gradient norm", lambda step: step.grad_norm, "accent"),), logarithmic=True
    ),
    "kl_to_start": Curve(
        "KL to the start",
        "nats per token",
        (
            Line("held-out text", lambda step: step.kl_to_start, "model_b"),
            Line("text trained on", lambda step: step.kl_penalty, "accent"),
        ),
    ),
    "perplexity": Curve(
        "Perplexity on real text",
        "held-out",
        (Line("perplexity", lambda step: step.held_out_perplexity, "model_b"),),
        logarithmic=True,
    ),
    "rate": Curve("Learning rate", "as used", (Line("learning rate", lambda step: step.learning_rate, "accent"),)),
}
"""The charts, in the order to show them."""


def curve(
    name: str, steps: Sequence[TrainStep], start: RunStart | None, *, total: int, theme: Theme = "light"
) -> go.Figure:
    """One chart of a run.

    Parameters
    ----------
    name : a key of `CURVES`
    steps : the run so far
    start : what is known before the first step, for the floors; None while nothing is
    total : number of steps the run will have, for the axis
    theme : light or dark
    """
    spec = CURVES[name]
    colours = palette(theme)
    figure = go.Figure()
    for line in spec.lines:
        points = [(step.step, line.read(step)) for step in steps]
        known = [(x, y) for x, y in points if y is not None and (y > 0 or not spec.logarithmic)]
        if known:
            figure.add_trace(_trace(thinned(known), line.name, getattr(colours, line.colour), spec.share))
    if name == "perplexity" and (band := _band(steps, colours)) is not None:
        figure.add_trace(band)
    base.styled(figure, theme=theme, title=spec.title, height=HEIGHT)
    figure.update_xaxes(range=[0, max(1, total)], fixedrange=True, nticks=5)
    figure.update_yaxes(fixedrange=True, nticks=5, title_text="")
    if spec.share:
        figure.update_yaxes(range=[-0.02, 1.04], tickformat=".0%")
    elif spec.logarithmic:
        levels = [y for trace in figure.data for y in trace.y]
        ticks = log_ticks(min(levels), max(levels)) if levels else [1.0]
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[tick_label(tick) for tick in ticks])
    else:
        figure.update_yaxes(rangemode="tozero")
    if not figure.data:
        figure.update_yaxes(range=[0, 1], showticklabels=False)
    if name == "divergence" and start is not None:
        _floors(figure, start, colours.muted)
    return figure.update_layout(
        title_subtitle=_subtitle(spec, colours),
        margin={"l": 4, "r": 8, "t": 58, "b": 4},
        uirevision="training",
        hovermode="x unified",
    )


def thinned(points: list[T]) -> list[T]:
    """At most about `_MOST_POINTS` of the points, evenly, the last one always: a live chart is redrawn often."""
    every = -(-len(points) // _MOST_POINTS)
    return points if every <= 1 else [*points[:-1:every], points[-1]]


def _band(steps: Sequence[TrainStep], colours: Palette) -> go.Scatter | None:
    """The interval around the perplexity, from its growth since the start; None while nothing is known of one."""
    ends = []
    for step in steps:
        perplexity, ratio = step.held_out_perplexity, step.perplexity_ratio
        if perplexity and ratio and step.perplexity_ratio_low is not None and step.perplexity_ratio_high is not None:
            start = perplexity / ratio  # which is taken as known
            ends.append((step.step, start * step.perplexity_ratio_low, start * step.perplexity_ratio_high))
    if not ends:
        return None
    x, low, high = zip(*thinned(ends), strict=True)
    return go.Scatter(
        x=x + x[::-1],
        y=high + low[::-1],
        fill="toself",
        fillcolor=colours.model_b,
        opacity=0.25,
        mode="none",
        name="95 % interval against the start",
        hoverinfo="skip",
        showlegend=False,
    )


def _trace(points: list[tuple[int, float]], name: str, colour: str, share: bool) -> go.Scatter:
    sparse = len(points) < 40
    return go.Scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        name=name,
        mode="lines+markers" if sparse else "lines",
        line={"color": colour, "width": 2},
        marker={"color": colour, "size": 4},
        hovertemplate=("%{y:.1%}" if share else "%{y:.4g}"),
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: powers of ten, and 2 and 5 of each if there would be few.

    >>> log_ticks(60, 300)
    [50.0, 100.0, 200.0, 500.0]
    """
    first, last = floor(log10(low)), ceil(log10(high))
    digits = (1,) if last - first > 2 else (1, 2, 5)
    every = max(1, (last - first) // 4)
    ticks = [float(f"{digit}e{power}") for power in range(first, last + 1, every) for digit in digits]
    return [tick for tick in ticks if low / 2.5 <= tick <= high * 2.5] or [low]


def tick_label(tick: float) -> str:
    """A tick as short as it can be read.

    >>> tick_label(2e7), tick_label(0.05), tick_label(200)
    ('2·10<sup>7</sup>', '0.05', '200')
    """
    if 1e-3 <= tick < 1e5:
        return f"{tick:,g}"
    digit, power = f"{tick:.0e}".split("e")
    return ("" if digit == "1" else f"{digit}·") + f"10<sup>{int(power)}</sup>"


def _floors(figure: go.Figure, start: RunStart, colour: str) -> None:
    """Lowest values that the two losses can reach: H(Q) = ln w, and 0."""
    lowest = log(start.wanted_count)
    for level, text in ((lowest, f"floor ln {start.wanted_count:,} = {lowest:.2f}"), (0.0, "floor 0")):
        figure.add_hline(
            y=level, line={"color": colour, "width": 1, "dash": "dot"}, annotation_text=text,
            annotation_position="top right", annotation_font={"size": 11, "color": colour},
        )  # fmt: skip


def _subtitle(spec: Curve, colours: Palette) -> dict[str, Any]:
    """Below the title: the lines by name in their colours, or the unit. It takes less room than a legend."""
    parts = [f'<span style="color:{getattr(colours, line.colour)}">{escape(line.name)}</span>' for line in spec.lines]
    text = " · ".join(parts) if len(parts) > 1 else escape(spec.unit)
    return {"text": text, "font": {"size": 11.5, "color": colours.muted}}


@dataclass(frozen=True)
class RunPath:
    """A run as the trade-off shows it: its name, its measured steps, and whether it is one of this session's own."""

    label: str
    steps: tuple[TrainStep, ...]
    own: bool


COSTS: dict[str, str] = {
    "kl": "KL(P‖P_start) on held-out text (nats per token)",
    "perplexity": "Perplexity on held-out text over the start's (log scale); bar: 95 % interval",
}


def _last_interval(grown: Sequence[records.Growth | None]) -> dict[str, object] | None:
    """Error bar of the last point alone: along a path they would hide it."""
    last = grown[-1] if grown else None
    if last is None or last.low is None or last.high is None:
        return None
    nothing = [0.0] * (len(grown) - 1)
    return {
        "type": "data",
        "symmetric": False,
        "array": [*nothing, last.high - last.value],
        "arrayminus": [*nothing, last.value - last.low],
        "thickness": 1.5,
        "width": 6,
    }


def trade_off(runs: Sequence[RunPath], cost: str, *, on_text: bool = True, theme: Theme = "light") -> go.Figure:
    """What was gained against what it cost: each run is a path from its start to its end.

    Parameters
    ----------
    runs : runs to show, oldest first
    cost : a key of `COSTS`
    on_text : wanted share in real text, or after the training input
    theme : light or dark
    """
    title = "Gain and cost of each run"
    if not runs:
        return base.empty(theme=theme, title=title, reason="Finished runs of this session gather here.", height=380)
    colours = palette(theme)
    cycle = (colours.accent, colours.model_b, colours.model_a, colours.rank[2], colours.muted)
    figure = go.Figure()
    for number, path in enumerate(runs):
        colour = cycle[number % len(cycle)] if path.own else colours.muted
        steps = records.measured(path.steps)
        grown = [records.growth(step, steps[0]) for step in steps]
        costs = [step.kl_to_start for step in steps] if cost == "kl" else [each and each.value for each in grown]
        share = [step.wanted_mass_text if on_text else step.wanted_mass for step in steps]
        figure.add_trace(
            go.Scatter(
                x=costs,
                y=share,
                error_x=_last_interval(grown) if cost == "perplexity" else None,
                customdata=[step.step for step in steps],
                name=escape(path.label),
                mode="lines+markers",
                line={"color": colour, "width": 2, "dash": "solid" if path.own else "dot"},
                marker={"color": colour, "size": [5] * (len(steps) - 1) + [12], "opacity": 1},
                hovertemplate="%{fullData.name}, step %{customdata}<br>wanted %{y:.2%}, cost %{x:.4g}<extra></extra>",
            )
        )
    base.styled(
        figure, theme=theme, title=title, x_title=COSTS[cost], y_title="Probability of wanted tokens", height=380
    )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero").update_xaxes(showgrid=True)
    if cost == "perplexity":
        figure.update_xaxes(type="log")
    return figure.update_layout(showlegend=True, margin_t=64, uirevision=cost)

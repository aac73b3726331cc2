"""Two Gaussians, their divergence measured three ways, and one Gaussian fitted to two peaks."""

import numpy as np
import plotly.graph_objects as go

from engine.arrays import Floats
from engine.measures import Approximation, Gaussian, Mixture
from ui.figures import base
from ui.figures.lab import look
from ui.palette import Theme, palette


def densities(p: Gaussian, q: Gaussian, *, theme: Theme) -> go.Figure:
    """Densities of P and Q, with the integrand p ln(p/q) filled below them: its area is D(P||Q)."""
    colours = palette(theme)
    x = _support(p, q, points=241)
    density_p, density_q = np.exp(p.log_density(x)), np.exp(q.log_density(x))
    integrand = density_p * (p.log_density(x) - q.log_density(x))
    figure = go.Figure()
    fill = {"fill": "tozeroy", "fillcolor": base.translucent(colours.accent, 0.3)}
    base.line(figure, x, integrand, colours.accent, width=0.5, name="p ln(p/q)", **fill)
    for name, y, colour in (("P", density_p, colours.model_a), ("Q", density_q, colours.model_b)):
        base.line(figure, x, y, colour, width=2.5, name=name)
    look.styled(figure, theme, "The shaded area is D(P‖Q)", "x", height=320, legend_rows=1)
    top = float(max(density_p.max(), density_q.max()))
    figure.update_yaxes(range=[max(-1.2 * top, min(-0.1 * top, float(integrand.min()) * 1.1)), 1.25 * top])
    figure.add_hline(y=0, line={"color": colours.control, "width": 1})
    return figure


def three_ways(exact: tuple[float, float], sampled: tuple[Approximation, Approximation], *, theme: Theme) -> go.Figure:
    """Monte Carlo estimates with two standard errors either side, against the closed forms as lines, in nats."""
    colours = palette(theme)
    rows = ("D(P‖Q)", "D(Q‖P)")
    figure = go.Figure(
        go.Scatter(
            x=[estimate.value for estimate in sampled], y=rows, mode="markers",
            marker={"size": 11, "color": [colours.model_a, colours.model_b]},
            error_x={"array": [2 * estimate.error for estimate in sampled], "color": colours.muted, "thickness": 1.5},
            hoverinfo="skip",
        )
    )  # fmt: skip
    for index, value in enumerate(exact):
        stroke = {"color": colours.accent, "width": 3}
        figure.add_shape(type="line", x0=value, x1=value, y0=index - 0.35, y1=index + 0.35, line=stroke)
    title = "Sampling (dot ± 2 s.e.) against closed form (line)"
    look.styled(figure, theme, title, "nats", height=190, left=70)
    return figure.update_yaxes(autorange="reversed", showgrid=False).update_xaxes(rangemode="tozero", showgrid=True)


def fits(target: Mixture, covering: Gaussian, seeking: Gaussian, *, theme: Theme) -> go.Figure:
    """A two-peaked P and the best single Gaussian under either direction of KL."""
    colours = palette(theme)
    x = _support(*target.parts, points=301)
    figure = go.Figure()
    fill = {"fill": "tozeroy", "fillcolor": base.translucent(colours.model_a, 0.2)}
    base.line(figure, x, np.exp(target.log_density(x)), colours.model_a, width=1.5, name="P", **fill)
    for name, fit, dash in (("least D(P‖Q): covers", covering, "dash"), ("least D(Q‖P): seeks", seeking, "solid")):
        base.line(figure, x, np.exp(fit.log_density(x)), colours.model_b, width=2.5, dash=dash, name=name)
    look.styled(figure, theme, "One Gaussian for two peaks", "x", height=340, legend_rows=2)
    return figure.update_yaxes(rangemode="tozero")


def _support(*parts: Gaussian, points: int) -> Floats:
    """(points,) evenly over all that lies within four standard deviations of any mean."""
    return np.linspace(min(p.mean - 4 * p.std for p in parts), max(p.mean + 4 * p.std for p in parts), points)

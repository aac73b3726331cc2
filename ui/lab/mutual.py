"""Panel: mutual information of two variables whose relation is known, by every estimator, and its bias."""

import numpy as np
import streamlit as st

from engine import measures
from engine.correlations import pearson
from engine.lab import relations
from engine.lab.bias import Marginal
from ui import layout, messages
from ui.figures.lab import mutual
from ui.lab import live_controls, panel, simulations
from ui.lab.live_controls import Slider

_SAMPLE = (
    Slider("n", "Samples", 50, 5_000, 250, 10),
    Slider("noise", "Noise σ", 0, 2, 0.2, 0.02),
    Slider("bins", "Bins each way", 2, 40, 15, 1),
    Slider("nn", "Neighbours k", 1, 20, 3, 1),
    Slider("seed", "Seed", 0, 50, 0, 1),
)
_TITLES = {relation.name: relation.title for relation in relations.RELATIONS}
_MARGINALS: tuple[Marginal, ...] = ("uniform", "normal")
_SWEEP = (Slider("tbins", "Bins each way", 3, 40, 15, 1),)


def show() -> None:
    """Draw the panel."""
    panel.heading(
        "Mutual information",
        "How many nats one variable tells about the other, whatever the shape of the relation.",
        "start with independent variables, where every estimate above 0 is bias; then take the circle, "
        "which correlation does not see at all.",
    )
    _relation()
    panel.heading(
        "Where the bias comes from, and when it is flat",
        "Cut into B × B bins, n samples of nothing still show about (B − 1)²/2n nats.",
        "in the left chart, find the n at which 15 bins make 0.4 to 0.5 nats out of nothing: the shaded band.",
    )
    _sweeps()


@st.fragment
def _relation() -> None:
    left, right = st.columns([4, 8], gap="large")
    with left:
        name = st.selectbox(
            "Relation", list(_TITLES), format_func=_TITLES.__getitem__, key="relation", bind="query-params"
        )
        place = st.container()
    values = live_controls.slider_values("mutual_sample", _SAMPLE)
    with right, messages.shown():
        _estimates(name, values)
    with left, place:
        live_controls.mount_sliders("mutual_sample", _SAMPLE, values)
        relation = relations.relation(name)
        st.latex(relation.formula)
        panel.note(relation.note)


def _estimates(name: str, values: dict[str, float]) -> None:
    samples, noise, seed, bins = int(values["n"]), values["noise"], int(values["seed"]), int(values["bins"])
    x, y = simulations.sample(name, samples, noise, seed)
    timed = simulations.estimates(name, samples, noise, seed, bins, int(values["nn"]))
    exact = simulations.exact_information(name, noise)
    correlation = pearson(x, y)
    seen = measures.gaussian_mutual_information(min(0.999999, abs(correlation)))
    panel.numbers(
        panel.nats("Exact", exact) if np.isfinite(exact) else ("Exact", "∞", "without noise y pins x down"),
        ("Correlation", f"{correlation:+.3f}", f"sees {seen:.3f} nats, were both normal"),
        ("First-order bias", f"{measures.first_order_bias(bins, bins, samples):.3f}", "nats, if all cells were filled"),
    )
    theme = layout.theme()
    plot, bars = st.columns(2, gap="medium")
    with plot:
        edges = [measures.bin_edges(sample, bins) for sample in (x, y)]
        alt = "Scatter of the sample over the grid of bins."
        panel.chart(mutual.scatter(x, y, edges[0], edges[1], theme=theme), "mutual_scatter", alt)
    with bars:
        alt = "Each estimator's value against the exact one."
        panel.chart(mutual.estimates(timed, exact, theme=theme), "mutual_estimates", alt)
    times = ", ".join(f"{one.title} {one.seconds * 1e3:.1f} ms" for one in timed)
    panel.note(
        f"Time of each: {times}. The neighbour estimator is scikit-learn's mutual_info_regression, "
        "which is cut at 0: about half of all samples of independent variables give exactly 0."
    )


@st.fragment
def _sweeps() -> None:
    theme = layout.theme()
    left, right = st.columns(2, gap="large")
    values = live_controls.slider_values("mutual_sweep", _SWEEP)
    with left:
        kind = st.segmented_control(
            "x and y", _MARGINALS, default="uniform", required=True, key="marginal", bind="query-params"
        )
        with messages.shown():
            table = simulations.information_bias(kind)
            chart = mutual.bias_by_samples(table, theme=theme, mark=simulations.BAND)
            panel.chart(chart, "mutual_bias_samples", "Bias of the histogram estimate falls as samples grow.")
            few, many = simulations.samples_of_band(15, kind)
            first_order = [measures.first_order_bias(15, 15, samples) for samples in (few, many)]
            panel.note(
                f"With 15 bins and {kind} data the estimate of nothing averages 0.5 nats at n = {few} and 0.4 at "
                f"n = {many} (simulated here), the values often met in practice. The first-order formula says "
                f"{first_order[0]:.2f} and {first_order[1]:.2f} there; "
                "it is exact only if every cell is well filled."
            )
    with right:
        place = st.container()
        with messages.shown():
            _against_truth(int(values["tbins"]))
        with place:
            live_controls.mount_sliders("mutual_sweep", _SWEEP, values)


def _against_truth(bins: int) -> None:
    table = simulations.bias_against_truth(bins)
    chart = mutual.bias_by_truth(table, theme=layout.theme())
    panel.chart(chart, "mutual_bias_truth", "Bias against the true information, one line per sample size.")
    start, *_, end = table.bias[0]
    panel.note(
        f"Histograms are kept for large models because a flat bias drops out of comparisons. For {bins} bins it is "
        f"not flat: at n = {table.rows[0]} it goes from {start:+.2f} to {end:+.2f} nats as the truth rises. Few "
        "samples lift weak relations, coarse bins cut strong ones. It is nearly flat if n is large and relations "
        "are weak; compare like n with like n, and with the same bins."
    )

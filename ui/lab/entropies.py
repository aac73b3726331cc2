"""Panel: the entropy of a sample: bins, zeros, and the bias of small samples."""

import numpy as np
import streamlit as st

from engine import measures
from engine.lab.bias import Shape
from engine.measures.binning import BinRule
from ui import layout
from ui.figures.lab import entropy
from ui.lab import live_controls, panel, simulations
from ui.lab.live_controls import Slider

_SAMPLE = (
    Slider("en", "Samples", 10, 5_000, 200, 10),
    Slider("ebins", "Bins", 2, 100, 15, 1),
    Slider("eseed", "Seed", 0, 50, 0, 1),
)
_EPSILON = (Slider("eps", "ε, as a power of ten", -16, -1, -8, 0.25),)
_OUTCOMES = (Slider("k", "Outcomes that can occur", 2, 500, 50, 1),)
_EPSILONS = np.logspace(-16, -1, 61)
_KINDS = ("normal", "uniform", "skewed", "two peaks")
_SHAPES: dict[str, Shape] = {"equal": "uniform", "1/rank": "zipf"}
_RULES: dict[str, BinRule] = {"equal width": "equal_width", "equal counts": "percentile"}


def show() -> None:
    """Draw the panel."""
    panel.heading(
        "Entropy of a sample",
        "A continuous sample is cut into bins to be measured, so the number of bins is part of the answer.",
        "double the bins and see the entropy rise by about ln 2 = 0.69 nats, until the samples run out.",
    )
    _histogram()
    panel.heading(
        "Zeros, handled exactly",
        "An empty bin adds nothing: 0 ln 0 = 0. An ε inside the logarithm avoids the warning and changes the answer.",
        "raise ε and watch the error; at ε = 0.1 the result is not the entropy of anything: 0.89 nats instead of 1.21.",
    )
    _zeros()
    panel.heading(
        "Small samples look too ordered",
        "The plug-in estimate takes shares for probabilities. It is too low by about (K − 1)/2n for K outcomes.",
        "take 500 outcomes: at 100 samples most have not been seen once, and no correction can know of them all.",
    )
    _bias()


@st.fragment
def _histogram() -> None:
    left, right = st.columns([4, 8], gap="large")
    with left:
        kind = st.selectbox("Sample", _KINDS, key="ekind", bind="query-params")
        rule = st.segmented_control("Bins of", list(_RULES), default="equal width", required=True, key="erule")
        place = st.container()
    values = live_controls.slider_values("entropy_sample", _SAMPLE)
    sample = simulations.one_dimensional(kind, int(values["en"]), int(values["eseed"]))
    bins = min(int(values["ebins"]), sample.size)
    edges = measures.bin_edges(sample, bins, _RULES[rule])
    counts = np.bincount(measures.bin_codes(sample, edges), minlength=edges.size - 1).astype(np.float64)
    plug_in, corrected = measures.entropy_of_counts(counts), measures.miller_madow_entropy(counts)
    with right:
        panel.numbers(
            panel.nats("Plug-in entropy", plug_in),
            panel.nats("With Miller-Madow", corrected),
            panel.nats("At most, ln of the bins", float(np.log(counts.size))),
            ("Perplexity", f"{float(measures.perplexity(plug_in)):.2f}", f"of {counts.size} bins"),
        )
        figure = entropy.histogram(edges, counts, theme=layout.theme())
        panel.chart(figure, "entropy_histogram", "Histogram of the sample.")
    with left, place:
        live_controls.mount_sliders("entropy_sample", _SAMPLE, values)
        rules = {rule: measures.suggested_bins(sample, rule) for rule in measures.BIN_COUNT_RULES}
        panel.note(
            "Rules of thumb for this sample: "
            f"√n {rules['sqrt']}, Sturges {rules['sturges']}, Scott {rules['scott']}, Freedman-Diaconis {rules['fd']}."
        )


@st.fragment
def _zeros() -> None:
    left, right = st.columns([4, 8], gap="large")
    p = np.array([0.5, 0.25, 0.125, 0.125, 0.0, 0.0])
    values = live_controls.slider_values("entropy_epsilon", _EPSILON)
    epsilon = 10 ** values["eps"]
    exact, naive = float(measures.entropy(p)), float(measures.entropy_with_epsilon(p, epsilon))
    errors = np.array([exact - float(measures.entropy_with_epsilon(p, e)) for e in _EPSILONS])
    with left:
        place = st.container()
        panel.numbers(
            ("Exact, by scipy.special.entr", f"{exact:.6f}", "nats, of (½, ¼, ⅛, ⅛, 0, 0)"),
            ("Naive: −Σ p ln(p + ε)", f"{naive:.6f}", f"off by {naive - exact:.1e} nats"),
        )
        st.latex(r"-\sum_x p\ln(p+\varepsilon)\;\approx\;H-\varepsilon\,\#\{p>0\}")
    with right:
        curve = entropy.epsilon_error(_EPSILONS, np.abs(errors), epsilon, abs(exact - naive), theme=layout.theme())
        panel.chart(curve, "entropy_epsilon_error", "The error grows in proportion to epsilon.")
    with place:
        live_controls.mount_sliders("entropy_epsilon", _EPSILON, values)


@st.fragment
def _bias() -> None:
    left, right = st.columns([4, 8], gap="large")
    with left:
        shape = st.segmented_control("Probabilities", list(_SHAPES), default="equal", required=True, key="eshape")
        place = st.container()
    values = live_controls.slider_values("entropy_outcomes", _OUTCOMES)
    table = simulations.entropy_bias(int(values["k"]), _SHAPES[shape])
    at = table.samples.index(100)
    plug_in, corrected = table.plug_in[at], table.miller_madow[at]
    with left:
        panel.numbers(
            panel.nats("Truth", table.truth),
            ("Plug-in at 100 samples", f"{plug_in:.4f}", f"off by {plug_in - table.truth:+.4f}"),
            ("Miller-Madow at 100", f"{corrected:.4f}", f"off by {corrected - table.truth:+.4f}"),
        )
    with right:
        figure = entropy.bias(table, theme=layout.theme())
        panel.chart(figure, "entropy_bias", "Estimates approach the truth from below.")
    with place:
        live_controls.mount_sliders("entropy_outcomes", _OUTCOMES, values)

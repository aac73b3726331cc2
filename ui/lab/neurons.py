"""Panel: entropy of a loaded model's neurons on a text, and mutual information between them."""

from functools import partial

import numpy as np
import streamlit as st

from engine.lab import activations
from engine.lab import neurons as engine_neurons
from engine.lab.neurons import NeuronInformation, Settings
from engine.measures.binning import BinRule
from engine.models.request import ModelRequest
from ui import composer, engine_access, layout, messages, model_picker
from ui.figures.lab import neurons as figures
from ui.lab import panel

_JOB = "neuron_job"
_LISTED = 12
_RULES: dict[BinRule, str] = {"equal_width": "Equal width", "percentile": "Equal counts"}


def show() -> None:
    """Draw the panel."""
    choice = model_picker.model_choice()
    panel.heading(
        "In the model",
        "The same measures on the model's own activations: how much each neuron varies over a text, and how much "
        "neurons know of each other.",
        "compare the feed-forward neurons with the residual stream, and see at which depths information gathers.",
    )
    text = composer.text_choice("Use this text")
    settings = _settings()
    if text is None:
        layout.empty_state("No text yet", "Type or paste one, or choose an example.")
        return
    if st.button("Measure", type="primary", icon=":material/play_arrow:", key="neuron_measure"):
        st.session_state[_JOB] = (choice, text, settings)
    if st.session_state.get(_JOB) is None:
        layout.empty_state(
            "Nothing measured yet",
            "Measure reads the text once with hooks on every layer; a few seconds on a CPU, and it can be stopped.",
        )
        return
    with messages.shown():
        _show_result(_measured(*st.session_state[_JOB]))


def _settings() -> Settings:
    with st.container(horizontal=True, vertical_alignment="bottom", key="neuron_settings"):
        sites = activations.SITES
        site = st.selectbox(
            "Where", list(sites), format_func=sites.__getitem__, key="site", bind="query-params", width=220
        )
        bins = st.number_input("Bins", 2, 32, 8, key="nbins", bind="query-params", width=110)
        rule = st.selectbox("Bins of pairs", list(_RULES), format_func=_RULES.__getitem__, key="nrule", width=150)
        about = "-1 spreads 240 neurons over all layers."
        layer = st.number_input("Layer", -1, 200, -1, key="nlayer", width=120, help=about)
        first = st.toggle(
            "Leave out the first token", True, key="nfirst",
            help="Many models park activations hundreds of times larger on it, which would fill one bin with all else.",
        )  # fmt: skip
    return Settings(site=site, bins=bins, rule=rule, layer=None if layer < 0 else layer, skip_first=first)


def _measured(choice: ModelRequest, text: str, settings: Settings) -> NeuronInformation:
    engine_access.refuse_long(text)
    work = partial(engine_neurons.neuron_information_steps, text=text, settings=settings)
    key = ("neurons", choice, engine_access.text_hash(text), settings)
    return engine_access.computed(key, lambda: engine_access.with_models((choice,), len(text), work))


def _show_result(result: NeuronInformation) -> None:
    off = np.triu_indices(len(result.layers), 1)
    settings = result.settings
    first_order = (settings.bins - 1) ** 2 / (2 * len(result.tokens))
    panel.numbers(
        ("Tokens", f"{len(result.tokens):,}", result.model_title),
        panel.nats("Median entropy of a neuron", float(np.median(result.entropies))),
        ("Mean over pairs, raw", f"{result.information[off].mean():.4f}", "nats, by histogram"),
        (
            "The same, shifted",
            f"{result.baseline[off].mean():.4f}",
            f"baseline; first order, for independent tokens: {first_order:.4f}",
        ),
    )
    theme = layout.theme()
    charts = (
        (figures.entropy_by_layer, "neurons_entropy", "Entropy of single neurons by layer, median and middle 80 %."),
        (figures.depth_profile, "neurons_depth", "Mean information inside and between neighbouring layers."),
        (figures.layer_matrix, "neurons_layers", "Mean information between neurons of each two layers."),
        (figures.pair_matrix, "neurons_pairs", "Information of every two of the chosen neurons."),
        (figures.against_correlation, "neurons_missed", "Information of pairs against what correlation accounts for."),
        (figures.nearest_against_histogram, "neurons_nearest", "Histogram against nearest-neighbour estimates."),
    )
    for start in range(0, len(charts), 2):
        for column, (draw, key, alt) in zip(st.columns(2, gap="large"), charts[start : start + 2], strict=True):
            with column:
                panel.chart(draw(result, theme=theme), key, alt)
    panel.note(
        f"Entropies: plug-in over {settings.bins} equal-width bins, {result.entropies.shape[1]:,} of {result.width:,} "
        f"units per layer. Pairs: {len(result.layers)} units, histogram of {settings.bins} × {settings.bins} bins "
        f"({_RULES[settings.rule].lower()}), less a baseline: its mean over {engine_neurons.SHIFTS} shifts of one unit "
        "along the text, end to front. Neighbouring tokens resemble each other, so the bias is larger than that of "
        "independent tokens; shifts keep that resemblance, which a shuffle would lose. "
        f"{len(result.nearest)} pairs also by scikit-learn's {settings.neighbours}-nearest-neighbour estimator. It is "
        "cut at 0: of independent samples about half lie exactly there and the others above, so its mean is a little "
        "too high."
    )
    _one_pair(result)


@st.fragment
def _one_pair(result: NeuronInformation) -> None:
    pairs = most_missed(result, _LISTED)
    if not pairs:
        return
    left, right = st.columns([4, 8], gap="large")
    with left:
        layout.section("Pairs that covariance misses most")
        chosen = st.selectbox(
            "Pair",
            range(len(pairs)),
            format_func=lambda at: " and ".join(figures.neuron_name(result, index) for index in pairs[at]),
            key="neuron_pair",
        )
        i, j = pairs[chosen]
        accounted = f"accounts for {result.from_correlation[i, j]:.4f} nats"
        panel.numbers(
            ("Correlation", f"{result.correlation[i, j]:+.3f}", accounted),
            panel.nats("Information, less baseline", float(result.above_baseline[i, j])),
        )
    with right:
        figure = figures.one_pair(result, i, j, theme=layout.theme())
        panel.chart(figure, "neurons_pair", "Activations of the two neurons at each token.")


def most_missed(result: NeuronInformation, count: int) -> list[tuple[int, int]]:
    """Pairs (i < j) with the most information beyond what their correlation accounts for, most first."""
    rows, columns = np.triu_indices(len(result.layers), 1)
    missed = (result.above_baseline - result.from_correlation)[rows, columns]
    order = np.argsort(-np.where(np.isfinite(missed), missed, -np.inf))[:count]
    return [(int(rows[at]), int(columns[at])) for at in order if np.isfinite(missed[at])]

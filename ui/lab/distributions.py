"""Panel: KL divergence of two discrete distributions that are dragged, typed, or taken from two models."""

import numpy as np
import streamlit as st

from engine import measures
from engine.arrays import Floats
from engine.errors import EngineError, InputError
from ui import layout, messages
from ui.figures.lab import discrete
from ui.lab import live_controls, panel, real_pair

_KEY = "kl_bars"
MOST_OUTCOMES = 8
HOME = ([0.1, 0.2, 0.7], [0.3, 0.3, 0.4])
PRESETS: dict[str, tuple[list[float], list[float]]] = {
    "Three outcomes": HOME,
    "Almost equal": ([0.2, 0.3, 0.5], [0.21, 0.3, 0.49]),
    "Equal": ([0.25] * 4, [0.25] * 4),
    "Q misses an outcome": ([0.5, 0.3, 0.2], [0.6, 0.4, 0.0]),
    "P is certain": ([0.0, 1.0, 0.0, 0.0], [0.15, 0.55, 0.2, 0.1]),
    "Two peaks, one peak": ([0.4, 0.08, 0.04, 0.08, 0.4], [0.05, 0.25, 0.4, 0.25, 0.05]),
}


def show() -> None:
    """Draw the panel."""
    _by_hand()
    real_pair.show()


@st.fragment
def _by_hand() -> None:
    panel.heading(
        "Two distributions",
        "D(P‖Q) is the extra cost, per sample, of coding what P produces with a code made for Q.",
        "drag one bar of Q to the floor while P still needs it, and watch which of the two divergences survives.",
    )
    left, right = st.columns([5, 7], gap="large")
    with left:
        _presets()
        bars = st.container()
        _typing()
    p, q = live_controls.bar_values(_KEY, HOME)
    with right:
        try:
            readable = _drawn(p, q)
        except InputError as error:
            messages.show(error)
            readable = False
    if readable:
        _below(np.array(p), np.array(q))
    with bars:
        live_controls.mount_bars(_KEY, *((p, q) if readable else HOME), home=HOME, theme=layout.theme())


def _presets() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Start from", list(PRESETS), key="kl_preset", on_change=_take_preset)


def _take_preset() -> None:
    live_controls.set_bars(_KEY, *PRESETS[st.session_state["kl_preset"]])


def _typing() -> None:
    with st.expander("Type them instead"):
        st.text_input("P", key="kl_typed_p", placeholder="0.1, 0.2, 0.7")
        st.text_input("Q", key="kl_typed_q", placeholder="0.3, 0.3, 0.4")
        scaled = st.checkbox("Divide each by its sum", key="kl_scaled", help="For counts or weights.")
        if not st.button("Use these", key="kl_use"):
            return
        try:
            p, q = (_typed(st.session_state[f"kl_typed_{side}"], side.upper(), scaled) for side in ("p", "q"))
            measures.kl_divergence(p, q)
        except EngineError as error:
            messages.show(error)
            return
        live_controls.set_bars(_KEY, p, q)


def _typed(text: str, name: str, scaled: bool) -> list[float]:
    """What a person typed, as numbers; divided by their sum if asked for."""
    values = live_controls.parsed_numbers(text)
    if text.strip() and not values:
        raise InputError(f"{name} has something that is not a number; separate numbers by commas.")
    if not 2 <= len(values) <= MOST_OUTCOMES:
        raise InputError(f"{name} has {len(values)} numbers; the lab takes 2 to {MOST_OUTCOMES}.")
    total = sum(values)
    return [value / total for value in values] if scaled and total > 0 and min(values) >= 0 else values


def _drawn(p: list[float], q: list[float]) -> bool:
    if not (2 <= len(p) <= MOST_OUTCOMES and 2 <= len(q) <= MOST_OUTCOMES):
        raise InputError(f"P has {len(p)} numbers and Q {len(q)}; the lab takes 2 to {MOST_OUTCOMES}.")
    forward, backward = float(measures.kl_divergence(p, q)), float(measures.kl_divergence(q, p))
    panel.numbers(
        panel.nats("D(P‖Q)", forward),
        panel.nats("D(Q‖P)", backward),
        panel.nats("Jensen-Shannon", float(measures.js_divergence(p, q))),
        panel.nats("Cross-entropy H(P,Q)", float(measures.cross_entropy(p, q))),
    )
    theme = layout.theme()
    alt = "Stacked bars: cross-entropy is entropy plus KL divergence, in both directions."
    panel.chart(discrete.chain(np.array(p), np.array(q), theme=theme), "kl_chain", alt)
    labels = [chr(65 + index) for index in range(len(p))]
    terms = discrete.terms(labels, np.array(p), np.array(q), theme=theme)
    panel.chart(terms, "kl_terms", "The pointwise terms of the divergence; some are negative, their sum is not.")
    return True


def _below(p: Floats, q: Floats) -> None:
    left, right = st.columns(2, gap="large")
    index = int((p / np.maximum(q, 1e-12)).argmax())
    theme = layout.theme()
    with left:
        vanishing = discrete.vanishing(p, q, index, chr(65 + index), theme=theme)
        panel.chart(vanishing, "kl_vanishing", "The divergence grows like a logarithm and is infinite at 0.")
        panel.note(
            "It climbs slowly, one p per factor e, and then never ends: a probability of 10⁻¹² costs little, "
            "a probability of 0 costs everything. JS stays below ln 2 = 0.693 whatever you do."
        )
    with right:
        bregman = discrete.bregman(p, q, theme=theme)
        panel.chart(bregman, "kl_bregman", "A convex curve, its tangent at Q, the gap at P.")
        panel.note(
            "With φ(p) = Σ p ln p, the line of sight from Q to P: KL is how far the curve at P rises above the tangent "
            "at Q. The curve is convex, so the gap is never negative."
        )
    left, right = st.columns(2, gap="large")
    left.latex(r"D(P\Vert Q)=\sum_x p(x)\,\ln\frac{p(x)}{q(x)}\;\ge 0")
    right.latex(r"H(P,Q)=H(P)+D(P\Vert Q)")

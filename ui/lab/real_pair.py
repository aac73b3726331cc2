"""Part of the panel on distributions: P and Q as two models predict them, over their whole vocabulary."""

import streamlit as st

from engine import measures
from engine.lab import next_token
from engine.models.request import ModelRequest
from ui import layout, messages
from ui.figures.lab import discrete
from ui.lab import model_pair, panel


def show() -> None:
    """Draw the part; models are loaded only once asked for."""
    panel.heading(
        "Real distributions: two models at one position",
        "After the same words each model has a distribution over its whole vocabulary. P is the first model's.",
        "move along the sentence: where the next word is forced the models agree, where it is open they part.",
    )
    if not st.toggle("Load two models", key="two_models", bind="query-params"):
        layout.empty_state("No model is needed so far", "Switch on to read P and Q from two models of this machine.")
        return
    p, q, text = model_pair.choose("Model of P", "Model of Q")
    _predictions(p, q, text)


@st.fragment
def _predictions(p: ModelRequest, q: ModelRequest, text: str) -> None:
    with messages.shown():
        (first, second), slider, value = model_pair.at_position(p, q, text)
        left, right = st.columns([4, 8], gap="large")
        bars = next_token.shared_bars(first, second)
        lumped = float(measures.kl_divergence(bars.p, bars.q))
        with right:
            figure = discrete.pair(bars.labels, bars.p, bars.q, theme=layout.theme())
            panel.chart(figure, "kl_models", "Probabilities of the likeliest next tokens under both models.")
            panel.numbers(
                panel.nats("D(P‖Q), whole vocabulary", bars.kl_pq),
                panel.nats("D(Q‖P), whole vocabulary", bars.kl_qp),
                panel.nats("Jensen-Shannon", bars.js),
                ("D(P‖Q) of these bars", f"{lumped:.4f}", "nats; lumping never adds any"),
            )
        with left:
            model_pair.show_context(first)
            model_pair.mount_position(slider, value)

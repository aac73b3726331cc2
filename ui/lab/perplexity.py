"""Panel: from KL to cross-entropy to perplexity on the loaded model and text; temperature in distillation."""

import numpy as np
import streamlit as st

from engine import measures
from engine.arrays import Floats
from engine.lab import next_token
from engine.models.request import ModelRequest
from engine.scoring.results import TextScores
from ui import composer, engine_access, layout, messages, model_picker
from ui.figures.lab import discrete
from ui.figures.lab import perplexity as figures
from ui.lab import live_controls, model_pair, panel
from ui.lab.live_controls import Slider

_TEMPERATURE = (Slider("temperature", "Temperature T", 0.1, 10, 1, 0.05),)
_TEMPERATURES = np.logspace(-1, 1, 21)


def show() -> None:
    """Draw the panel."""
    model = model_picker.model_choice()
    panel.heading(
        "From KL to perplexity",
        "A text is a P that is certain of each token: H(P) = 0, so the cross-entropy H is the KL itself, and e^H the "
        "perplexity.",
        "compare the four bars: the two right ones agree to the last digit, the two slips look plausible.",
    )
    text = composer.text_choice("Score")
    if text is None:
        layout.empty_state("No text yet", "Type or paste one, or choose an example.")
    else:
        with messages.shown():
            _chain(engine_access.score_text(model.name, model.precision, text))
    panel.heading(
        "Teacher, student and temperature",
        "Distillation lowers D(teacher‖student), both softened by a temperature T; T² keeps the gradients in scale.",
        "raise T: the runners-up that the teacher would not say, but could have, come into view.",
    )
    if not st.toggle("Load teacher and student", key="teacher", bind="query-params"):
        layout.empty_state("Two models at one position", "Switch on to compare two models of this machine.")
        return
    teacher, student, sentence = model_pair.choose("Teacher", "Student")
    _distillation(teacher, student, sentence)


def _chain(scores: TextScores) -> None:
    nats = -scores.mean_log_prob
    bits = float(measures.to_bits(nats))
    theme = layout.theme()
    panel.numbers(
        panel.nats("Cross-entropy per token", nats),
        panel.nats("Entropy of the predictions", float(np.nanmean(scores.entropies))),
        ("Perplexity", f"{scores.perplexity:.2f}", "equally likely tokens, on average"),
        ("Bits per byte", f"{scores.bits_per_byte:.3f}", "can be compared across tokenizers"),
    )
    left, right = st.columns([7, 5], gap="large")
    with left:
        alt = "Surprisal of each token in bits with the mean as a line."
        panel.chart(figures.surprisals(scores, theme=theme), "ppl_surprisals", alt)
    with right:
        names = ("e^H, H in nats", "2^H, H in bits", "2^H, H in nats", "e^H, H in bits")
        values = (float(measures.perplexity(nats)), 2.0**bits, 2.0**nats, float(measures.perplexity(bits)))
        figure = figures.bases(names, values, (True, True, False, False), theme=theme)
        panel.chart(figure, "ppl_bases", "Perplexity by the right and the wrong pairings of base and unit.")
        panel.note(
            f"2^H beside natural logarithms is the common slip: {values[2]:,.1f} instead of {values[0]:,.1f} here. "
            "Base and unit go together."
        )
    left, right = st.columns(2, gap="large")
    left.latex(rf"H(P,Q) = 0 + D(P\Vert Q) = {nats:.4f}\ \text{{nats}}")
    right.latex(rf"e^{{{nats:.4f}}} = 2^{{{bits:.4f}}} = {values[0]:,.2f}")


@st.fragment
def _distillation(teacher: ModelRequest, student: ModelRequest, sentence: str) -> None:
    with messages.shown():
        pair, slider, position = model_pair.at_position(teacher, student, sentence)
        values = live_controls.slider_values("temperature_slider", _TEMPERATURE)
        temperature = values["temperature"]
        soft = [next_token.at_temperature(prediction, temperature) for prediction in pair]
        bars = next_token.shared_bars(soft[0], soft[1])
        theme = layout.theme()
        left, right = st.columns([4, 8], gap="large")
        with right:
            figure = discrete.pair(bars.labels, bars.p, bars.q, theme=theme, names=("teacher", "student"))
            panel.chart(figure, "distill_bars", "Next-token probabilities of teacher and student at this temperature.")
            divergences = _curve(pair[0].model_key, pair[1].model_key, sentence, pair[0].position, pair)
            curve = figures.temperature_curve(_TEMPERATURES, divergences, temperature, bars.kl_pq, theme=theme)
            panel.chart(curve, "distill_curve", "Divergence of teacher and student against temperature.")
        with left:
            model_pair.show_context(pair[0])
            model_pair.mount_position(slider, position)
            live_controls.mount_sliders("temperature_slider", _TEMPERATURE, values)
            panel.numbers(
                panel.nats("D(teacher‖student)", bars.kl_pq),
                panel.nats("Entropy of the teacher", bars.entropy_p),
                ("T² · D", f"{temperature**2 * bars.kl_pq:.4f}", "nats, the usual loss"),
            )


@st.cache_data(max_entries=64, show_spinner=False)
def _curve(teacher: str, student: str, sentence: str, position: int, _pair: model_pair.Pair) -> Floats:
    """Divergence (21,) in nats over the temperatures, kept for this place of this sentence."""
    soft = [[next_token.at_temperature(one, float(t)).log_probs for one in _pair] for t in _TEMPERATURES]
    return np.array([float(measures.kl_divergence_of_logs(a, b)) for a, b in soft])

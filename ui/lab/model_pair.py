"""Two loaded models after the same words: what each expects next. Shared by two panels."""

from html import escape

import streamlit as st

from engine.lab import next_token
from engine.lab.next_token import NextToken
from engine.models.loaded import LoadedModel
from engine.models.request import ModelRequest
from engine.steps import Steps
from ui import engine_access, model_picker
from ui.lab import live_controls
from ui.lab.live_controls import Slider

Pair = tuple[NextToken, NextToken]
SENTENCE = "The goal of a correlation analysis is to measure how strongly two variables are related to each other."


def choose(name_p: str, name_q: str) -> tuple[ModelRequest, ModelRequest, str]:
    """Draw the choice of both models and of the sentence."""
    left, right = st.columns(2, gap="medium")
    with left:
        p = model_picker.pick_model("model_p", "precision_p", name_p, engine_access.PAIR[0])
    with right:
        q = model_picker.pick_model("model_q", "precision_q", name_q, engine_access.PAIR[1])
    text = st.text_input("Sentence", SENTENCE, key="pair_text", persist_state="session", max_chars=1_000)
    return p, q, text


def at_position(p: ModelRequest, q: ModelRequest, text: str) -> tuple[Pair, Slider, float]:
    """Both predictions at the position of the slider, that slider, and its value; the caller mounts it."""
    whole = _predictions(p, q, text, None)
    last = whole[0].position
    slider = Slider("after", "Tokens read", 1, max(2, last), min(last, 5), 1)
    position = min(last, int(live_controls.slider_values("pair_position", [slider])["after"]))
    return _predictions(p, q, text, position), slider, float(position)


def mount_position(slider: Slider, value: float) -> None:
    """Draw the slider that moves the position."""
    live_controls.mount_sliders("pair_position", [slider], {"after": value})


def show_context(prediction: NextToken) -> None:
    """The words read, then the one that really follows, marked."""
    read = "".join(prediction.tokens[: prediction.position])
    follows = prediction.listed.get(prediction.actual_id, "") if prediction.actual_id is not None else ""
    mark = f"<mark>{escape(follows)}</mark>" if follows else "<mark>the end</mark>"
    st.html(f'<p class="ls-context">{escape(read)}{mark}</p>')


def _predictions(p: ModelRequest, q: ModelRequest, text: str, position: int | None) -> Pair:
    def work(model_p: LoadedModel, model_q: LoadedModel) -> Steps[Pair]:
        return next_token.next_token_pair_steps(model_p, model_q, text, position)

    key = ("next token", p, q, engine_access.text_hash(text), position)
    return engine_access.computed(key, lambda: engine_access.with_models((p, q), 2 * len(text), work))

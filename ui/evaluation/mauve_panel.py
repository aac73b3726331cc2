"""MAUVE: human texts against a second set, or against what the two models write from the same openings."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from engine import sources
from engine.evaluation import mauve
from engine.evaluation.mauve import score
from engine.evaluation.mauve.generation import Sampling
from engine.evaluation.runs.planning import Plan
from engine.models import registry
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from ui import layout, model_picker, reading_options
from ui.evaluation import mauve_scores, own_data, runs
from ui.evaluation.panel import Panel

_SOURCES = {
    "continue": "Human texts, the models continue them",
    "endings": "HellaSwag: true endings and the models' own",
    "sets": "Two sets of texts",
}
_TEXTS = own_data.Field(
    "mauve_texts",
    "Human texts",
    "Paste texts, a blank line between them, or choose a file. Each is cut after its opening and continued.",
)
_ITEMS = own_data.Field("mauve_items", "HellaSwag items", "The official JSONL, or six lines per item.")
_SETS = (
    own_data.Field("mauve_human", "Human texts, blank lines between them", file_label="Or a file of human texts"),
    own_data.Field("mauve_other", "The other set", file_label="Or a file of the other set"),
)


def choose(a: ModelRequest, b: ModelRequest) -> dict[str, Bos]:
    """Where the two sets come from, and how models write and place texts; returns what stands in front of each."""
    source = layout.choice("Texts", _SOURCES, "mauve_source")
    with st.expander("Settings", icon=":material/tune:"):
        features = _features()
        sampling, opening = _sampling(writes=source != "sets")
        bos = reading_options.runs_opening()
    writers = list(dict.fromkeys((a, b)))
    plan = partial(mauve.plan, features, bos=bos)
    if source == "sets":
        own_data.form("mauve_sets", "Score the sets", _SETS, partial(_begin_sets, plan))
    elif source == "endings":
        continued = partial(plan, writers=writers, sampling=sampling)
        own_data.form("mauve_items", "Score the models' endings", [_ITEMS], partial(_begin_endings, continued))
    else:
        continued = partial(plan, writers=writers, sampling=sampling, opening_tokens=opening)
        own_data.form("mauve_texts", "Continue and score", [_TEXTS], partial(_begin_continued, continued))
    return {"bos": bos}


def _features() -> ModelRequest:
    with st.container(horizontal=True, vertical_alignment="bottom", key="feature_model"):
        chosen = model_picker.pick_model("features", "features_precision", "Features from", _default_features())
    st.caption(
        "A text is placed by this model's last hidden state at its last token. The authors use gpt2-large; scores from "
        "different models cannot be compared. Those of the embedded model tell scrambled or foreign texts at once, but "
        "hardly notice that a text repeats itself."
    )
    return chosen


def _default_features() -> ModelRequest:
    """The authors' model if it is on this machine, else the one that always is."""
    here = sources.availability(registry.resolve("gpt2-large")).state == "here"
    return ModelRequest("gpt2-large" if here else registry.DEFAULT_MODEL)


def _sampling(*, writes: bool) -> tuple[Sampling, int]:
    """How the models write; the defaults if nothing is written."""
    if not writes:
        return Sampling(), 12
    with st.container(horizontal=True, vertical_alignment="bottom", key="sampling"):
        temperature = st.number_input("Temperature (0 is greedy)", 0.0, 2.0, 1.0, 0.1, key="mauve_temperature")
        top_k = st.number_input("Top-k (0 is off)", 0, 1000, 0, 10, key="mauve_top_k")
        top_p = st.number_input("Top-p (1 is off)", 0.05, 1.0, 1.0, 0.05, key="mauve_top_p")
        new_tokens = st.number_input("New tokens at most", 1, 256, 48, 8, key="mauve_new")
        opening = st.number_input("Opening, tokens", 1, 128, 12, 4, key="mauve_opening")
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, 1, key="mauve_seed")
    return Sampling(float(temperature), int(top_k), float(top_p), int(new_tokens), int(seed)), int(opening)


def _begin_sets(plan: Callable[..., Plan], human: own_data.Given, other: own_data.Given) -> None:
    first, second = human.corpus(), other.corpus()
    runs.begin(plan(first.texts, other=second.texts, notes=(*first.notes, *second.notes)))


def _begin_continued(plan: Callable[..., Plan], data: own_data.Given) -> None:
    corpus = data.corpus()
    runs.begin(plan(corpus.texts, notes=corpus.notes))


def _begin_endings(plan: Callable[..., Plan], data: own_data.Given) -> None:
    found = data.items()
    whole = [f"{item.context} {item.endings[item.label]}" for item in found.items]
    runs.begin(plan(whole, openings=[item.context for item in found.items], notes=found.notes))


PANEL = Panel(
    mauve.KIND,
    (
        "No score yet",
        f"Give at least {score.LEAST_TEXTS} human texts, better {score.SOUND_TEXTS} or more: MAUVE compares two crowds "
        "of texts, and a small crowd says little.",
    ),
    choose,
    mauve_scores.of_result,
    mauve_scores.files,
)

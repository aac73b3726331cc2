"""MAUVE: human texts against a second set, or against what the two models write from the same openings."""

from collections.abc import Sequence

import streamlit as st

from engine import sources
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.mauve import score
from engine.evaluation.mauve.generation import Sampling
from engine.evaluation.mauve.run import MauveRun
from engine.evaluation.runs import plans
from engine.models import registry
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from ui import layout, messages, model_picker, reading_options
from ui.evaluation import mauve_scores, own_data, run_progress, runs

_SOURCES = {
    "continue": "Human texts, the models continue them",
    "endings": "HellaSwag: true endings and the models' own",
    "sets": "Two sets of texts",
}


def show(a: ModelRequest, b: ModelRequest) -> None:
    """Draw the panel; `a` and `b` write where models write."""
    bos = choose_data(a, b)
    run = runs.asked("mauve", (a, b), bos=bos)
    if run is None:
        layout.empty_state(
            "No score yet",
            f"Give at least {score.LEAST_TEXTS} human texts, better {score.SOUND_TEXTS} or more: MAUVE compares two "
            "crowds of texts, and a small crowd says little.",
        )
        return
    if run_progress.shown(run):
        return
    result = runs.result(run)
    if isinstance(result, MauveRun):
        mauve_scores.of_result(run, result)


def choose_data(a: ModelRequest, b: ModelRequest) -> Bos:
    """Where the two sets come from, and how models write and place texts; returns what stands in front of each."""
    source = st.segmented_control(
        "Texts",
        list(_SOURCES),
        format_func=_SOURCES.__getitem__,
        default="continue",
        required=True,
        key="mauve_source",
        persist_state="session",
        label_visibility="collapsed",
        wrap=True,
    )
    with st.expander("Settings", icon=":material/tune:"):
        features = _features()
        sampling, opening = _sampling(writes=source != "sets")
        bos = reading_options.runs_opening()
    if source == "sets":
        _two_sets(features, bos)
    elif source == "endings":
        own_data.form(
            "mauve_items",
            "HellaSwag items",
            "The official JSONL, or six lines an item.",
            "Score the models' endings",
            lambda data: _begin_endings(data, features, (a, b), sampling, bos),
        )
    else:
        own_data.form(
            "mauve_texts",
            "Human texts",
            "Paste texts, a blank line between them, or choose a file. Each is cut after its opening and continued.",
            "Continue and score",
            lambda data: _begin_continued(data, features, (a, b), sampling, opening, bos),
        )
    return bos


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
    """The authors' model where it is on this machine, else the one that always is."""
    here = sources.availability(registry.resolve("gpt2-large")).state == "here"
    return ModelRequest("gpt2-large" if here else registry.DEFAULT_MODEL)


def _sampling(*, writes: bool) -> tuple[Sampling, int]:
    """How the models write; the defaults where nothing is written."""
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


def _two_sets(features: ModelRequest, bos: Bos) -> None:
    human, other = st.columns(2, gap="medium")
    with human:
        human_text = st.text_area("Human texts, blank lines between them", height=150, key="mauve_human")
        human_file = st.file_uploader(
            "Or a file of human texts", key="mauve_human_file", max_upload_size=own_data.UPLOAD_MB
        )
    with other:
        other_text = st.text_area("The other set", height=150, key="mauve_other")
        other_file = st.file_uploader(
            "Or a file of the other set", key="mauve_other_file", max_upload_size=own_data.UPLOAD_MB
        )
    if st.button("Score the sets", type="primary", icon=":material/play_arrow:", key="mauve_sets_go"):
        own_data.keep_notes("mauve_sets", ())
        with messages.shown():
            first = own_data.of(human_text, human_file).corpus()
            second = own_data.of(other_text, other_file).corpus()
            run = plans.plan_mauve(runs.store(), features, first.texts, other=second.texts, bos=bos)
            runs.begin(run)
            own_data.keep_notes("mauve_sets", (*first.notes, *second.notes))
    own_data.show_notes("mauve_sets")


def _begin_continued(
    data: own_data.Given,
    features: ModelRequest,
    pair: tuple[ModelRequest, ModelRequest],
    sampling: Sampling,
    opening: int,
    bos: Bos,
) -> Sequence[str]:
    corpus = data.corpus()
    run = plans.plan_mauve(
        runs.store(),
        features,
        corpus.texts,
        models=_writers(pair),
        opening_tokens=opening,
        sampling=sampling,
        bos=bos,
    )
    runs.begin(run)
    return corpus.notes


def _begin_endings(
    data: own_data.Given, features: ModelRequest, pair: tuple[ModelRequest, ModelRequest], sampling: Sampling, bos: Bos
) -> Sequence[str]:
    found = data.items()
    run = plans.plan_mauve(
        runs.store(),
        features,
        [_whole(item) for item in found.items],
        models=_writers(pair),
        openings=[item.context for item in found.items],
        sampling=sampling,
        bos=bos,
    )
    runs.begin(run)
    return found.notes


def _whole(item: HellaSwagItem) -> str:
    return f"{item.context} {item.endings[item.label]}"


def _writers(pair: tuple[ModelRequest, ModelRequest]) -> list[ModelRequest]:
    return [choice for choice in dict.fromkeys(pair)]

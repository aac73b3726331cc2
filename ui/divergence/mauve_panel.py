"""MAUVE: human texts against a second set, or against what the two models write from the same openings."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from engine import registry, sources
from engine.corpus import mauve, mauve_run, plans, running
from engine.corpus.generation import Sampling
from engine.corpus.items import HellaSwagItem
from engine.corpus.mauve_run import MauveRun, MauveSet
from engine.corpus.store import Run
from ui import exports, layout, messages, sidebar
from ui.cache import ModelChoice
from ui.divergence import given, held, numbers, progress
from ui.figures import base
from ui.figures import divergence as figures
from ui.layout import Fact

_SOURCES = {
    "continue": "Human texts, the models continue them",
    "endings": "HellaSwag: true endings and the models' own",
    "sets": "Two sets of texts",
}
_CLUSTERS = 6
_TEXTS = 5


def show(a: ModelChoice, b: ModelChoice) -> None:
    """Draw the panel; `a` and `b` write where models write."""
    choose_data(a, b)
    run = held.asked("mauve", (a, b))
    if run is None:
        layout.empty_state(
            "No score yet",
            f"Give at least {mauve.LEAST_TEXTS} human texts, better {mauve.SOUND_TEXTS} or more: MAUVE compares two "
            "crowds of texts, and a small crowd says little.",
        )
        return
    if progress.shown(run):
        return
    result = held.result(run)
    if isinstance(result, MauveRun):
        of_result(run, result)


def choose_data(a: ModelChoice, b: ModelChoice) -> None:
    """Where the two sets come from, and how models write and place texts."""
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
    if source == "sets":
        _two_sets(features)
    elif source == "endings":
        given.form(
            "mauve_items",
            "HellaSwag items",
            "The official JSONL, or six lines an item.",
            "Score the models' endings",
            lambda data: _begin_endings(data, features, (a, b), sampling),
        )
    else:
        given.form(
            "mauve_texts",
            "Human texts",
            "Paste texts, a blank line between them, or choose a file. Each is cut after its opening and continued.",
            "Continue and score",
            lambda data: _begin_continued(data, features, (a, b), sampling, opening),
        )


def _features() -> ModelChoice:
    with st.container(horizontal=True, vertical_alignment="bottom", key="feature_model"):
        chosen = sidebar.pick_model("features", "features_precision", "Features from", _default_features())
    st.caption(
        "A text is placed by this model's last hidden state at its last token. The authors use gpt2-large; scores from "
        "different models cannot be compared. Those of the embedded model tell scrambled or foreign texts at once, but "
        "hardly notice that a text repeats itself."
    )
    return chosen


def _default_features() -> ModelChoice:
    """The authors' model where it is on this machine, else the one that always is."""
    here = sources.availability(registry.resolve("gpt2-large")).state == "here"
    return ModelChoice("gpt2-large" if here else registry.DEFAULT_MODEL)


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


def _two_sets(features: ModelChoice) -> None:
    human, other = st.columns(2, gap="medium")
    with human:
        human_text = st.text_area("Human texts, blank lines between them", height=150, key="mauve_human")
        human_file = st.file_uploader(
            "Or a file of human texts", key="mauve_human_file", max_upload_size=given.UPLOAD_MB
        )
    with other:
        other_text = st.text_area("The other set", height=150, key="mauve_other")
        other_file = st.file_uploader(
            "Or a file of the other set", key="mauve_other_file", max_upload_size=given.UPLOAD_MB
        )
    if st.button("Score the sets", type="primary", icon=":material/play_arrow:", key="mauve_sets_go"):
        given.keep_notes("mauve_sets", ())
        with messages.shown():
            first = given.of(human_text, human_file).corpus()
            second = given.of(other_text, other_file).corpus()
            held.begin(plans.plan_mauve(held.store(), held.wanted(features), first.texts, other=second.texts))
            given.keep_notes("mauve_sets", (*first.notes, *second.notes))
    given.show_notes("mauve_sets")


def _begin_continued(
    data: given.Given,
    features: ModelChoice,
    pair: tuple[ModelChoice, ModelChoice],
    sampling: Sampling,
    opening: int,
) -> Sequence[str]:
    corpus = data.corpus()
    run = plans.plan_mauve(
        held.store(),
        held.wanted(features),
        corpus.texts,
        models=_writers(pair),
        opening_tokens=opening,
        sampling=sampling,
    )
    held.begin(run)
    return corpus.notes


def _begin_endings(
    data: given.Given, features: ModelChoice, pair: tuple[ModelChoice, ModelChoice], sampling: Sampling
) -> Sequence[str]:
    found = data.items()
    run = plans.plan_mauve(
        held.store(),
        held.wanted(features),
        [_whole(item) for item in found.items],
        models=_writers(pair),
        openings=[item.context for item in found.items],
        sampling=sampling,
    )
    held.begin(run)
    return found.notes


def _whole(item: HellaSwagItem) -> str:
    return f"{item.context} {item.endings[item.label]}"


def _writers(pair: tuple[ModelChoice, ModelChoice]) -> list[plans.ModelWanted]:
    return [held.wanted(choice) for choice in dict.fromkeys(pair)]


def of_result(run: Run, result: MauveRun) -> None:
    """Everything about a finished run."""
    first = result.sets[0].result
    about = f"Human texts, and texts of each other set, in {first.buckets} clusters."
    texts = Fact("Texts", f"{first.texts_p:,} and {first.texts_q:,}", about)
    layout.facts([*(fact for one in result.sets for fact in _facts(one)), texts])
    wrote = f" Models wrote with {result.writing}." if result.writing else ""
    st.caption(messages.plain(f"Features from {result.feature_title}.{wrote}"))
    for note in dict.fromkeys(note for one in result.sets for note in one.result.notes):
        st.warning(messages.plain(note), icon=":material/warning:")
    shown = result.sets[0]
    if len(result.sets) > 1:
        titles = [one.title for one in result.sets]
        chosen = st.segmented_control(
            "Clusters of", titles, default=titles[0], required=True, key="mauve_set", persist_state="session"
        )
        shown = result.sets[titles.index(chosen)]
    curve, clusters = st.columns(2, gap="medium")
    with curve:
        chart = figures.mauve_curves([(one.title, one.result) for one in result.sets], theme=layout.theme())
        st.plotly_chart(chart, theme=None, key="mauve_curve", config=base.TOOLBAR, alt="MAUVE's divergence curve")
        st.caption("The line is the mean over the k-means seeds, the band lies between the outermost seeds.")
    with clusters:
        chart = figures.cluster_histogram(shown.result, theme=layout.theme())
        st.plotly_chart(chart, theme=None, key="mauve_clusters", config=base.TOOLBAR, alt="Texts in each cluster")
    _contrasts(result, shown)
    exports.menu(files(run, result))


def _facts(one: MauveSet) -> list[Fact]:
    result = one.result
    return [
        Fact(
            f"MAUVE: {one.title}",
            numbers.pair(result.score),
            f"Mean over {len(result.clusterings)} k-means seeds; ± joins their spread ({result.seed_spread:.3f}) with "
            f"a bootstrap over texts ({result.bootstrap_error:.3f}). 1: the two crowds are alike.",
        ),
        Fact(
            "Frontier integral",
            numbers.pair(result.frontier_integral),
            "Divergence along the whole curve, 0 where the crowds are alike; ± is the spread over seeds.",
        ),
    ]


def _contrasts(result: MauveRun, one: MauveSet) -> None:
    """The clusters where the sets differ most, with texts of both."""
    layout.section("Where they differ", "Clusters in which one set has many more texts than the other, with examples.")
    first = one.result.clusterings[0]
    found = mauve_run.contrasting_clusters(one.result, _CLUSTERS).tolist()
    names = {c: f"{first.p_histogram[c]:.1%} human, {first.q_histogram[c]:.1%} other" for c in found}
    cluster = st.selectbox("Cluster", found, format_func=names.__getitem__, key=f"cluster_{one.title}")
    columns = st.columns(2, gap="medium")
    sides = (("Human", result.human, first.p_labels), (one.title, one.texts, first.q_labels))
    for column, (title, texts, labels) in zip(columns, sides, strict=True):
        inside = np.flatnonzero(labels == cluster)[:_TEXTS].tolist()
        with column:
            frame = pd.DataFrame({"text": [texts[index] for index in inside]})
            setting = {"text": st.column_config.TextColumn(f"{title}: {int((labels == cluster).sum()):,} texts")}
            st.dataframe(frame, column_config=setting, hide_index=True, key=f"cluster_texts_{title}", row_height=70)


def files(run: Run, result: MauveRun) -> list[exports.Export]:
    """All texts with their clusters as JSON, and the summary."""
    stem = f"mauve-{run.id}"

    def texts() -> str:
        sets = [
            {
                "title": one.title,
                "texts": list(one.texts),
                "clusters": one.result.clusterings[0].q_labels.tolist(),
                "human_clusters": one.result.clusterings[0].p_labels.tolist(),
            }
            for one in result.sets
        ]
        return exports.json_text({"human": list(result.human), "sets": sets})

    return [
        exports.Export("Texts and clusters (JSON)", f"{stem}-texts.json", "application/json", texts),
        exports.Export(
            "Summary (JSON)", f"{stem}.json", "application/json", lambda: exports.json_text(running.described(run))
        ),
    ]

"""MAUVE's numbers, each beside what sets that are alike score, its charts, and the texts behind the clusters."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine import formatting
from engine.evaluation.mauve.halves import Measures
from engine.evaluation.mauve.result import MauveSet, MauveSets, contrasting_clusters
from engine.evaluation.mauve.score import MauveResult
from engine.evaluation.runs.store import Run
from ui import exports, layout, messages, reading_options
from ui.exports import Export
from ui.figures import evaluation as figures
from ui.layout import Fact

_CLUSTERS = 6
_TEXTS = 5
HUMAN = "Human against human"


def of_result(run: Run, result: MauveSets) -> None:
    """Everything about a finished run."""
    first = result.sets[0].result
    about = f"Human texts, and texts of each other set, in {first.buckets} clusters."
    texts = Fact("Texts", f"{first.texts_p:,} and {first.texts_q:,}", about)
    layout.facts([*facts(result), texts])
    wrote = f" Models wrote with {result.writing}." if result.writing else ""
    st.caption(messages.plain(f"Features from {result.feature_title}.{wrote} {reading_options.run_opened(run)}"))
    for note in dict.fromkeys(note for one in result.sets for note in one.result.notes):
        st.warning(messages.plain(note), icon=":material/warning:")
    _details(result)
    shown = result.sets[0]
    if len(result.sets) > 1:
        sets = {one.title: one for one in result.sets}
        shown = sets[layout.choice("Clusters of", {title: title for title in sets}, "mauve_set", named=True)]
    _charts(result, shown)
    _contrasts(result, shown)


def facts(result: MauveSets) -> list[Fact]:
    """The score of each set, each followed by what sets that are alike score unless that was shown already."""
    shown: list[Fact] = []
    for one in result.sets:
        shown.append(_score(one))
        alike = _alike(one.result)
        if alike is not None and alike not in shown:
            shown.append(alike)
    return shown


def _score(one: MauveSet) -> Fact:
    result = one.result
    low, high = result.interval
    halves = ", from halves of the texts clustered anew" if result.splits else ""
    about = (
        f"Mean over {len(result.clusterings)} k-means seeds, 95 % interval {low:.3f} to {high:.3f}. ± is the standard "
        f"deviation over new samples of as many texts{halves}. Sets that are alike score below 1 as well."
    )
    return Fact(f"MAUVE: {one.title}", formatting.with_error(result.score), about)


def _alike(result: MauveResult) -> Fact | None:
    """What half of the human texts scores against the other half, and the set at the same size."""
    found = result.reference
    if found is None:
        return None
    sizes, others = (f"{first:,} and {second:,}" for first, second in (found.texts, found.other_texts))
    at = "at this size" if found.texts == found.other_texts else f"with {others} texts"
    about = (
        f"What sets that are alike score here: half of the human texts against the other half ({sizes} texts), mean "
        f"over {result.splits} random splits; ± is the standard deviation of one such score. See Details for the "
        f"scores of the other sets {at}."
    )
    return Fact(HUMAN, formatting.with_error(found.alike.score), about)


def _details(result: MauveSets) -> None:
    """All measures of all sets as a table, with human against human beside them."""
    with st.expander("Details", icon=":material/table_rows:"):
        st.dataframe(table(result), hide_index=True, key="mauve_details")
        st.caption(
            "A set is held against human texts, whole and in halves. The halves have the size of human against human: "
            "compare these. MAUVE\\* adds half a text to each cluster, which takes off part of the dependence on the "
            "number of texts. The frontier integral is the divergence along the whole curve: the lower, the more alike."
        )


def table(result: MauveSets) -> pd.DataFrame:
    """A row per set and size, and per human reference: its three measures with their errors."""
    rows = []
    for one in result.sets:
        found, sizes = one.result, (one.result.texts_p, one.result.texts_q)
        rows.append(_row(one.title, sizes, Measures(found.score, found.mauve_star, found.frontier_integral)))
        if found.reference is not None:
            rows.append(_row(f"{one.title}, halves", found.reference.other_texts, found.reference.other))
            rows.append(_row(f"{HUMAN}, halves", found.reference.texts, found.reference.alike))
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)


def _row(name: str, sizes: tuple[int, int], found: Measures) -> dict[str, str]:
    return {
        "set": name,
        "texts": f"{sizes[0]:,} and {sizes[1]:,}",
        "MAUVE": formatting.with_error(found.score),
        "MAUVE*": formatting.with_error(found.mauve_star),
        "frontier integral": formatting.with_error(found.frontier_integral),
    }


def _charts(result: MauveSets, shown: MauveSet) -> None:
    curve, clusters = st.columns(2, gap="medium")
    with curve:
        chart = figures.mauve_curves([(one.title, one.result) for one in result.sets], theme=layout.theme())
        layout.chart(chart, "mauve_curve", "MAUVE's divergence curve")
        st.caption("The line is the mean over the k-means seeds, the band lies between the outermost seeds.")
    with clusters:
        chart = figures.cluster_histogram(shown.result, shown.title, theme=layout.theme())
        layout.chart(chart, "mauve_clusters", "Texts in each cluster")


def _contrasts(result: MauveSets, one: MauveSet) -> None:
    """The clusters where the sets differ most, with texts of both."""
    layout.section("Where they differ", "Clusters in which one set has many more texts than the other, with examples.")
    first = one.result.clusterings[0]
    found = contrasting_clusters(one.result, _CLUSTERS).tolist()
    names = {c: f"{first.p_histogram[c]:.1%} human, {first.q_histogram[c]:.1%} {one.title}" for c in found}
    cluster = st.selectbox("Cluster", found, format_func=names.__getitem__, key=f"cluster_{one.title}")
    columns = st.columns(2, gap="medium")
    sides = (("Human", result.human, first.p_labels), (one.title, one.texts, first.q_labels))
    for column, (title, texts, labels) in zip(columns, sides, strict=True):
        inside = np.flatnonzero(labels == cluster)[:_TEXTS].tolist()
        frame = pd.DataFrame({f"{title}: {int((labels == cluster).sum()):,} texts": [texts[index] for index in inside]})
        column.dataframe(frame, hide_index=True, key=f"cluster_texts_{title}", row_height=70)


def files(run: Run, result: MauveSets, stem: str) -> list[Export]:
    """All texts with their clusters as JSON."""

    def texts() -> dict[str, Any]:
        sets = [
            {
                "title": one.title,
                "texts": list(one.texts),
                "clusters": one.result.clusterings[0].q_labels.tolist(),
                "human_clusters": one.result.clusterings[0].p_labels.tolist(),
            }
            for one in result.sets
        ]
        return {"human": list(result.human), "sets": sets}

    return [exports.of_json("Texts and clusters (JSON)", f"{stem}-texts.json", texts)]

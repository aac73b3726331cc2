"""HellaSwag for two models: accuracies by three conventions, the pair on the same items, and every item."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine import export, formatting
from engine.arrays import Bools, Ints
from engine.evaluation import hellaswag
from engine.evaluation.hellaswag import HellaSwagAnswers, hub_items, paired
from engine.evaluation.hellaswag.evaluate import CONVENTIONS, Convention, HellaSwagResult
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.hellaswag.paired import Flip, PairedOutcome
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from ui import downloads, layout, messages, reading_options
from ui.evaluation import chosen_row, own_data, runs
from ui.evaluation.panel import Panel
from ui.exports import Export
from ui.figures import base
from ui.figures import evaluation as figures
from ui.layout import Fact

_OWN = own_data.Field(
    "items",
    "Items",
    "The official JSONL (activity_label, ctx_a, ctx_b, endings, label), or six lines per item: context, label, "
    "four endings.",
)
_CONVENTION_TITLES: dict[Convention, str] = {
    "acc": "Sum",
    "acc_norm": "Per character",
    "acc_bytes": "Per byte",
}
_CONVENTION_SAYS: dict[Convention, str] = {
    "acc": "acc: the ending with the largest sum of log-probabilities is chosen; short endings have it easier.",
    "acc_norm": "acc_norm: the sum is divided by the ending's characters, as published leaderboards do.",
    "acc_bytes": "by byte: the sum is divided by the ending's UTF-8 bytes, however its characters are counted.",
}
_GROUPS: dict[str, Callable[[Bools, Bools, Bools], Bools]] = {
    "Only the base right": lambda a, b, changed: a & ~b,
    "Only the candidate right": lambda a, b, changed: b & ~a,
    "Both right": lambda a, b, changed: a & b,
    "Both wrong": lambda a, b, changed: ~a & ~b,
    "Both wrong, by other endings": lambda a, b, changed: ~a & ~b & changed,
}
"""Items by which model is right and by whether the two choose other endings, each an array (n,)."""
_ALL = "All items"


def choose(a: ModelRequest, b: ModelRequest) -> dict[str, Bos]:
    """Our own items, the hub's, or a file; returns what stands in front of each question."""
    titles = {
        "example": f"Example: {len(runs.own_items())} questions",
        "hub": "HellaSwag from the hub",
        "own": ":material/edit: Your own file",
    }
    with st.container(horizontal=True, vertical_alignment="center", key="items_choice"):
        chosen = layout.choice("Questions", titles, "items")
        limit = 0
        if chosen != "example":
            limit = st.number_input(
                "Items at most", min_value=1, value=400, step=100, key="items_limit", persist_state="session"
            )
        with st.popover("Options", icon=":material/tune:", key="items_options"):
            bos = reading_options.runs_opening()
        if chosen != "own" and st.button("Evaluate", type="primary", icon=":material/play_arrow:", key="evaluate"):
            with messages.shown():
                runs.begin(example(a, b, bos) if chosen == "example" else _plan(a, b, _from_hub()[:limit], bos))
    if chosen == "own":
        own_data.form("items", "Evaluate these items", [_OWN], lambda data: _begin_own(a, b, data, limit, bos))
    return {"bos": bos}


def _from_hub() -> tuple[HellaSwagItem, ...]:
    return downloads.fetched("hellaswag", hub_items.fetch_items_steps)


def _begin_own(a: ModelRequest, b: ModelRequest, data: own_data.Given, limit: int, bos: Bos) -> None:
    found = data.items()
    runs.begin(_plan(a, b, found.items[:limit], bos, found.notes))


def example(a: ModelRequest, b: ModelRequest, bos: Bos = "auto") -> Plan:
    """The run on our own questions."""
    return _plan(a, b, runs.own_items(), bos)


def _plan(
    a: ModelRequest, b: ModelRequest, items: Sequence[HellaSwagItem], bos: Bos, notes: Sequence[str] = ()
) -> Plan:
    return hellaswag.plan(list(dict.fromkeys((a, b))), items, bos=bos, notes=notes)


def of_result(run: Run, result: HellaSwagAnswers) -> None:
    """Everything about a finished run."""
    about = "How an ending's log-probability becomes a choice. It changes the number: say which you use."
    convention = layout.choice(
        "Convention", _CONVENTION_TITLES, "convention", default="acc_norm", named=True, about=about
    )
    st.caption(messages.plain(f"{_CONVENTION_SAYS[convention]} {reading_options.run_opened(run)}"))
    layout.facts(_facts(result, convention))
    for note in notes(result):
        st.warning(messages.plain(note), icon=":material/warning:")
    if len(result.items) < 100:
        st.caption(
            f"{len(result.items)} questions give a standard error of about {50 / np.sqrt(len(result.items)):.0f} "
            "percentage points: enough to see how it works, not to judge a model."
        )
    if len(result.results) == 2:
        _pair(result, convention)
    _items(run, result, convention)


def notes(result: HellaSwagAnswers) -> list[str]:
    """What a reader of the numbers should see: each sentence once, with its model's name if it is not of both."""
    said = [(note, one.model_title) for one in result.results for note in one.notes]
    both = {note for note, _ in said if sum(note == other for other, _ in said) == len(result.results)}
    return list(dict.fromkeys(note if note in both else f"{title}: {note}" for note, title in said))


def _facts(result: HellaSwagAnswers, convention: Convention) -> list[Fact]:
    shown = [
        Fact(
            f"{role}: {one.model_title}",
            formatting.with_error(one.accuracy(convention), percent=True),
            f"Share of {len(one):,} items answered right, with its standard error; 95 % interval "
            f"{formatting.interval(*one.accuracy(convention).interval(), percent=True)}. Chance is 25 %.",
        )
        for role, one in zip(("Base", "Candidate"), result.results, strict=False)
    ]
    for role, one in zip(("base", "candidate"), result.results, strict=False):
        rate = len(one) / one.seconds if one.seconds else float("nan")
        shown.append(Fact(f"Speed, {role}", f"{rate:.2f} items/s", "Items per second, waiting not counted."))
    return shown


def _pair(result: HellaSwagAnswers, convention: Convention) -> None:
    outcome = outcome_of(result, convention)
    bar, facts = st.columns([3, 2], gap="large", vertical_alignment="center")
    with bar:
        chart = figures.paired_outcomes(outcome, ("base", "candidate"), theme=layout.theme())
        st.plotly_chart(chart, theme=None, key="paired", config=base.TOOLBAR, alt="Items by which model is right")
    with facts:
        st.metric(
            "Candidate minus base",
            f"{100 * outcome.difference:+.1f} points",
            help="Difference of the accuracies on the same questions.",
        )
        for sentence in sentences(outcome):
            st.caption(sentence)


def sentences(outcome: PairedOutcome) -> list[str]:
    """How sure the difference is, what flipped, and what McNemar's test does and does not say."""
    low, high = outcome.interval
    differing = outcome.only_a + outcome.only_b
    said = [f"95 % interval {100 * low:+.1f} to {100 * high:+.1f} points (Tango's score interval for pairs)."]
    if not differing:
        unseen = paired.largest_share_unseen(outcome.items)
        said.append(
            f"No question differs; with {outcome.items:,} questions up to {formatting.share(unseen)} of all such "
            "questions could (95 %)."
        )
    flips = [("Right to wrong", outcome.harmful), ("wrong to right", outcome.beneficial)]
    if outcome.churn is not None:
        flips.append(("wrong to another wrong ending", outcome.churn))
    said.append(f"{'; '.join(_flip(name, flip) for name, flip in flips)} (95 % intervals by Wilson).")
    said.append(
        f"McNemar's exact test: p = {outcome.p_value:.3g}, from {formatting.counted(differing, 'question')} "
        "that only one of the two has right. "
        "A large p does not show that they are equal; the interval says how far apart they may be."
    )
    return said


def _flip(name: str, flip: Flip) -> str:
    low, high = flip.interval
    ends = f"{formatting.share(low).removesuffix(' %')} to {formatting.share(high)}"
    return f"{name} {flip.count:,} ({formatting.share(flip.share)}, {ends})"


def outcome_of(result: HellaSwagAnswers, convention: Convention) -> PairedOutcome:
    """The two models on the same items."""
    a, b = result.results
    return paired.compare_outcomes(
        a.right(convention), b.right(convention), choices_a=a.choices(convention), choices_b=b.choices(convention)
    )


def _items(run: Run, result: HellaSwagAnswers, convention: Convention) -> None:
    layout.section("Items", "Select one to see its four endings, their scores and probabilities.")
    chosen, which = np.arange(len(result.items)), _ALL
    if len(result.results) == 2:
        which = st.selectbox("Show", [_ALL, *_GROUPS], key="which_items", label_visibility="collapsed")
    if which in _GROUPS:
        a, b = result.results
        changed = a.choices(convention) != b.choices(convention)
        chosen = np.flatnonzero(_GROUPS[which](a.right(convention), b.right(convention), changed))
    if not chosen.size:
        layout.empty_state("No such item", "Choose another group above.")
        return
    height, key = min(300, 38 + 35 * len(chosen)), f"items_{run.id}_{convention}_{which}"
    row = chosen_row.chosen_row(_items_frame(result, convention, chosen), _ITEM_COLUMNS, key, height)
    _item(result, int(chosen[row]), convention)


_ITEM_COLUMNS: dict[str, Any] = {
    "number": st.column_config.NumberColumn("Item", format="localized", width=60),
    "context": st.column_config.TextColumn("Context", width=620),
    "true": st.column_config.NumberColumn("True", width=60),
    "base": st.column_config.TextColumn("Base", width=70),
    "candidate": st.column_config.TextColumn("Candidate", width=85),
}


def _items_frame(result: HellaSwagAnswers, convention: Convention, chosen: Ints) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "number": chosen + 1,
            "context": [result.items[index].context for index in chosen.tolist()],
            "true": [result.items[index].label + 1 for index in chosen.tolist()],
        }
    )
    for role, one in zip(("base", "candidate"), result.results, strict=False):
        choices, right = one.choices(convention)[chosen], one.right(convention)[chosen]
        frame[role] = [f"{'✓' if r else '✗'} {c + 1}" for c, r in zip(choices.tolist(), right.tolist(), strict=True)]
    return frame


def _item(result: HellaSwagAnswers, index: int, convention: Convention) -> None:
    item = result.items[index]
    st.text(item.context)
    text, chart = st.columns([3, 2], gap="medium")
    with text:
        frame = _endings_frame(result, index, convention)
        st.dataframe(frame, column_config=_ENDING_COLUMNS, hide_index=True, row_height=58, key="endings_table")
    with chart:
        probabilities = [
            (role, one.probabilities[index]) for role, one in zip(("Base", "Candidate"), result.results, strict=False)
        ]
        figure = figures.ending_probabilities(probabilities, item.label, theme=layout.theme())
        st.plotly_chart(figure, theme=None, key="endings", config=base.TOOLBAR, alt="Probability of each ending")


_ENDING_COLUMNS: dict[str, Any] = {
    "true": st.column_config.TextColumn("", width=55),
    "ending": st.column_config.TextColumn("Ending", width=330),
    "base": st.column_config.NumberColumn("Base", format="%.3f", width=80),
    "candidate": st.column_config.NumberColumn("Candidate", format="%.3f", width=85),
}


def _endings_frame(result: HellaSwagAnswers, index: int, convention: Convention) -> pd.DataFrame:
    item = result.items[index]
    frame = pd.DataFrame(
        {"true": ["true" if n == item.label else str(n + 1) for n in range(4)], "ending": list(item.endings)}
    )
    for role, one in zip(("base", "candidate"), result.results, strict=False):
        frame[role] = one.normalised(convention)[index]
    return frame


def files(run: Run, result: HellaSwagAnswers, stem: str) -> list[Export]:
    """Items as CSV."""
    return [Export("Items (CSV)", f"{stem}.csv", "text/csv", lambda: _csv(result))]


def _csv(result: HellaSwagAnswers) -> str:
    columns: dict[str, Sequence[object]] = {
        "context": [item.context for item in result.items],
        "label": [item.label for item in result.items],
    }
    for number, one in enumerate(result.results, start=1):
        columns |= _model_columns(f"model{number}", one)
    return export.csv_text(columns)


def _model_columns(name: str, one: HellaSwagResult) -> dict[str, Sequence[object]]:
    sums = {f"{name}_ending{n}_log_likelihood_nats": one.log_likelihoods[:, n].tolist() for n in range(4)}
    return {**sums, **{f"{name}_{convention}_choice": one.choices(convention).tolist() for convention in CONVENTIONS}}


PANEL = Panel(
    hellaswag.KIND,
    ("Not evaluated yet", "Press Evaluate above to put the questions to this pair."),
    choose,
    of_result,
    files,
    example,
)

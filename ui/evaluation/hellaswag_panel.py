"""HellaSwag for two models: accuracies by three conventions, the pair on the same items, and every item."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from engine import export, formatting
from engine.arrays import Bools, Ints
from engine.evaluation import hellaswag
from engine.evaluation.hellaswag import HellaSwagAnswers, hub_items, paired
from engine.evaluation.hellaswag.evaluate import CONVENTIONS, Convention
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.hellaswag.paired import Flip, PairedOutcome
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from ui import downloads, layout, messages, reading_options, tables
from ui.evaluation import own_data, runs
from ui.evaluation.panel import Panel
from ui.exports import Export
from ui.figures import evaluation as figures
from ui.layout import Fact

_OWN = own_data.Field(
    "items",
    "Items",
    "The official JSONL (activity_label, ctx_a, ctx_b, endings, label), or six lines per item: context, label, "
    "four endings.",
)
_CONVENTION_TITLES: dict[Convention, str] = {"acc": "Sum", "acc_norm": "Per character", "acc_bytes": "Per byte"}
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
_ROLES = {"Base": 70, "Candidate": 85}
"""The two models, with the width of their columns."""


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
            limit = st.number_input("Items at most", 1, None, 400, 100, key="items_limit", persist_state="session")
        with st.popover("Options", icon=":material/tune:", key="items_options"):
            bos = reading_options.runs_opening()
        if chosen != "own" and st.button("Evaluate", type="primary", icon=":material/play_arrow:", key="evaluate"):
            with messages.shown():
                items = runs.own_items() if chosen == "example" else _from_hub(limit)
                runs.begin(_plan(a, b, items, bos))
    if chosen == "own":
        own_data.form("items", "Evaluate these items", [_OWN], lambda data: _begin_own(a, b, data, limit, bos))
    return {"bos": bos}


def _from_hub(limit: int) -> tuple[HellaSwagItem, ...]:
    return downloads.fetched("hellaswag", hub_items.fetch_items_steps)[:limit]


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
    right, speed = [], []
    for role, one in zip(_ROLES, result.results, strict=False):
        accuracy = one.accuracy(convention)
        about = (
            f"Share of {len(one):,} items answered right, with its standard error; 95 % interval "
            f"{formatting.interval(*accuracy.interval(), percent=True)}. Chance is 25 %."
        )
        right.append(Fact(f"{role}: {one.model_title}", formatting.with_error(accuracy, percent=True), about))
        rate = len(one) / one.seconds if one.seconds else float("nan")
        speed.append(Fact(f"Speed, {role.lower()}", f"{rate:.2f} items/s", "Items per second, waiting not counted."))
    return [*right, *speed]


def _pair(result: HellaSwagAnswers, convention: Convention) -> None:
    outcome = outcome_of(result, convention)
    bar, facts = st.columns([3, 2], gap="large", vertical_alignment="center")
    with bar:
        chart = figures.paired_outcomes(outcome, ("base", "candidate"), theme=layout.theme())
        layout.chart(chart, "paired", "Items by which model is right")
    with facts:
        difference, about = (
            f"{100 * outcome.difference:+.1f} points",
            "Difference of the accuracies on the same questions.",
        )
        st.metric("Candidate minus base", difference, help=about)
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
    key = f"items_{run.id}_{convention}_{which}"
    row = tables.chosen_row(_list(result, convention, chosen), key, tables.height_of(len(chosen), 300))
    _item(result, int(chosen[row]), convention)


def _list(result: HellaSwagAnswers, convention: Convention, chosen: Ints) -> tables.Table:
    """The `chosen` items (n,), with each model's ending and whether it is right."""
    items = [result.items[index] for index in chosen.tolist()]
    columns = {
        "number": tables.number(chosen + 1, "Item", width=60),
        "context": tables.text([item.context for item in items], "Context", width=620),
        "true": tables.number([item.label + 1 for item in items], "True", None, width=60),
    }
    for (role, width), one in zip(_ROLES.items(), result.results, strict=False):
        choices, right = one.choices(convention)[chosen].tolist(), one.right(convention)[chosen].tolist()
        shown = [f"{'✓' if r else '✗'} {c + 1}" for c, r in zip(choices, right, strict=True)]
        columns[role] = tables.text(shown, role, width=width)
    return tables.of_columns(columns)


def _item(result: HellaSwagAnswers, index: int, convention: Convention) -> None:
    item = result.items[index]
    st.text(item.context)
    text, chart = st.columns([3, 2], gap="medium")
    with text:
        frame, columns = _endings(result, index, convention)
        st.dataframe(frame, column_config=columns, hide_index=True, row_height=58, key="endings_table")
    with chart:
        probabilities = [(role, one.probabilities[index]) for role, one in zip(_ROLES, result.results, strict=False)]
        figure = figures.ending_probabilities(probabilities, item.label, theme=layout.theme())
        layout.chart(figure, "endings", "Probability of each ending")


def _endings(result: HellaSwagAnswers, index: int, convention: Convention) -> tables.Table:
    item = result.items[index]
    columns = {
        "true": tables.text(["true" if n == item.label else str(n + 1) for n in range(4)], "", width=55),
        "ending": tables.text(list(item.endings), "Ending", width=330),
    }
    for role, width, one in zip(_ROLES, (80, 85), result.results, strict=False):
        columns[role] = tables.number(one.normalised(convention)[index], role, "%.3f", width=width)
    return tables.of_columns(columns)


def files(run: Run, result: HellaSwagAnswers, stem: str) -> list[Export]:
    """Items as CSV."""
    return [Export("Items (CSV)", f"{stem}.csv", lambda: _csv(result))]


def _csv(result: HellaSwagAnswers) -> str:
    columns: dict[str, Sequence[object]] = {
        "context": [item.context for item in result.items],
        "label": [item.label for item in result.items],
    }
    for at, one in enumerate(result.results, start=1):
        columns |= {f"model{at}_ending{n}_log_likelihood_nats": one.log_likelihoods[:, n].tolist() for n in range(4)}
        columns |= {f"model{at}_{convention}_choice": one.choices(convention).tolist() for convention in CONVENTIONS}
    return export.csv_text(columns)


PANEL = Panel(
    hellaswag.KIND,
    ("Not evaluated yet", "Press Evaluate above to put the questions to this pair."),
    choose,
    of_result,
    files,
    example,
)

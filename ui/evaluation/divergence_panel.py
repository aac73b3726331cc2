"""KL over a corpus: what to compare on, the table whose every number opens, and the tokens behind it."""

from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine import export, formatting
from engine.arrays import Ints
from engine.evaluation import divergence
from engine.evaluation.corpora.forms import FORMS, Form
from engine.evaluation.divergence import evaluate
from engine.evaluation.divergence.result import CorpusDivergence, comparison_of
from engine.evaluation.estimates import Estimate
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run
from engine.evaluation.statistics import DivergenceStatistics
from engine.models.request import ModelRequest
from engine.scoring.results import ModelComparison
from engine.strip import payload as strip_data
from ui import layout, messages, reading_options, signs, strip, tables
from ui.evaluation import divergence_numbers, own_data, runs
from ui.evaluation.panel import Panel
from ui.exports import Export
from ui.figures import evaluation as figures
from ui.layout import Fact
from ui.reading_options import CorpusReading

_FORM_TITLES: dict[Form, str] = {
    "auto": "Detect automatically",
    "whole": "One text",
    "paragraphs": "At blank lines",
    "lines": "One text per line",
    "jsonl": "JSON lines with a 'text'",
    "json": "JSON: a list of texts",
    "csv": "CSV or TSV with a 'text' column",
}
_HINT = "Paste texts, a blank line between them. A file may be plain text, JSON, CSV or Parquet."
_OWN = own_data.Field("corpus", "Your texts", _HINT)
_CONTEXT = 48


def choose(a: ModelRequest, b: ModelRequest) -> CorpusReading:
    """The example corpus, or one's own; returns how the texts are read."""
    with st.container(horizontal=True, vertical_alignment="center", key="corpus_choice"):
        titles = {"example": "Example corpus: 8 texts", "own": ":material/edit: Your own corpus"}
        chosen = layout.choice("Corpus", titles, "corpus")
        how = reading_options.corpus_options()
        if chosen == "example" and st.button("Compare", type="primary", icon=":material/play_arrow:", key="compare"):
            with messages.shown():
                runs.begin(example(a, b, **how))
    if chosen == "own":
        form = st.selectbox("Split texts by", FORMS, format_func=_FORM_TITLES.__getitem__, key="corpus_form")

        def use(data: own_data.Given) -> None:
            runs.begin(divergence.plan(a, b, data.corpus(form), **how))

        own_data.form("corpus", "Compare on this corpus", [_OWN], use)
    return how


def example(a: ModelRequest, b: ModelRequest, **how: Unpack[CorpusReading]) -> Plan:
    """The run on our own corpus."""
    return divergence.plan(a, b, runs.own_corpus(), **how)


def of_result(run: Run, result: CorpusDivergence) -> None:
    """Everything about a finished run."""
    said = f"{result.candidate_title} (candidate) against {result.base_title} (base). {reading_options.run_opened(run)}"
    st.caption(messages.plain(said))
    facts(result)
    for note in result.notes:
        st.warning(messages.plain(note), icon=":material/warning:")
    if result.kl_undefined_reason is not None:
        st.info(messages.plain(result.kl_undefined_reason), icon=":material/difference:")
    if np.unique(result.texts).size > 1:
        st.caption(
            "Each text is read alone, without those before it. The same words split into paragraphs have a higher "
            "perplexity than as one text, which is how most published figures read them."
        )
    opened(run, result)


def facts(result: CorpusDivergence) -> None:
    """The numbers a decision hangs on."""
    table = result.statistics
    bits = Fact(
        "Bits per byte",
        f"{result.bits_per_byte_base.value:.3f} → {result.bits_per_byte_candidate.value:.3f}",
        "Base, then candidate: bits each needs for a byte of the corpus, over the same bytes, so that models with "
        f"other tokenizers can be compared. Difference {formatting.with_error(result.bits_per_byte_difference)}. "
        + divergence_numbers.rests_on(result.bits_per_byte_difference),
    )
    tokens = Fact("Tokens", f"{len(result):,}", "Tokens (or common spans) that both models predict.")
    layout.facts([*(_without_kl(bits, result) if table is None else [*_table_facts(table), bits]), tokens])


def _table_facts(table: DivergenceStatistics) -> list[Fact]:
    """The four headline numbers, each with the error over texts."""

    def fact(label: str, estimate: Estimate, says: str, *, percent: bool = False) -> Fact:
        about = f"{says} {divergence_numbers.rests_on(estimate, percent=percent)}".rstrip()
        return Fact(label, formatting.with_error(estimate, percent=percent), about)

    return [
        fact("Mean KL", table.kl, "Nats lost per token when the candidate stands in for the base."),
        fact("Perplexity ratio", table.perplexity.ratio, "Candidate over base; 1 is no loss."),
        fact("Same first guess", table.same_top1, "Both put the same token first; ties count in part.", percent=True),
        fact(
            "RMS Δp",
            table.delta_p_rms,
            "Root mean square of the change of the token's probability; a few tokens make most of it.",
            percent=True,
        ),
    ]


def _without_kl(bits: Fact, result: CorpusDivergence) -> list[Fact]:
    """With two tokenizers: the correlation of the finest common spans as they are, and per character."""
    return [
        bits,
        Fact("KL", "not defined", str(result.kl_undefined_reason)),
        Fact(
            "Pearson",
            f"{result.pearson:.4f}",
            "Correlation of the log-probabilities of the finest common spans of text. Spans differ in length, and "
            "length alone correlates them.",
        ),
        Fact(
            "Pearson per character",
            f"{result.pearson_per_character:.4f}",
            "The same with each log-probability divided by the span's characters.",
        ),
    ]


def opened(run: Run, result: CorpusDivergence) -> None:
    """The table of numbers, and what the chosen one opens to."""
    listed = divergence_numbers.lines(result)
    left, right = st.columns([4, 3], gap="medium")
    with left:
        layout.section("Every number", "Select a line: the tokens behind it open below.")
        # Open at first: the 99 % of KL, where damage shows, or the first line.
        first = next((place for place, number in enumerate(listed) if number.label == "99.0% KL"), 0)
        number = listed[tables.chosen_row(_numbers(listed), f"numbers_{run.id}", 474, default=first)]
        st.caption(how_sure(result))
    with right:
        _charts(result, number)
    behind(run, result, number)


def how_sure(result: CorpusDivergence) -> str:
    """What the columns of errors mean, and how much less the tokens tell than independent ones would."""
    texts = np.unique(result.texts).size
    basis = result.kl_basis or "the whole vocabulary"
    said = f"KL sums {basis} in float32. ± by token takes tokens as independent, as llama.cpp prints it: "
    if texts < 2:
        return f"{said}too small, and with one text there is nothing better."
    said += (
        f"for comparison with published figures. Trust ± by text: it takes only the {texts:,} texts as independent, "
        "and the 95 % interval goes with it (Student's t; for the ratio, the difference of perplexities, RMS Δp and "
        "percentiles whole texts are drawn again)."
    )
    kl = None if result.statistics is None else result.statistics.kl
    if kl is not None and kl.design_effect > 1:
        said += (
            f" Mean KL: design effect {kl.design_effect:.1f}, so {len(result):,} tokens tell as much as "
            f"{kl.effective_tokens:,.0f} independent ones."
        )
    return said


def behind(run: Run, result: CorpusDivergence, number: divergence_numbers.Number) -> None:
    """The tokens that a number speaks of, and one of them in its text."""
    about = f"The {number.about}. Select one to see it in its text; there, A is the base and B the candidate."
    layout.section(number.label, about)
    indices = number.opens()
    if not indices.size:
        layout.empty_state("No token", "Both models agree here everywhere.")
        return
    key, height = f"tokens_{run.id}_{number.label}", tables.height_of(len(indices), 320)
    where, value = number.mark or ("", 0.0)
    values = {"kl": result.kl, "delta": result.delta_p}.get(where)
    nearest = 0 if values is None else int(np.abs(values[indices] - value).argmin())
    row = tables.chosen_row(_tokens(run, result, indices), key, height, default=nearest)
    _in_text(run, result, int(indices[row]))


def _charts(result: CorpusDivergence, number: divergence_numbers.Number) -> None:
    where, value = number.mark or ("", None)
    if result.kl is not None:
        chart = figures.kl_histogram(result.kl, theme=layout.theme(), marked=value if where == "kl" else None)
        layout.chart(chart, "kl_histogram", "How many tokens have which KL")
    chart = figures.delta_histogram(result.delta_p, theme=layout.theme(), marked=value if where == "delta" else None)
    layout.chart(chart, "delta_histogram", "How probabilities changed")


def _numbers(listed: list[divergence_numbers.Number]) -> tables.Table:
    by_text, by_token = "Standard error with texts as the unit", "As llama.cpp prints it; too small"
    return tables.of_columns(
        {
            "number": tables.text([one.label for one in listed], "Number", width=170),
            "value": tables.text([one.value for one in listed], "Value", width=62),
            "by_text": tables.text([one.by_text for one in listed], "± by text", width=70, help=by_text),
            "interval": tables.text([one.interval for one in listed], "95 % interval", width=112, help="Over texts"),
            "by_token": tables.text([one.by_token for one in listed], "± by token", width=76, help=by_token),
        }
    )


def _tokens(run: Run, result: CorpusDivergence, indices: Ints) -> tables.Table:
    places = [_place(run, result, int(index)) for index in indices]
    before = [signs.with_signs(f"… {before[-_CONTEXT:]}", spaces=False) for before, _ in places]
    p_base, p_candidate = np.exp(result.base[indices]), np.exp(result.candidate[indices])
    kl = {} if result.kl is None else {"kl": tables.number(result.kl[indices], "KL (nats)", "%.4f")}
    return tables.of_columns(
        {
            "before": tables.text(before, "Before", width="medium"),
            "token": tables.text([f"‹{token}›" for _, token in places], "Token"),
            **kl,
            "p_base": tables.number(p_base, "p, base", "percent"),
            "p_candidate": tables.number(p_candidate, "p, candidate", "percent"),
            "delta": tables.number(p_candidate - p_base, "Δp", "percent"),
            "text": tables.number(result.texts[indices] + 1, "Text"),
        }
    )


def _place(run: Run, result: CorpusDivergence, index: int) -> tuple[str, str]:
    """Text before a token, and the token."""
    comparison = _comparison(run.id, int(result.pieces[index]))
    place = int(result.places[index])
    start, stop = comparison.spans[place].tolist()
    token = comparison.a.tokens[place] if comparison.shared_vocabulary else comparison.a.text[start:stop]
    return comparison.a.text[:start], token


def _in_text(run: Run, result: CorpusDivergence, index: int) -> None:
    """The token's text as a strip, the token pinned."""
    piece = int(result.pieces[index])
    strip.token_strip(
        strip_data.comparison_payload(_comparison(run.id, piece)),
        key=f"corpus_strip_{run.id}_{piece}",
        height=320,
        selected=int(result.places[index]),
        highlight=[int(result.places[index])],
        default_view={"colour": "kl" if result.kl is not None else "difference"},
        report=False,
        url_prefix=None,
    )


@st.cache_resource(show_spinner=False, max_entries=64)
def _comparison(run_id: str, piece: int) -> ModelComparison:
    batch = runs.store().batch(run_id, evaluate.STAGE, piece)
    if batch is None:
        raise RuntimeError(f"piece {piece} of run {run_id} is not in the store")
    return comparison_of(batch, runs.inputs(run_id))


def files(run: Run, result: CorpusDivergence, stem: str) -> list[Export]:
    """The table as Markdown, the tokens as CSV."""
    said = reading_options.run_opened(run)
    openings = {role: "".join(run.models[role].get("opening_tokens", ())) for role in divergence.ROLES}
    return [
        Export("Table (Markdown)", f"{stem}.md", lambda: _markdown(result, said)),
        Export("Tokens (CSV)", f"{stem}.csv", lambda: _csv(result, openings)),
    ]


def _markdown(result: CorpusDivergence, opened: str) -> str:
    head = f"{result.candidate_title} against {result.base_title}\n\n"
    head += "| number | value | ± by text | 95 % interval | ± by token |\n|---|---|---|---|---|\n"
    rows = (
        f"| {n.label} | {n.value} | {n.by_text} | {n.interval} | {n.by_token} |\n"
        for n in divergence_numbers.lines(result)
    )
    notes = [how_sure(result), *filter(None, [opened]), *result.notes]
    return head + "".join(rows) + "".join(f"\n{note}\n" for note in notes)


def _csv(result: CorpusDivergence, openings: Mapping[str, str]) -> str:
    """A row per token; each says what stood in front of its text for either model."""
    columns: dict[str, Sequence[object] | NDArray[np.generic]] = {"text": result.texts}
    columns |= {f"opening_{role}": [opening] * len(result) for role, opening in openings.items()}
    columns |= {"log_prob_base_nats": result.base, "log_prob_candidate_nats": result.candidate}
    if result.kl is not None and result.same_top1 is not None:
        columns |= {"kl_nats": result.kl, "same_top1": result.same_top1}
    return export.csv_text(columns)


PANEL = Panel(
    divergence.KIND,
    ("Not compared yet", "Press Compare above to set this pair side by side."),
    choose,
    of_result,
    files,
    example,
)

"""Small against large at a glance: one row a measure, both models, each with its uncertainty, out of kept runs."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from engine import export, formatting
from engine.evaluation import statistics
from engine.evaluation.mauve import run as mauve_run
from engine.evaluation.runs.plans import opening_note
from engine.evaluation.runs.store import Run
from engine.evaluation.statistics import Estimate
from engine.models.request import ModelRequest

ERRORS = (
    "± is one standard error: over a corpus's texts (over its tokens if it is one text), and over questions for "
    "HellaSwag."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of both models. None where nothing was measured; `better` is 'lower', 'higher' or ''."""

    measure: str
    unit: str
    better: str
    base: Estimate | None
    candidate: Estimate | None
    basis: str
    """What it was measured on, for a person."""
    run_id: str | None
    units: str = "tokens"
    """What the errors take as independent where they are not by text."""

    def error_over(self, estimate: Estimate | None) -> str:
        """What the stated error of `estimate` takes as independent; empty where it has none."""
        if estimate is None or not np.isfinite(estimate.standard_error):
            return ""
        return "texts" if estimate.by_text else self.units


def rows(base: ModelRequest, candidate: ModelRequest, runs: Sequence[Run]) -> tuple[Row, ...]:
    """The table of a pair from `runs`, newest first: of each kind the newest finished one with this pair counts."""
    divergence = _newest(runs, "divergence", [base, candidate])
    hellaswag = _newest(runs, "hellaswag", [base, candidate])
    mauve = _newest(runs, "mauve", [base, candidate])
    return (*_divergence_rows(divergence), *_hellaswag_rows(hellaswag), _mauve_row(mauve), *_cost_rows(divergence))


def models_of(run: Run) -> list[ModelRequest]:
    """The models a run judges, base first; none for two given sets of texts."""
    if run.kind == "divergence":
        return [ModelRequest.read(run.settings[role]) for role in ("base", "candidate")]
    return [ModelRequest.read(listed) for listed in run.settings["models"]]


def _newest(runs: Sequence[Run], kind: str, pair: list[ModelRequest]) -> Run | None:
    return next((run for run in runs if run.kind == kind and run.finished and models_of(run) == pair), None)


def _divergence_rows(run: Run | None) -> list[Row]:
    found = {} if run is None else run.summary
    run_id = None if run is None else run.id
    table = found.get("statistics") or {}
    kl = _by_text(table.get("kl"), table)
    bits = [_by_text(found.get(f"bits_per_byte_{role}"), table) for role in ("base", "candidate")]
    perplexity = [_by_text(found.get(f"perplexity_{role}"), table) for role in ("base", "candidate")]
    texts = max((one.texts for one in perplexity if one is not None), default=0)
    basis = "" if run is None else f"{_basis(found['tokens'], texts)}, {opening_note(run.settings)}"
    better = "lower" if found.get("shared_vocabulary", True) else ""
    about = found.get("kl_undefined_reason") or basis
    return [
        Row("Perplexity", "", better, perplexity[0], perplexity[1], basis, run_id),
        Row("Bits per byte", "bits", "lower", bits[0], bits[1], basis, run_id),
        Row("KL to the base", "nats", "lower", Estimate(0.0) if kl else None, kl, about, run_id),
    ]


def _by_text(kept: dict[str, Any] | None, table: dict[str, Any]) -> Estimate | None:
    """A kept estimate; in runs of earlier versions the number of texts is only in the table."""
    found = _estimate(kept)
    return found if found is None or found.texts else replace(found, texts=table.get("texts", 0))


def _basis(tokens: int, texts: int) -> str:
    """What a corpus was; of one text, or of a number not known, it says so."""
    if texts == 1:
        return f"{tokens:,} tokens of one text, taken as independent"
    return f"{tokens:,} tokens of {texts:,} texts" if texts else f"{tokens:,} tokens"


def _hellaswag_rows(run: Run | None) -> list[Row]:
    models: list[dict[str, Any]] = [] if run is None else run.summary["models"]
    basis = f"{models[0]['items']:,} items, {opening_note(run.settings)}" if run is not None and models else ""
    return [
        Row(
            f"HellaSwag, {convention}",
            "share",
            "higher",
            _estimate(models[0][convention]) if models else None,
            _estimate(models[-1][convention]) if models else None,
            basis,
            None if run is None else run.id,
            "questions",
        )
        for convention in ("acc", "acc_norm")
    ]


def _mauve_row(run: Run | None) -> Row:
    if run is None:
        return Row("MAUVE", "", "higher", None, None, "", None)
    scores = [_estimate(one["score"]) for one in run.summary["sets"]]
    basis = f"{run.summary['texts']:,} texts, {run.summary['writing']}, {opening_note(run.settings)}"
    basis += mauve_run.reference_text(run.summary)
    return Row("MAUVE", "", "higher", scores[0], scores[-1], basis, run.id, "texts")


def _cost_rows(run: Run | None) -> list[Row]:
    speed: list[Estimate | None] = [None, None]
    memory: list[Estimate | None] = [None, None]
    where = ""
    if run is not None:
        base, candidate = run.models["base"], run.models["candidate"]
        found = run.summary
        speed = [_rate(found[f"tokens_{role}"], found[f"seconds_{role}"]) for role in ("base", "candidate")]
        memory = [Estimate(model["memory_bytes"] / 1e9) for model in (base, candidate)]
        where = f"on {base['device']}, one text at a time"
    run_id = None if run is None else run.id
    return [
        Row("Speed", "tokens/s", "higher", speed[0], speed[1], where, run_id),
        Row("Memory", "GB", "lower", memory[0], memory[1], "weights" if run else "", run_id),
    ]


def _rate(tokens: int, seconds: float) -> Estimate | None:
    return Estimate(tokens / seconds) if seconds else None


def _estimate(value: dict[str, Any] | None) -> Estimate | None:
    if value is None or value["value"] is None:
        return None
    known = [field.name for field in fields(Estimate) if field.name in value]
    read: dict[str, Any] = {name: np.nan if value[name] is None else value[name] for name in known}
    return Estimate(**read)


def few_texts_note(table: Sequence[Row]) -> str | None:
    """A sentence on errors over fewer texts than they need; None where there are enough or nothing was measured."""
    found = [one.texts for row in table for one in (row.base, row.candidate) if one is not None and one.texts]
    return statistics.few_texts_note(min(found)) if found else None


def to_json(table: Sequence[Row]) -> list[dict[str, Any]]:
    """The table as JSON-ready rows; `error` is the one stated beside a value, `error_over` what it rests on."""
    ready: list[dict[str, Any]] = export.json_ready([_row_json(row) for row in table])
    return ready


def _row_json(row: Row) -> dict[str, Any]:
    named = ("measure", "unit", "better", "basis", "run_id")
    sides = {role: _stated(row, getattr(row, role)) for role in ("base", "candidate")}
    return {**{name: getattr(row, name) for name in named}, **sides}


def _stated(row: Row, estimate: Estimate | None) -> dict[str, Any] | None:
    """A value, its error and interval."""
    if estimate is None:
        return None
    low, high = estimate.interval()
    over, error = row.error_over(estimate), estimate.standard_error
    return {"value": estimate.value, "error": error, "error_over": over, "low": low, "high": high}


def to_csv(table: Sequence[Row]) -> str:
    """The table with a column for each number; errors as in `to_json`, ends of the 95 % intervals last."""
    blank = Estimate(float("nan"))
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in table] for name in ("measure", "unit")}
    ends: dict[str, list[float]] = {}
    for role in ("base", "candidate"):
        estimates = [getattr(row, role) or blank for row in table]
        columns |= {role: [one.value for one in estimates], f"{role}_error": [one.standard_error for one in estimates]}
        ends |= {f"{role}_low": [one.interval()[0] for one in estimates]}
        ends |= {f"{role}_high": [one.interval()[1] for one in estimates]}
    over = [row.error_over(row.base) or row.error_over(row.candidate) for row in table]
    return export.csv_text({**columns, "basis": [row.basis for row in table], "error_over": over, **ends})


def to_markdown(table: Sequence[Row], base: str, candidate: str) -> str:
    """The table for a report."""
    lines = [f"| measure | {base} | {candidate} | measured on |", "|---|---|---|---|"]
    for row in table:
        unit = f" ({row.unit})" if row.unit else ""
        lines.append(f"| {row.measure}{unit} | {_cell(row.base)} | {_cell(row.candidate)} | {row.basis} |")
    notes = [ERRORS, few_texts_note(table)]
    return "\n".join([*lines, *(f"\n{note}" for note in notes if note)]) + "\n"


def _cell(estimate: Estimate | None) -> str:
    return "" if estimate is None else formatting.with_error(estimate)

"""Small against large at a glance: one row per measure, both models, each with its uncertainty, out of kept runs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine import export, formatting
from engine.evaluation import estimates
from engine.evaluation.estimates import Estimate
from engine.evaluation.kinds import EVALUATIONS, models_of, title
from engine.evaluation.row import Row
from engine.evaluation.runs.store import Run
from engine.models.request import ModelRequest

ERRORS = (
    "± is one standard error: over a corpus's texts (over its tokens if it is one text), and over questions for "
    "HellaSwag."
)


def rows(base: ModelRequest, candidate: ModelRequest, runs: Sequence[Run]) -> tuple[Row, ...]:
    """The table of a pair from `runs`, newest first: of each kind the newest finished one with this pair counts."""
    found: list[Row] = []
    for kind, evaluation in EVALUATIONS.items():
        run = _newest(runs, kind, [base, candidate])
        run_id = None if run is None else run.id
        found += [replace(row, kind=kind, run_id=run_id) for row in evaluation.rows(run)]
    return tuple(sorted(found, key=lambda row: row.cost))


def _newest(runs: Sequence[Run], kind: str, pair: list[ModelRequest]) -> Run | None:
    return next((run for run in runs if run.kind == kind and run.finished and models_of(run) == pair), None)


def missing(table: Sequence[Row]) -> list[str]:
    """Titles of the evaluations of which nothing was measured."""
    measured = {row.kind for row in table if row.base is not None or row.candidate is not None}
    return [title(kind) for kind in dict.fromkeys(row.kind for row in table) if kind not in measured]


def few_texts_note(table: Sequence[Row]) -> str | None:
    """A sentence on errors over fewer texts than they need; None if there are enough or nothing was measured."""
    found = [one.texts for row in table for one in (row.base, row.candidate) if one is not None and one.texts]
    return estimates.few_texts_note(min(found)) if found else None


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

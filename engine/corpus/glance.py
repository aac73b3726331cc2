"""Small against large at a glance: one row a measure, both models, each with its uncertainty, out of kept runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine import export
from engine.corpus import mauve_run
from engine.corpus.plans import ModelWanted, model_wanted
from engine.corpus.statistics import Estimate
from engine.corpus.store import Run


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


def rows(base: ModelWanted, candidate: ModelWanted, runs: Sequence[Run]) -> tuple[Row, ...]:
    """The table of a pair from `runs`, newest first: of each kind the newest finished one with this pair counts."""
    divergence = _newest(runs, "divergence", [base, candidate])
    hellaswag = _newest(runs, "hellaswag", [base, candidate])
    mauve = _newest(runs, "mauve", [base, candidate])
    return (*_divergence_rows(divergence), *_hellaswag_rows(hellaswag), _mauve_row(mauve), *_cost_rows(divergence))


def models_of(run: Run) -> list[ModelWanted]:
    """The models a run judges, base first; none for two given sets of texts."""
    if run.kind == "divergence":
        return [model_wanted(run.settings[role]) for role in ("base", "candidate")]
    return [model_wanted(listed) for listed in run.settings["models"]]


def _newest(runs: Sequence[Run], kind: str, pair: list[ModelWanted]) -> Run | None:
    return next((run for run in runs if run.kind == kind and run.finished and models_of(run) == pair), None)


def _divergence_rows(run: Run | None) -> list[Row]:
    found = {} if run is None else run.summary
    basis = "" if run is None else f"{found['tokens']:,} tokens"
    run_id = None if run is None else run.id
    table = found.get("statistics") or {}
    kl = _estimate(table["kl"]) if table else None
    zero = Estimate(0.0) if kl else None
    return [
        Row(
            "Perplexity",
            "",
            "lower" if found.get("shared_vocabulary", True) else "",
            _estimate(found.get("perplexity_base")),
            _estimate(found.get("perplexity_candidate")),
            basis,
            run_id,
        ),
        Row(
            "Bits per byte",
            "bits",
            "lower",
            _estimate(found.get("bits_per_byte_base")),
            _estimate(found.get("bits_per_byte_candidate")),
            basis,
            run_id,
        ),
        Row("KL to the base", "nats", "lower", zero, kl, found.get("kl_undefined_reason") or basis, run_id),
    ]


def _hellaswag_rows(run: Run | None) -> list[Row]:
    models: list[dict[str, Any]] = [] if run is None else run.summary["models"]
    basis = f"{models[0]['items']:,} items" if models else ""
    return [
        Row(
            f"HellaSwag, {convention}",
            "share",
            "higher",
            _estimate(models[0][convention]) if models else None,
            _estimate(models[-1][convention]) if models else None,
            basis,
            None if run is None else run.id,
        )
        for convention in ("acc", "acc_norm")
    ]


def _mauve_row(run: Run | None) -> Row:
    if run is None:
        return Row("MAUVE", "", "higher", None, None, "", None)
    scores = [_estimate(one["score"]) for one in run.summary["sets"]]
    basis = f"{run.summary['texts']:,} texts, {run.summary['writing']}{mauve_run.reference_text(run.summary)}"
    return Row("MAUVE", "", "higher", scores[0], scores[-1], basis, run.id)


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
    return Estimate(**{name: np.nan if number is None else number for name, number in value.items()})


def to_json(table: Sequence[Row]) -> list[dict[str, Any]]:
    """The table as JSON-ready rows."""
    ready: list[dict[str, Any]] = export.json_ready([asdict(row) for row in table])
    return ready


def to_csv(table: Sequence[Row]) -> str:
    """The table with a column a number."""
    blank = Estimate(float("nan"))
    return export.csv_text(
        {
            "measure": [row.measure for row in table],
            "unit": [row.unit for row in table],
            "base": [(row.base or blank).value for row in table],
            "base_error": [(row.base or blank).error for row in table],
            "candidate": [(row.candidate or blank).value for row in table],
            "candidate_error": [(row.candidate or blank).error for row in table],
            "basis": [row.basis for row in table],
        }
    )


def to_markdown(table: Sequence[Row], base: str, candidate: str) -> str:
    """The table for a report."""
    lines = [f"| measure | {base} | {candidate} | measured on |", "|---|---|---|---|"]
    for row in table:
        unit = f" ({row.unit})" if row.unit else ""
        lines.append(f"| {row.measure}{unit} | {_written(row.base)} | {_written(row.candidate)} | {row.basis} |")
    return "\n".join(lines) + "\n"


def _written(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    error = f" ± {estimate.error:.2g}" if np.isfinite(estimate.error) else ""
    return f"{estimate.value:.4g}{error}"

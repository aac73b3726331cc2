"""Small against large in one table: what was measured for this pair, with its uncertainty, and what was not yet."""

from typing import Any

import pandas as pd
import streamlit as st

from engine import formatting
from engine.evaluation import glance
from engine.evaluation.estimates import Estimate
from engine.models.request import ModelRequest
from ui import exports, layout
from ui.evaluation import runs
from ui.exports import Export

_BETTER = {"lower": "lower is better", "higher": "higher is better", "": ""}
_COLUMNS: dict[str, Any] = {
    "measure": "Measure",
    "base": "Base",
    "candidate": "Candidate",
    "better": "Reads",
    "basis": st.column_config.TextColumn("Measured on", width="large"),
}


def show(base: ModelRequest, candidate: ModelRequest) -> None:
    """Draw the table of the pair."""
    table = glance.rows(base, candidate, runs.store().runs())
    titles = base.title, candidate.title
    layout.section(
        f"{candidate.title} against {base.title}",
        "The newest finished run of each kind for this pair. Every number was measured here.",
    )
    st.dataframe(
        pd.DataFrame(
            {
                "measure": [row.measure + (f" ({row.unit})" if row.unit else "") for row in table],
                "base": [_written(row.base, row.unit) for row in table],
                "candidate": [_written(row.candidate, row.unit) for row in table],
                "better": [_BETTER[row.better] for row in table],
                "basis": [row.basis for row in table],
            }
        ),
        column_config=_COLUMNS,
        hide_index=True,
        height="content",
        key="glance_table",
    )
    st.caption(glance.ERRORS)
    few = glance.few_texts_note(table)
    if few is not None:
        st.warning(few, icon=":material/warning:")
    if missing := glance.missing(table):
        st.caption(f"Not measured for this pair yet: {', '.join(missing)}. Run it in its view above.")
    exports.menu(
        [
            Export("Table (CSV)", "glance.csv", "text/csv", lambda: glance.to_csv(table)),
            Export(
                "Table (JSON)",
                "glance.json",
                "application/json",
                lambda: exports.json_text({"rows": glance.to_json(table)}),
            ),
            Export("Table (Markdown)", "glance.md", "text/markdown", lambda: glance.to_markdown(table, *titles)),
        ]
    )


def _written(estimate: Estimate | None, unit: str) -> str:
    return "not measured" if estimate is None else formatting.with_error(estimate, percent=unit == "share")

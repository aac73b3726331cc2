"""Small against large in one table: what was measured for this pair, with its uncertainty, and what was not yet."""

import streamlit as st

from engine import formatting
from engine.evaluation import glance
from engine.evaluation.estimates import Estimate
from engine.models.request import ModelRequest
from ui import exports, layout, tables
from ui.evaluation import runs
from ui.exports import Export


def show(base: ModelRequest, candidate: ModelRequest) -> None:
    """Draw the table of the pair."""
    table = glance.rows(base, candidate, runs.store().runs())
    titles = base.title, candidate.title
    layout.section(
        f"{candidate.title} against {base.title}",
        "The newest finished run of each kind for this pair. Every number was measured here.",
    )
    frame, columns = tables.of_columns(
        {
            "measure": tables.text([row.measure + (f" ({row.unit})" if row.unit else "") for row in table], "Measure"),
            "base": tables.text([_written(row.base, row.unit) for row in table], "Base"),
            "candidate": tables.text([_written(row.candidate, row.unit) for row in table], "Candidate"),
            "better": tables.text([f"{row.better} is better" if row.better else "" for row in table], "Reads"),
            "basis": tables.text([row.basis for row in table], "Measured on", width="large"),
        }
    )
    st.dataframe(frame, column_config=columns, hide_index=True, height="content", key="glance_table")
    st.caption(glance.ERRORS)
    if (few := glance.few_texts_note(table)) is not None:
        st.warning(few, icon=":material/warning:")
    if missing := glance.missing(table):
        st.caption(f"Not measured for this pair yet: {', '.join(missing)}. Run it in its view above.")
    exports.menu(
        Export("Table (CSV)", "glance.csv", lambda: glance.to_csv(table)),
        exports.of_json("Table (JSON)", "glance.json", lambda: {"rows": glance.to_json(table)}),
        Export("Table (Markdown)", "glance.md", lambda: glance.to_markdown(table, *titles)),
    )


def _written(estimate: Estimate | None, unit: str) -> str:
    return "not measured" if estimate is None else formatting.with_error(estimate, percent=unit == "share")

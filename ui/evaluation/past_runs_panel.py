"""Past runs: listed, opened, set side by side, exported, deleted."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from engine import formatting
from engine.evaluation import kinds, runner
from engine.evaluation.runs.store import Run
from ui import exports, layout, tables
from ui.evaluation import runs


def show() -> None:
    """Draw the list and what can be done with the runs selected in it."""
    listed = runs.store().runs()
    if not listed:
        layout.empty_state("No runs yet", "What you compare is kept here, batch by batch, and can be reopened.")
        return
    layout.section("Past runs", "Select one to open, export or delete it; two or more to set them side by side.")
    frame, columns = _table(listed)
    event = st.dataframe(
        frame,
        column_config=columns,
        hide_index=True,
        key="past_runs",
        height=tables.height_of(len(listed), 420),
        on_select="rerun",
        selection_mode="multi-row",
    )
    chosen = [listed[row] for row in event["selection"]["rows"] if row < len(listed)]
    with st.container(horizontal=True, key="run_actions"):
        st.button(
            "Open",
            type="primary",
            icon=":material/open_in_full:",
            disabled=len(chosen) != 1,
            on_click=_open,
            args=(chosen[:1],),
            key="open_run",
        )
        if chosen:
            exports.menu(exports.of_json("Selected runs (JSON)", "runs.json", partial(_described, chosen)))
            with st.popover("Delete", icon=":material/delete:"):
                st.text(f"Delete {formatting.counted(len(chosen), 'run')} with all batches?")
                st.button("Delete for good", key="delete_runs", on_click=_delete, args=(chosen,))
    if len(chosen) > 1:
        layout.section("Side by side")
        st.dataframe(_side_by_side(chosen), key="side_by_side", height="content")
    elif chosen:
        _details(chosen[0])


def _table(listed: tuple[Run, ...]) -> tables.Table:
    changed = [datetime.fromtimestamp(run.updated, UTC) for run in listed]
    return tables.of_columns(
        {
            "kind": tables.text([kinds.title(run.kind) for run in listed], "Kind"),
            "title": tables.text([run.title for run in listed], "Run", width="large"),
            "updated": (changed, st.column_config.DatetimeColumn("Last change", format="distance")),
            "state": tables.text([_state(run) for run in listed], "State"),
            "id": tables.text([run.id for run in listed], "Id"),
        }
    )


def _state(run: Run) -> str:
    if run.finished:
        return "finished"
    driver = runs.drivers().find(run.id)
    return "running" if driver is not None and driver.active else "stopped"


def _open(chosen: list[Run]) -> None:
    run = chosen[0]
    st.query_params.pop("view", None)
    st.query_params[runs.RUN] = run.id
    st.session_state.pop("followed_run", None)


def _delete(chosen: list[Run]) -> None:
    for run in chosen:
        runs.drivers().forget(run.id)
        runs.store().delete(run.id)


def _described(chosen: list[Run]) -> dict[str, Any]:
    return {"runs": [runner.described(run) for run in chosen]}


def _details(run: Run) -> None:
    facts = {
        "Data": f"SHA-256 {run.data_hash[:16]}…",
        **{f"Model: {role}": f"{it['title']}, {it['key']}" for role, it in run.models.items()},
        "Settings": ", ".join(f"{name} {value}" for name, value in run.settings.items()),
        "Libraries": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    st.dataframe(pd.DataFrame({"what": facts.keys(), "is": facts.values()}), hide_index=True, key="run_details")


def _side_by_side(chosen: list[Run]) -> pd.DataFrame:
    """Numbers of finished runs, one column per run."""
    columns = {f"{run.title} ({run.id[:6]})": _flat(run.summary) for run in chosen}
    return pd.DataFrame(columns).map(lambda value: "" if value != value or value is None else f"{value:.5g}")


def _flat(value: Any, prefix: str = "") -> dict[str, float]:
    """Numbers of a nested summary under dotted names; errors and lists of percentiles are left out."""
    found: dict[str, float] = {}
    if isinstance(value, dict) and "value" in value:
        value = {"value": value["value"]}  # an estimate: only the number, not what its error rests on
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in pairs:
        if str(name) in {"kl_percentiles", "delta_p_percentiles", "scores", "seeds"}:
            continue
        place = prefix if name == "value" else f"{prefix} {name}".strip()
        if isinstance(item, int | float) and not isinstance(item, bool):
            found[place] = float(item)
        else:
            found |= _flat(item, place)
    return found

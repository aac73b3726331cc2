"""A table of which one row is always chosen."""

from typing import Any

import pandas as pd
import streamlit as st


def chosen_row(frame: pd.DataFrame, columns: dict[str, Any], key: str, height: int, *, default: int = 0) -> int:
    """Show a table and return the number of the chosen row, `default` at first."""
    event = st.dataframe(
        frame,
        column_config=columns,
        hide_index=True,
        height=height,
        key=key,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [default]}},
    )
    rows = event["selection"]["rows"]
    return int(rows[0]) if rows and rows[0] < len(frame) else default

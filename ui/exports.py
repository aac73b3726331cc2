"""Taking a result away: files made when they are asked for, and a link that brings the page back."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st


@dataclass(frozen=True)
class Export:
    """One file: what the button says, the file's name and type, and how to make it."""

    label: str
    file_name: str
    mime: str
    make: Callable[[], str]


def result_exports(result: Any, stem: str, html: Callable[[], str]) -> list[Export]:
    """CSV, JSON and a standalone page of a result that has `to_csv` and `to_dict`."""
    return [
        Export("CSV table", f"{stem}.csv", "text/csv", result.to_csv),
        Export("JSON, everything", f"{stem}.json", "application/json", lambda: json_text(result.to_dict())),
        Export("Web page of the strip", f"{stem}.html", "text/html", html),
    ]


def json_text(values: dict[str, Any]) -> str:
    """JSON with the characters of the text as they are."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def menu(exports: list[Export]) -> None:
    """Draw the menu of downloads."""
    with st.popover("Export", icon=":material/download:", key="export_menu"):
        for export in exports:
            st.download_button(
                export.label,
                data=_encoded(export),
                file_name=export.file_name,
                mime=export.mime,
                on_click="ignore",
                type="tertiary",
                icon=":material/description:",
                key=f"export_{export.file_name}",
            )
        st.caption("Charts are saved as PNG by the camera in their corner.")


def _encoded(export: Export) -> Callable[[], bytes]:
    # Characters that have no UTF-8 form (lone surrogates) cannot reach a result, so that encoding does not fail.
    return lambda: export.make().encode("utf-8")

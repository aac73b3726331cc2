"""Taking a result away: files made when they are asked for, and a link that brings the page back."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import streamlit as st

from ui import composer, links, reading_options

_TYPES = {".csv": "text/csv", ".json": "application/json", ".html": "text/html", ".md": "text/markdown"}
_STRIP_PARAMETERS = ("colour", "limits", "ranks", "words")


@dataclass(frozen=True)
class Export:
    """One file: what the button says, the file's name, and how to make it."""

    label: str
    file_name: str
    make: Callable[[], str]

    @property
    def mime(self) -> str:
        """Media type of the file."""
        return _TYPES[PurePath(self.file_name).suffix]

    def encoded(self) -> bytes:
        """The file. What has no UTF-8 form (lone surrogates) cannot reach a result, so that this does not fail."""
        return self.make().encode("utf-8")


def taking_away(
    result: Any, stem: str, html: Callable[[], str], models: Sequence[str], *, strips: Sequence[str] = ("",)
) -> None:
    """Draw what takes a reading away: files of a result with `to_csv` and `to_dict`, and a link to the page.

    Parameters
    ----------
    result, stem : the result, and the start of its files' names
    html : makes the standalone page of its strip
    models : keys of the choices of model, which the link carries
    strips : what stands before the parameters of each strip in the address
    """
    with st.container(horizontal=True, key="taking_away"):
        menu(
            Export("CSV table", f"{stem}.csv", result.to_csv),
            of_json("JSON, everything", f"{stem}.json", result.to_dict),
            Export("Web page of the strip", f"{stem}.html", html),
        )
        links.copy_link(
            {key: str(st.session_state[key]) for key in (composer.CHOICE, *models)} | reading_options.link_parameters(),
            keep=tuple(f"{strip}{name}" for strip in strips for name in _STRIP_PARAMETERS),
            note=composer.link_note(),
        )


def of_json(label: str, file_name: str, values: Callable[[], dict[str, Any]]) -> Export:
    """A file of JSON with the characters of the text as they are."""
    return Export(label, file_name, lambda: json.dumps(values(), ensure_ascii=False, allow_nan=False))


def menu(*exports: Export) -> None:
    """Draw the menu of downloads."""
    with st.popover("Export", icon=":material/download:", key="export_menu"):
        for export in exports:
            st.download_button(
                export.label,
                data=export.encoded,
                file_name=export.file_name,
                mime=export.mime,
                on_click="ignore",
                type="tertiary",
                icon=":material/description:",
                key=f"export_{export.file_name}",
            )
        st.caption("Charts are saved as PNG by the camera in their corner.")

"""Texts and items that a person gives: typed, pasted or from a file."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from engine import texts
from engine.errors import EngineError
from ui import messages

T = TypeVar("T")
UPLOAD_MB = 50


def form(
    name: str, label: str, placeholder: str, action: str, use: Callable[[str], None], *, disabled: bool = False
) -> None:
    """Draw a text field and a file field beside it, and one button that hands the text to `use`.

    A file counts before what is typed. What `use` refuses is shown below.
    """
    with st.container(key=f"given_{name}"):
        write, drop = st.columns([3, 1], gap="medium")
        with write:
            typed = st.text_area(
                label, key=f"{name}_typed", height=150, placeholder=placeholder, persist_state="session"
            )
        with drop:
            file = st.file_uploader("Or a file", max_upload_size=UPLOAD_MB, key=f"{name}_file")
        if st.button(action, type="primary", icon=":material/play_arrow:", key=f"{name}_go", disabled=disabled):
            with messages.shown():
                use(text_of(typed, file))


def text_of(typed: str, file: "object | None") -> str:
    """The uploaded file's text, or what was typed."""
    content = getattr(file, "getvalue", None)
    return texts.decode_upload(content()) if content is not None else typed


def attempt(make: Callable[[], T]) -> T | None:
    """What `make` returns, or None after its refusal is shown."""
    try:
        return make()
    except EngineError as error:
        messages.show(error)
        return None

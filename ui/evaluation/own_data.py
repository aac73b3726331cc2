"""Texts and items that a person gives: typed, pasted or from a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from engine.evaluation.corpora.corpus import ColumnError, Corpus, Form, read_corpus, read_corpus_file
from engine.evaluation.hellaswag.items import ItemSet, read_item_set, read_items_file
from ui import messages

UPLOAD_MB = 50
_MOST_COLUMNS = 200


@dataclass(frozen=True)
class Given:
    """What a person gave: a file, or, without one, what was typed; and which column of it they chose, if any."""

    typed: str
    data: bytes | None = None
    name: str = ""
    column: str | None = None

    def corpus(self, form: Form = "auto") -> Corpus:
        """It as texts."""
        if self.data is None:
            return read_corpus(self.typed, form, self.column)
        return read_corpus_file(self.data, self.name, form, self.column)

    def items(self) -> ItemSet:
        """It as HellaSwag items."""
        return read_item_set(self.typed) if self.data is None else read_items_file(self.data, self.name)


def form(
    name: str,
    label: str,
    placeholder: str,
    action: str,
    use: Callable[[Given], Sequence[str]],
    *,
    disabled: bool = False,
) -> None:
    """Draw a text field and a file field beside it, and one button that hands what was given to `use`.

    A file counts before what is typed. What `use` refuses is shown below, or else the notes that it returns: how a
    file was read, what was left out.
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
            keep_notes(name, ())
            with messages.shown():
                keep_notes(name, _used(name, of(typed, file), use))
        show_notes(name)
        _column_choice(name)


def _used(name: str, data: Given, use: Callable[[Given], Sequence[str]]) -> Sequence[str]:
    """What `use` says of the data; where it asks for a column, the names to choose from are remembered."""
    asked, _ = st.session_state.get(f"{name}_columns", (None, ()))
    if asked == data.name:
        data = replace(data, column=st.session_state.get(f"{name}_column"))
    else:
        st.session_state.pop(f"{name}_columns", None)
    try:
        return use(data)
    except ColumnError as error:
        st.session_state[f"{name}_columns"] = (data.name, error.names[:_MOST_COLUMNS])
        raise


def _column_choice(name: str) -> None:
    """A list to choose the column from, once it was asked for."""
    _, names = st.session_state.get(f"{name}_columns", ("", ()))
    if names:
        st.selectbox("Column with the texts", names, index=None, key=f"{name}_column", placeholder="Choose one")


def of(typed: str, file: "object | None") -> Given:
    """What was typed, and the file if one was uploaded."""
    content = getattr(file, "getvalue", None)
    return Given(typed) if content is None else Given(typed, content(), str(getattr(file, "name", "")))


def show_notes(name: str) -> None:
    """What was said of the data given last in this form."""
    for note in st.session_state.get(f"{name}_notes", ()):
        st.caption(messages.plain(note))


def keep_notes(name: str, notes: Sequence[str]) -> None:
    """Remember what was said of the data given in this form."""
    st.session_state[f"{name}_notes"] = tuple(notes)

"""Texts and items that a person gives: typed, pasted or from a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.evaluation.corpora.corpus import ColumnError, Corpus, read_corpus, read_corpus_file
from engine.evaluation.corpora.forms import Form
from engine.evaluation.hellaswag.items import ItemSet, read_item_set, read_items_file
from ui import messages

UPLOAD_MB = 50
_MOST_COLUMNS = 200
_COLUMN, _COLUMNS = "_column", "_columns"
"""Ends of the session's keys for the column chosen in a field, and for the file whose columns can be chosen."""


@dataclass(frozen=True)
class Field:
    """A place to give texts: the start of its widgets' keys, and what stands on them."""

    key: str
    label: str
    placeholder: str | None = None
    file_label: str = "Or a file"


@dataclass(frozen=True)
class Given:
    """What a person gave in a field: a file, or, without one, what was typed."""

    field: Field
    typed: str
    data: bytes | None = None
    name: str = ""

    def corpus(self, form: Form = "auto") -> Corpus:
        """It as texts. If it is not clear which column holds them, the field offers the choice."""
        chosen, known = self.field.key + _COLUMN, self.field.key + _COLUMNS
        asked, _ = st.session_state.get(known, (None, ()))
        column = st.session_state.get(chosen) if asked == self.name else None
        if asked != self.name:
            st.session_state.pop(known, None)
        try:
            if self.data is None:
                return read_corpus(self.typed, form, column)
            return read_corpus_file(self.data, self.name, form, column)
        except ColumnError as error:
            st.session_state[known] = (self.name, error.names[:_MOST_COLUMNS])
            raise

    def items(self) -> ItemSet:
        """It as HellaSwag items."""
        return read_item_set(self.typed) if self.data is None else read_items_file(self.data, self.name)


def form(name: str, action: str, fields: Sequence[Field], use: Callable[..., None], *, disabled: bool = False) -> None:
    """Draw the fields, a text beside its file or two side by side, and a button that hands what was given to `use`.

    A file counts before what is typed. What `use` refuses is shown below.
    """
    with st.container(key=f"given_{name}"):
        if len(fields) == 1:
            places = [tuple(st.columns([3, 1], gap="medium"))]
        else:
            places = [(column, column) for column in st.columns(len(fields), gap="medium")]
        given = [_drawn(field, *place) for field, place in zip(fields, places, strict=True)]
        if st.button(action, type="primary", icon=":material/play_arrow:", key=f"{name}_go", disabled=disabled):
            with messages.shown():
                use(*given)
        for field, place in zip(fields, places, strict=True):
            with place[-1]:
                _column_choice(field)


def _drawn(field: Field, write: DeltaGenerator, drop: DeltaGenerator) -> Given:
    with write:
        key, hint = f"{field.key}_typed", field.placeholder
        typed = st.text_area(field.label, key=key, height=150, placeholder=hint, persist_state="session")
    with drop:
        file = st.file_uploader(field.file_label, max_upload_size=UPLOAD_MB, key=f"{field.key}_file")
    return Given(field, typed) if file is None else Given(field, typed, file.getvalue(), file.name)


def _column_choice(field: Field) -> None:
    """A list to choose the column from, once it was asked for."""
    _, names = st.session_state.get(field.key + _COLUMNS, ("", ()))
    if names:
        st.selectbox("Column with the texts", names, index=None, key=field.key + _COLUMN, placeholder="Choose one")

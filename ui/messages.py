"""What the engine refuses, as a message for a person. Anything that is not an `EngineError` is a bug and is not caught.

Texts may hold what a person typed, so they are escaped: Streamlit's messages are Markdown, and Markdown can fetch
images from other hosts.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from engine import errors
from ui import navigation, progress

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:=^&\"'/@])")


def plain(text: str) -> str:
    r"""`text` as Markdown that shows exactly `text`, on one line.

    >>> plain("![](x)")
    '\\!\\[\\]\\(x\\)'
    """
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def show(error: errors.EngineError) -> None:
    """Show one refusal in the place where the result would have been."""
    text = plain(str(error))
    if isinstance(error, errors.Cancelled):
        st.info(text, icon=":material/stop_circle:")
        st.button("Start again", icon=":material/replay:", on_click=progress.forget_stopped, key="start_again")
    elif isinstance(error, errors.InputError):
        st.warning(text, icon=":material/edit_note:")
    else:
        st.error(text, icon=":material/error:")
    if isinstance(error, errors.ModelError):
        st.page_link(navigation.page("models"), label="Open the Models page", icon=":material/arrow_forward:")


@contextmanager
def shown() -> Iterator[None]:
    """Show an `EngineError` raised inside, in place of the result, and go on after it."""
    try:
        yield
    except errors.EngineError as error:
        show(error)

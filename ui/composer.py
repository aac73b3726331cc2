"""Which text the page is about: an example, or one's own, typed, pasted or from a file. Shared by pages."""

from collections.abc import Callable

import streamlit as st

from engine.errors import TextError
from engine.text import texts
from ui import engine_access, examples, layout, messages, progress

OWN = "own"
_UPLOAD_MB = 2
CHOICE = "text"
"""Key of the choice, which links carry: an example, or that it was one's own text, never that text itself."""
_DRAFT, _COMMITTED, _REFUSED = "own_draft", "own_text", "own_refused"


def text_choice(action: str, beside: Callable[[], None] = lambda: None) -> str | None:
    """Draw the controls and return the text to work on; None while there is none yet.

    Parameters
    ----------
    action : word on the button that starts the work on one's own text, e.g. 'Score'
    beside : draws what else belongs on the line of the examples
    """
    titles = {example.name: example.title for example in examples.examples()}
    titles[OWN] = ":material/edit: Your own text"
    with st.container(horizontal=True, vertical_alignment="center", key="composer"):
        chosen = layout.choice("Text", titles, CHOICE, linked=True)
        beside()
    if chosen != OWN:
        return next(example.text for example in examples.examples() if example.name == chosen)
    return _own_text(action)


def link_note() -> str:
    """What to know about a link to the page as it is."""
    return "Your own text is not part of the link." if st.session_state[CHOICE] == OWN else ""


def _own_text(action: str) -> str | None:
    with st.container(key="own_text_panel"):
        write, drop = st.columns([3, 1], gap="medium")
        with write, st.form("own_text_form", border=False):
            st.text_area(
                "Your text",
                key=_DRAFT,
                height=160,
                placeholder="Type or paste a text, then press Ctrl+Enter.",
                persist_state="session",
            )
            st.form_submit_button(action, type="primary", icon=":material/play_arrow:", on_click=_commit)
        with drop:
            st.file_uploader("Or a text file", max_upload_size=_UPLOAD_MB, key="own_file", on_change=_take_file)
    refused = st.session_state.get(_REFUSED)
    if refused is not None:
        messages.show(refused)
        return None
    text: str | None = st.session_state.get(_COMMITTED)
    return text


def _commit() -> None:
    progress.forget_stopped()
    st.session_state[_REFUSED] = None
    st.session_state[_COMMITTED] = st.session_state[_DRAFT]


def _take_file() -> None:
    file = st.session_state["own_file"]
    st.session_state[_REFUSED] = None
    if file is None:
        return
    try:
        text = texts.decode(file.getvalue()).text
        engine_access.refuse_long(text)
    except TextError as error:
        st.session_state[_REFUSED] = error
    else:
        st.session_state[_DRAFT] = st.session_state[_COMMITTED] = text

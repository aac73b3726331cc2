"""Choices that a link carries. A widget's value stands in the page's address under the widget's key, by its name.

Streamlit can bind a widget to the address itself, but writes what the widget shows ('SmolLM2 135M (not here)'), which
depends on the machine; a link must mean the same everywhere.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import streamlit as st


def restore(key: str, options: Sequence[str], default: str, *, older: Mapping[str, str] = MappingProxyType({})) -> None:
    """Before the widget `key` is drawn: give it the value a link asks for, in a session that has none yet.

    `older` says what the values of links from earlier versions mean now.
    """
    if st.session_state.get(key) not in options:
        asked = st.query_params.get(key, "")
        asked = older.get(asked, asked)
        st.session_state[key] = asked if asked in options else default


def note(key: str, default: str) -> None:
    """After the widget `key` is drawn: write its value into the address, or nothing if it is the default."""
    value = st.session_state[key]
    if value == default:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != value:
        st.query_params[key] = value

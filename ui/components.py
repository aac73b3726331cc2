"""Components of our own: HTML, CSS and JavaScript of the same name in assets/."""

from typing import Any

import streamlit as st

from engine import paths
from engine.strip import modules


def component(file: str) -> Any:
    """The component of assets/`file`.html, .css and .js; Streamlit wants each made once, on import."""
    parts = {ending: paths.ASSETS / f"{file}.{ending}" for ending in ("html", "css", "js")}
    html, css = (parts[ending].read_text(encoding="utf-8") for ending in ("html", "css"))
    return st.components.v2.component(
        "logitscope." + file.replace("/", "_"), html=html, css=css, js=modules.joined(parts["js"])
    )

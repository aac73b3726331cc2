"""The pages of the app: one line each, in the order of the sidebar."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

_FOLDER = Path(__file__).resolve().parent.parent / "pages"

# file name, title, icon. The first page is the one at "/".
_PAGES = (
    ("heatmap", "Heatmap", ":material/gradient:"),
    ("unity", "Two models", ":material/compare_arrows:"),
    ("divergence", "Good enough?", ":material/balance:"),
    ("bias_training", "Train a bias", ":material/model_training:"),
    ("information", "Information lab", ":material/functions:"),
    ("models", "Models", ":material/memory:"),
)


def pages() -> list[Page]:
    """Every page, in order."""
    return [
        st.Page(_FOLDER / f"{name}.py", title=title, icon=icon, url_path=name, default=name == _PAGES[0][0])
        for name, title, icon in _PAGES
    ]


def page(name: str) -> Page:
    """One page by the name of its file, to link to it."""
    return next(candidate for (known, *_), candidate in zip(_PAGES, pages(), strict=True) if known == name)

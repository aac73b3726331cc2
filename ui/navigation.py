"""The pages of the app: one line each, in the order of the sidebar."""

import streamlit as st
from streamlit.navigation.page import Page

from engine import paths

_FOLDER = paths.ROOT / "pages"

# file, address, title, icon. The first page is the one at "/".
_PAGES = (
    ("heatmap", "heatmap", "Heatmap", ":material/gradient:"),
    ("unity", "unity", "Two models", ":material/compare_arrows:"),
    ("evaluation", "divergence", "Good enough?", ":material/balance:"),
    ("training", "bias_training", "Train a bias", ":material/model_training:"),
    ("lab", "information", "Information lab", ":material/functions:"),
    ("models", "models", "Models", ":material/memory:"),
)


def pages() -> list[Page]:
    """Every page, in order."""
    return [
        st.Page(_FOLDER / f"{file}.py", title=title, icon=icon, url_path=address, default=file == _PAGES[0][0])
        for file, address, title, icon in _PAGES
    ]


def page(name: str) -> Page:
    """One page by the name of its file, to link to it."""
    return next(candidate for (known, *_), candidate in zip(_PAGES, pages(), strict=True) if known == name)

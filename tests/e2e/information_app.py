"""The information lab alone, with the app's style, for browser tests."""

from pathlib import Path

import streamlit as st

from ui import layout

st.set_page_config(page_title="Information lab", layout="wide")
layout.style()
page = Path(__file__).resolve().parents[2] / "pages" / "information.py"
st.navigation([st.Page(page, title="Information lab", url_path="information", default=True)]).run()

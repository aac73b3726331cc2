"""The information lab alone, with the app's style, for browser tests."""

import streamlit as st

from engine.paths import ROOT
from ui import layout

st.set_page_config(page_title="Information lab", layout="wide")
layout.style()
page = ROOT / "pages" / "lab.py"
st.navigation([st.Page(page, title="Information lab", url_path="information", default=True)]).run()

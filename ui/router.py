"""First thing every session runs: page settings, the list of pages, what stands beside them, then the page itself."""

from pathlib import Path

import streamlit as st

from ui import layout, navigation, sidebar

ASSETS = Path(__file__).resolve().parent.parent / "assets"

st.set_page_config(page_title="Logitscope", page_icon=str(ASSETS / "icon.svg"), layout="wide")
layout.style()
st.logo(str(ASSETS / "icon.svg"), size="large")
page = st.navigation(navigation.pages())
sidebar.status()
page.run()

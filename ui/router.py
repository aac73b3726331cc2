"""First thing every session runs: page settings, the list of pages, what stands beside them, then the page itself."""

import streamlit as st

from engine.paths import ASSETS
from ui import layout, model_picker, navigation

st.set_page_config(page_title="Logitscope", page_icon=str(ASSETS / "icon.svg"), layout="wide")
layout.style()
st.logo(str(ASSETS / "icon.svg"), size="large")
page = st.navigation(navigation.pages())
model_picker.status()
page.run()

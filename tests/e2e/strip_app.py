"""A page with nothing but the strip, for browser tests; `?text=` chooses what it shows (see tests/readings.py)."""

import json

import streamlit as st

from engine.strip import payload
from tests import readings
from ui import strip as ui_strip

st.set_page_config(page_title="Strip", layout="wide")
query = st.query_params
text = readings.TEXTS[query.get("text", "english")]
st.title("Strip")
shift = st.number_input("Shift", 0, 100, key="shift", bind="query-params")
marked = st.multiselect("Mark", list(range(12)), key="mark")

if query.get("kind") == "pair":
    both = readings.comparison(text)
    for side in ("a", "b"):
        ui_strip.token_strip(payload.comparison_payload(both, side), key=side, url_prefix=f"{side}_", link="pair")
    events = ui_strip.token_strip(payload.comparison_payload(both), key="strip", link="pair")
else:
    events = ui_strip.token_strip(
        payload.payload(readings.reading(text, shift=int(shift))),
        key="strip",
        height=int(query["height"]) if "height" in query else "content",
        highlight=marked,
        selected=int(query["selected"]) if "selected" in query else None,
        report=query.get("report") != "0",
    )
st.text(f"selected {events.selected}")
st.text("query " + json.dumps(dict(query)))

"""Is the smaller or quantised model good enough, and where does it differ? Answered over many texts, and kept."""

import streamlit as st

from engine.evaluation import kinds
from ui import layout, messages, model_picker, reading_options
from ui.evaluation import glance_panel, past_runs_panel, runs
from ui.evaluation.panels import PANELS

SIDES = ("base", "candidate")
VIEWS = {**{kind: kinds.title(kind) for kind in PANELS}, "glance": "At a glance", "runs": "Past runs"}
FIRST = next(iter(VIEWS))


def main() -> None:
    layout.heading(
        "Good enough?",
        "Judge a smaller or quantised model against a reference, over many texts: how far off, where, how sure.",
    )
    with messages.shown():
        for notice in runs.store().notices:
            st.warning(messages.plain(notice), icon=":material/inventory_2:")
        follow_run()
        view = layout.choice("View", VIEWS, "view", linked=True, older={"corpus": FIRST})
        if view == "runs":
            past_runs_panel.show()
            return
        a, b = model_picker.pick_pair("judged_pair", SIDES, ("Base", "Candidate"))
        if view in PANELS:
            PANELS[view].show(a, b)
        else:
            glance_panel.show(a, b)


def follow_run() -> None:
    """A link to a run opens its view with its models, once."""
    run_id = st.query_params.get(runs.RUN)
    if run_id is None or st.session_state.get("followed_run") == run_id:
        return
    st.session_state["followed_run"] = run_id
    run = runs.store().find(run_id)
    if run is None or run.kind not in PANELS:
        return
    if "view" not in st.query_params:
        st.session_state["view"] = run.kind
    for side, model in zip(SIDES, kinds.models_of(run), strict=False):
        st.session_state[side], st.session_state[f"{side}_precision"] = model.name, model.precision
    reading_options.take_over(run)


main()

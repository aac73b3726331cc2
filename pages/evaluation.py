"""Is the smaller or quantised model good enough, and where does it differ? Answered over many texts, and kept."""

import streamlit as st

from engine.evaluation import kinds
from engine.models.request import ModelRequest
from ui import address, engine_access, layout, messages, model_picker, reading_options
from ui.evaluation import glance_panel, past_runs_panel, runs
from ui.evaluation.panels import PANELS

KEYS = (("base", "base_precision"), ("candidate", "candidate_precision"))
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
        view = choose_view()
        if view == "runs":
            past_runs_panel.show()
            return
        a, b = model_pair()
        if view in PANELS:
            PANELS[view].show(a, b)
        else:
            glance_panel.show(a, b)


def choose_view() -> str:
    follow_run()
    address.restore("view", list(VIEWS), FIRST, older={"corpus": FIRST})
    view = layout.choice("View", VIEWS, "view")
    address.note("view", FIRST)
    return view


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
    for (name, precision), model in zip(KEYS, kinds.models_of(run), strict=False):
        st.session_state[name], st.session_state[precision] = model.name, model.precision
    reading_options.take_over(run)


def model_pair() -> tuple[ModelRequest, ModelRequest]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="judged_pair"):
        with st.container(key="side_base", horizontal=True):
            a = model_picker.pick_model(*KEYS[0], "Base", engine_access.PAIR[0])
        with st.container(key="side_candidate", horizontal=True):
            b = model_picker.pick_model(*KEYS[1], "Candidate", engine_access.PAIR[1])
    return a, b


main()

"""Is the smaller or quantised model good enough, and where does it differ? Answered over many texts, and kept."""

import streamlit as st

from engine.evaluation import glance
from engine.models.request import ModelRequest
from ui import address, engine_access, layout, messages, model_picker, reading_options
from ui.evaluation import divergence_panel, glance_panel, hellaswag_panel, mauve_panel, past_runs_panel, runs

KEYS = (("base", "base_precision"), ("candidate", "candidate_precision"))
VIEWS = {
    "corpus": "KL over a corpus",
    "hellaswag": "HellaSwag",
    "mauve": "MAUVE",
    "glance": "At a glance",
    "runs": "Past runs",
}


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
        {
            "corpus": divergence_panel.show,
            "hellaswag": hellaswag_panel.show,
            "mauve": mauve_panel.show,
            "glance": glance_panel.show,
        }[view](a, b)


def choose_view() -> str:
    follow_run()
    address.restore("view", list(VIEWS), "corpus")
    view = st.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        required=True,
        key="view",
        persist_state="session",
        label_visibility="collapsed",
        wrap=True,
    )
    address.note("view", "corpus")
    return str(view)


def follow_run() -> None:
    """A link to a run opens its view with its models, once."""
    run_id = st.query_params.get(runs.RUN)
    if run_id is None or st.session_state.get("followed_run") == run_id:
        return
    st.session_state["followed_run"] = run_id
    run = runs.found(run_id)
    if run is None:
        return
    if "view" not in st.query_params:
        st.session_state["view"] = "corpus" if run.kind == "divergence" else run.kind
    for (name, precision), model in zip(KEYS, glance.models_of(run), strict=False):
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

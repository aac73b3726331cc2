"""What this machine has, and which models are here, loaded, or to be fetched."""

import streamlit as st

from engine import formatting, sources
from engine.errors import EngineError
from engine.models import hardware, registry
from engine.sources.kinds import ModelSpec
from ui import downloads, engine_access, layout, machine, messages, model_picker, progress
from ui.layout import Fact


def main() -> None:
    layout.heading("Models", "What this machine has, which models are on it, and how much memory they take.")
    this_machine()
    layout.section(
        "All models", "Fetched once, a model stays on this machine. Loading happens by itself when it is used."
    )
    hub()
    st.fragment(models, run_every=progress.POLL_SECONDS if downloads.running() else None)()
    add()


def this_machine() -> None:
    has, choice = hardware.describe(), hardware.choose()
    device = has.accelerators[0].title if choice.device.type != "cpu" and has.accelerators else "CPU"
    layout.facts(
        [
            Fact("Device", device, "Where models run unless told otherwise."),
            Fact("Precision", choice.precision, "What 'Automatic' means on this machine."),
            Fact("CPU cores", str(has.cpu_cores), "Those this process may use."),
            Fact("Memory", formatting.size(has.memory_bytes), "Of the machine, as far as this process may use it."),
            Fact("Free now", formatting.size(has.memory_free_bytes), "At this moment."),
        ]
    )
    st.caption(messages.plain(choice.reason))
    pool = engine_access.pool()
    shares = [(model.title, model.memory_bytes) for model in pool.loaded()]
    st.html(machine.memory_bar(shares, pool.budget_bytes))
    for model in pool.loaded():
        with st.container(horizontal=True, vertical_alignment="center", key=f"loaded_{model.key}"):
            st.text(f"{model.title}: {formatting.size(model.memory_bytes)}", width="stretch")
            st.button(
                "Unload",
                icon=":material/eject:",
                type="tertiary",
                on_click=pool.unload,
                args=(model.key,),
                key=f"unload_{model.key}",
            )


def hub() -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="hub"):
        if st.button(
            "Check the hub again" if "hub_answer" in st.session_state else "Check the hub",
            icon=":material/refresh:",
            key="check_hub",
        ):
            with st.spinner("Asking the hub", show_time=True):
                st.session_state["hub_answer"] = machine.hub_answer(probe=True)
        st.text(st.session_state.get("hub_answer") or machine.hub_answer(probe=False), width="stretch")


def models() -> None:
    for name in model_picker.known_names():
        with messages.shown(), st.container(border=True, key=f"model_{name}"):
            one_model(registry.resolve(name))
    if st.session_state.get("had_downloads") and not downloads.running():
        st.session_state["had_downloads"] = False
        st.rerun()  # the whole page: the polling ends, and the sidebar knows the new model
    st.session_state["had_downloads"] = bool(downloads.running())


def one_model(spec: ModelSpec) -> None:
    failed = downloads.outcome(spec.name)
    there = sources.availability(spec)
    loaded = [model.precision for model in engine_access.pool().loaded() if model.spec.name == spec.name]
    about, action = st.columns([4, 1], vertical_alignment="center")
    about.html(machine.model_card(spec, there, loaded))
    ticket = downloads.running().get(spec.name)
    if ticket is not None:
        progress.show(f"fetch_of_{spec.name}", ticket.status, ticket.leave)
    elif there.state in ("fetchable", "unreachable", "refused"):
        with action:
            fetch_button(spec)
    if failed is not None:
        messages.show(failed)


def fetch_button(spec: ModelSpec) -> None:
    terms = machine.terms(spec)
    if terms is None:
        fetch, agreed = st.container(), True
    else:
        fetch = st.popover("Fetch", icon=":material/download:", key=f"terms_{spec.name}")
        fetch.text(terms)
        agreed = fetch.checkbox("I have read and accept these terms", key=f"agree_{spec.name}")
    if fetch.button(
        "Fetch", icon=":material/download:", key=f"fetch_{spec.name}", disabled=not agreed, type="secondary"
    ):
        downloads.start(spec.name, accept_licence=agreed)
        st.rerun()


def add() -> None:
    layout.section("Another model", "Any causal language model of the hub by its id, or a directory on this machine.")
    with st.form("add_model", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Hub id or directory", placeholder="org/name or /path/to/model", key="new_model")
        pressed = st.form_submit_button("Add", type="primary", icon=":material/add:")
    if pressed:
        try:
            model_picker.add_model(name)
        except EngineError as error:
            messages.show(error)
        else:
            st.rerun()


main()

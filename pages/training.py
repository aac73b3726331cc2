"""Bend a language model within seconds, watch it happen, and see what else broke."""

import streamlit as st

from ui import layout, links, progress
from ui.training import afterwards, live, server, settings, tokens


def main() -> None:
    tokens.style()
    layout.heading(
        "Train a bias",
        "Make a language model like some tokens more than others, live, and see what it costs everywhere else.",
    )
    server.jobs().warm(progress.session())
    _, view = server.current()
    settings.prepare(None if view is None else view.config)
    if view is None and server.JOB in st.query_params:
        st.query_params.pop(server.JOB)
        st.info("That run is no longer kept. Start a new one.", icon=":material/history:")
    settings.choose_preset()
    left, right = st.columns([3, 8], gap="large")
    with left, st.container(key="train_settings"):
        config = settings.config()
        if view is not None and not view.state.is_over:
            st.caption("Changes here count from the next run; learning rate and beta count at once.")
        if config is not None:
            links.copy_link(settings.link_parameters(config))
    with right:
        live.show(config, view)
    afterwards.show(view)


main()

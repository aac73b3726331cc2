"""The information lab: divergence, entropy and mutual information that one can move, then the same on the model."""

import streamlit as st

from ui import layout
from ui.lab import distributions, entropies, gaussians, mutual, neurons, panel, perplexity

PANELS = {
    "Distributions": distributions.show,
    "Gaussians": gaussians.show,
    "Perplexity": perplexity.show,
    "Entropy": entropies.show,
    "Mutual information": mutual.show,
    "In the model": neurons.show,
}

panel.style()
layout.heading(
    "Information lab", "Move the quantities that language models are judged by, until they hold no surprise."
)
chosen = st.segmented_control(
    "Panel",
    list(PANELS),
    default="Distributions",
    required=True,
    key="panel",
    bind="query-params",
    label_visibility="collapsed",
)
PANELS[chosen]()

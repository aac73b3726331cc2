"""One text, two models: where they agree, where they part, and by how much."""

from functools import partial
from typing import Literal

import numpy as np
import streamlit as st

from engine.evaluation import statistics
from engine.formatting import fixed, share
from engine.models import registry
from engine.models.request import ModelRequest
from engine.scoring.results import ModelComparison
from engine.strip import page as strip_page
from engine.text import alignment
from ui import (
    composer,
    engine_access,
    exports,
    layout,
    messages,
    model_picker,
    reading_options,
    selection,
    strip,
    tables,
)
from ui.figures import unity
from ui.layout import Fact
from ui.selection import Selection

GROUP = "unity"
KEYS = ("a", "a_precision", "b", "b_precision")


def main() -> None:
    layout.heading(
        "Two models, one text",
        "Set two models side by side, token by token: where they agree, where they part, and by how much.",
    )
    a, b = model_picker.pick_pair("model_pair", ("a", "b"), ("Model A", "Model B"), swap_button)
    settings: engine_access.Settings = {}
    text = composer.text_choice("Compare", lambda: settings.update(options()))
    if text is None:
        layout.empty_state("Nothing to compare yet", "Type or paste a text above, or drop a file, and press Compare.")
        return
    with messages.shown():
        comparison = engine_access.compare_models(a, b, text, **settings)
        summary(comparison)
        linked_view(comparison, a, b)
        html = partial(strip_page.comparison_html, comparison)
        exports.taking_away(comparison, "comparison", html, KEYS, strips=("d_", "a_", "b_"))


def swap_button() -> None:
    st.button("Swap", icon=":material/swap_horiz:", on_click=swap, key="swap", help="Exchange A and B")


def swap() -> None:
    state = st.session_state
    for key_a, key_b in zip(KEYS[:2], KEYS[2:], strict=True):
        state[key_a], state[key_b] = state[key_b], state[key_a]


def options() -> engine_access.PairSettings:
    with st.popover("Options", icon=":material/tune:", key="options"):
        return {
            "bos": reading_options.opening_token(),
            "special_tokens": reading_options.special_tokens(),
            "common_tokens": reading_options.common_tokens(),
        }


def summary(comparison: ModelComparison) -> None:
    line = "the line y = x; equal ones count on neither side."
    facts = [
        *correlation(comparison),
        Fact("Spearman", fixed(comparison.spearman, 3), "The same for ranks: does A find hard what B finds hard?"),
        Fact("Compared", f"{comparison.n_predicted:,}", "Pieces of text that both models predict."),
        Fact("B expects more", share(comparison.share_above), f"Share of pieces above {line}"),
        Fact("A expects more", share(comparison.share_below), f"Share of pieces below {line}"),
    ]
    if comparison.same_top1 is not None and comparison.kl_ab is not None:
        known = np.isfinite(comparison.kl_ab)
        same = float(comparison.same_top1[known].mean()) if known.any() else float("nan")
        kl = float(comparison.kl_ab[known].mean()) if known.any() else float("nan")
        facts += [
            Fact("Same first guess", share(same), "Share of positions where both would say the same token."),
            Fact("Mean KL(A‖B)", f"{fixed(kl, 3)} nats", "Nats lost per token when B stands in for A."),
        ]
    layout.facts(facts)
    st.caption(
        "Read with care: a larger model is not more confident on every token, and equal outputs do not mean equal "
        "mechanisms. Look at the tokens furthest from the line."
    )
    if comparison.kl_basis:
        st.caption(messages.plain(f"KL, JS and first guesses are over {comparison.kl_basis}."))
    elif comparison.kl_undefined_reason:
        st.caption(messages.plain(comparison.kl_undefined_reason))


def correlation(comparison: ModelComparison) -> list[Fact]:
    """Pearson's, and with two tokenizers also per character, since length alone correlates pieces of unequal length."""
    says = "Correlation of the two log-probabilities over the pieces both predict"
    if comparison.shared_vocabulary:
        return [Fact("Pearson", fixed(comparison.pearson, 3), f"{says}.")]
    lengths = np.diff(comparison.spans, axis=1)[:, 0]
    by_length = statistics.correlation_per_character(comparison.log_probs_a, comparison.log_probs_b, lengths)
    says += "; with two tokenizers pieces differ in length, and length alone correlates them."
    divided = "Pearson's correlation with each divided by the piece's characters."
    return [
        Fact("Pearson", fixed(comparison.pearson, 3), says),
        Fact("Per character", fixed(by_length, 3), divided),
    ]


@st.fragment
def linked_view(comparison: ModelComparison, a: ModelRequest, b: ModelRequest) -> None:
    read = comparison.a
    about = (read.model_key, comparison.b.model_key, read.text, read.bos, read.special_tokens, comparison.common_tokens)
    chosen = selection.current(GROUP, about=about)
    plot, apart = st.columns(2, gap="medium")
    with apart:
        difference(comparison, a, b, chosen)
    with plot:
        clicked = () if chosen.clicked is None else (chosen.clicked,)
        selection.chart(
            GROUP,
            "scatter",
            lambda marked: unity.scatter(comparison, theme=layout.theme(), marked=(*marked, *clicked)),
            lambda piece: (piece,),
            alt="Log-probability of each token under model A and under model B",
            modes=("points", "box", "lasso"),
        )
    for side, column in zip(("a", "b"), st.columns(2, gap="medium"), strict=True):
        with column:
            own_strip(comparison, side, chosen.tokens)
    table, divergence = st.columns(2, gap="medium")
    with table:
        layout.section("Largest differences", "Select rows to find them in the text.")
        selection.table(GROUP, "table", *tables.of_comparison(comparison))
    with divergence:
        selection.chart(
            GROUP,
            "divergence",
            lambda marked: unity.divergence(comparison, theme=layout.theme(), marked=marked),
            lambda token: (token,),
            alt="Divergence of the two predictions at each token",
        )


def difference(comparison: ModelComparison, a: ModelRequest, b: ModelRequest, chosen: Selection) -> None:
    layout.section("Difference", "Log-probability under B minus under A. Click a token for what each would have said.")
    events = strip.token_strip(
        engine_access.comparison_payload(comparison, "difference"),
        key="unity_difference",
        height=300,
        highlight=chosen.tokens,
        url_prefix="d_",
        link=GROUP,
    )
    opened = reading_options.both_opened(comparison, *(registry.resolve(model.name).title for model in (a, b)))
    if opened:
        st.caption(messages.plain(opened))
    if events.selected != chosen.clicked:
        selection.click(GROUP, events.selected)


def own_strip(comparison: ModelComparison, side: Literal["a", "b"], pieces: tuple[int, ...]) -> None:
    layout.section(f"Model {side.upper()}", getattr(comparison, side).model_title)
    strip.token_strip(
        engine_access.comparison_payload(comparison, side),
        key=f"unity_{side}",
        height=260,
        highlight=alignment.tokens_in(getattr(comparison, f"ranges_{side}"), pieces),
        report=False,
        url_prefix=f"{side}_",
        link=GROUP,
    )


main()

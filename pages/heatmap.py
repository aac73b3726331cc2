"""One text, one model: every token by how well it was predicted."""

from functools import partial

import streamlit as st

from engine.formatting import fixed
from engine.models import registry
from engine.models.request import ModelRequest
from engine.scoring.results import TextScores
from engine.strip import page as strip_page
from engine.units import to_bits
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
from ui.figures import series
from ui.layout import Fact

GROUP = "heatmap"
STRIP_HEIGHT = 420
TITLES = {name: quantity.title for name, quantity in series.QUANTITIES.items()}


def main() -> None:
    layout.heading(
        "Token heatmap",
        "See how well a language model predicts each token of a text, and what it expected instead.",
    )
    choice = model_picker.model_choice()
    settings: engine_access.Settings = {}
    text = composer.text_choice("Score", lambda: settings.update(options()))
    if text is None:
        layout.empty_state("Nothing to score yet", "Type or paste a text above, or drop a file, and press Score.")
        return
    with messages.shown():
        scores = engine_access.score_text(choice.name, choice.precision, text, **settings)
        summary(scores)
        linked_view(scores, choice)
        exports.taking_away(scores, "heatmap", partial(strip_page.scores_html, scores), ("model", "precision"))


def options() -> engine_access.Settings:
    with st.popover("Options", icon=":material/tune:", key="options"):
        bos, special_tokens = reading_options.opening_token(), reading_options.special_tokens()
        window = st.number_input(
            "Window (tokens)",
            min_value=8,
            value=None,
            placeholder="what the model reads at once",
            key="window",
            persist_state="session",
            help="A text that is longer is read in windows that overlap; each token is predicted once.",
        )
        stride = st.number_input(
            "Stride (tokens)",
            min_value=1,
            value=None,
            placeholder="half of the window",
            key="stride",
            persist_state="session",
            help="How far the window moves. Smaller gives each token more context and takes longer.",
        )
    return {"bos": bos, "special_tokens": special_tokens, "window": window, "stride": stride}


def summary(scores: TextScores) -> None:
    predicted, surprisal = int(scores.predicted.sum()), float(to_bits(-scores.mean_log_prob))
    layout.facts(
        [
            Fact("Tokens", f"{len(scores):,}", f"Pieces the tokenizer made of the text; {predicted:,} are predicted."),
            Fact("Perplexity", fixed(scores.perplexity), "As uncertain as a fair choice among this many tokens."),
            Fact("Bits per byte", fixed(scores.bits_per_byte), "Comparable between models with other tokenizers."),
            Fact("Mean surprisal", f"{fixed(surprisal)} bits", "−log₂ p, mean over tokens."),
        ]
    )
    if scores.window < len(scores):
        st.caption(f"Read in windows of {scores.window:,} tokens, {scores.stride:,} apart; each predicted once.")


@st.fragment
def linked_view(scores: TextScores, choice: ModelRequest) -> None:
    about = (scores.model_key, scores.text, scores.bos, scores.special_tokens, scores.window)
    chosen = selection.current(GROUP, about=about)
    events = strip.token_strip(
        engine_access.strip_payload(scores),
        key="heatmap_strip",
        height=STRIP_HEIGHT,
        highlight=chosen.tokens,
        announce=True,
    )
    if scores.opening_tokens:
        st.caption(messages.plain(reading_options.opened(scores, registry.resolve(choice.name).title)))
    if events.selected != chosen.clicked:
        selection.click(GROUP, events.selected)
    if not events.drawn:
        return
    strip.head_start("heatmap_strip", (scores.model_key, scores.text))
    charts(scores, chosen.clicked)
    with st.expander("All tokens as a table", icon=":material/table_rows:"):
        selection.table(GROUP, "table", *tables.of_scores(scores))


def charts(scores: TextScores, clicked: int | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="tools"):
        quantity = series.QUANTITIES[layout.choice("Charts show", TITLES, "chart_value", named=True)]
    along, spread = st.columns([3, 2], gap="medium")
    with along:
        selection.chart(
            GROUP,
            "line",
            lambda marked: series.per_token(scores, quantity, theme=layout.theme(), marked=marked, clicked=clicked),
            lambda token: (token,),
            alt=f"{quantity.title} of each token along the text",
        )
    with spread:
        selection.chart(
            GROUP,
            "histogram",
            lambda marked: series.histogram(scores, quantity, theme=layout.theme(), marked=marked, clicked=clicked),
            partial(series.tokens_in_bin, scores, quantity),
            alt=f"How many tokens have which {quantity.title.lower()}",
        )


main()

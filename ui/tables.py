"""Results as tables for the page. A table shows text as it is: nothing in it is interpreted."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine.scoring.results import ModelComparison, TextScores
from engine.units import to_bits

Table = tuple[pd.DataFrame, dict[str, Any]]
"""A frame whose index is the token or piece, and the columns' settings."""
Column = tuple[Any, Any]
"""Values (rows,) of a column, and its settings."""


def text(values: Any, title: str, **look: Any) -> Column:
    """A column of words under `title`; `look` is as in `st.column_config.TextColumn`."""
    return values, st.column_config.TextColumn(title, **look)


def number(values: Any, title: str, shape: str | None = "localized", **look: Any) -> Column:
    """A column of numbers written in `shape`, a format of `st.column_config.NumberColumn`."""
    return values, st.column_config.NumberColumn(title, format=shape, **look)


def of_columns(columns: Mapping[str, Column]) -> Table:
    """A table of columns, in order, by the names they have in the frame."""
    frame = pd.DataFrame({name: values for name, (values, _) in columns.items()})
    return frame, {name: settings for name, (_, settings) in columns.items()}


def height_of(rows: int, most: int) -> int:
    """Pixels of a table of so many rows, which scrolls inside beyond `most`."""
    return min(most, 38 + 35 * rows)


def chosen_row(table: Table, key: str, height: int, *, default: int = 0) -> int:
    """Show a table of which one row is always chosen, `default` at first, and return the row's number."""
    frame, columns = table
    event = st.dataframe(
        frame,
        column_config=columns,
        hide_index=True,
        height=height,
        key=key,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [default]}},
    )
    rows = event["selection"]["rows"]
    return int(rows[0]) if rows and rows[0] < len(frame) else default


def of_scores(scores: TextScores) -> Table:
    """All predicted tokens, the most surprising first."""
    columns = {
        "token": text([_quoted(token) for token in scores.tokens], "Token"),
        "position": number(np.arange(1, len(scores) + 1), "Position"),
        "surprisal": number(scores.surprisals_bits, "Surprisal (bits)", "%.2f"),
        "log_prob": number(scores.log_probs, "Log-prob (nats)", "%.3f"),
        "probability": number(scores.probabilities, "Probability", "%.4f"),
        "rank": number(scores.ranks, "Rank"),
        "tied": text(_tied(scores), "Tied", help="Tokens with equal logits share several ranks."),
        "entropy": number(to_bits(scores.entropies), "Entropy (bits)", "%.2f"),
        "expected": text([_quoted(names[0]) if names else "" for names in scores.top_tokens], "Expected most"),
    }
    if not scores.ties.any():
        del columns["tied"]
    frame, settings = of_columns(columns)
    return frame[scores.predicted].sort_values("surprisal", ascending=False), settings


def of_comparison(comparison: ModelComparison) -> Table:
    """All pieces that both models predict, the largest difference first."""
    columns = {
        "piece": text([_quoted(piece) for piece in comparison.span_texts()], "Token"),
        "position": number(np.arange(1, len(comparison.spans) + 1), "Position"),
        "difference": number(comparison.differences, "B − A (nats)", "%+.3f"),
        "log_prob_a": number(comparison.log_probs_a, "log p, A", "%.3f"),
        "log_prob_b": number(comparison.log_probs_b, "log p, B", "%.3f"),
    }
    if comparison.kl_ab is not None:
        columns["kl_ab"] = number(comparison.kl_ab, "KL(A‖B)", "%.4f")
        columns["js"] = number(comparison.js, "JS", "%.4f")
    frame, settings = of_columns(columns)
    both = frame[np.isfinite(comparison.differences)]
    return both.sort_values("difference", key=np.abs, ascending=False), settings


def _tied(scores: TextScores) -> list[str]:
    """The ranks that each token shares with others, e.g. '3 to 5 (tied)'; empty if it has one to itself."""
    pairs = zip(scores.ranks.tolist(), scores.ties.tolist(), strict=True)
    return [f"{rank:,} to {rank + ties:,} (tied)" if ties else "" for rank, ties in pairs]


def _quoted(piece: str) -> str:
    """`piece` between angle quotes, so that a space at its border is seen.

    >>> _quoted(" the")
    '‹ the›'
    """
    return f"‹{piece}›" if piece else ""

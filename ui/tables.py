"""Results as tables for the page. A table shows text as it is: nothing in it is interpreted."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from engine.scoring.results import ModelComparison, TextScores
from engine.units import to_bits

Table = tuple[pd.DataFrame, dict[str, Any]]
"""A frame whose index is the token or piece, and the columns' settings."""


def of_scores(scores: TextScores) -> Table:
    """All predicted tokens, the most surprising first."""
    known = scores.predicted
    frame = pd.DataFrame(
        {
            "token": [_quoted(token) for token in scores.tokens],
            "position": np.arange(1, len(scores) + 1),
            "surprisal": scores.surprisals_bits,
            "log_prob": scores.log_probs,
            "probability": scores.probabilities,
            "rank": scores.ranks,
            "entropy": to_bits(scores.entropies),
            "expected": [_quoted(names[0]) if names else "" for names in scores.top_tokens],
        }
    )[known]
    if scores.ties.any():
        frame.insert(list(frame).index("rank") + 1, "tied", _tied(scores)[known])
    columns = {
        "token": st.column_config.TextColumn("Token"),
        "position": st.column_config.NumberColumn("Position", format="localized"),
        "surprisal": st.column_config.NumberColumn("Surprisal (bits)", format="%.2f"),
        "log_prob": st.column_config.NumberColumn("Log-prob (nats)", format="%.3f"),
        "probability": st.column_config.NumberColumn("Probability", format="%.4f"),
        "rank": st.column_config.NumberColumn("Rank", format="localized"),
        "tied": st.column_config.TextColumn("Tied", help="Tokens with equal logits share several ranks."),
        "entropy": st.column_config.NumberColumn("Entropy (bits)", format="%.2f"),
        "expected": st.column_config.TextColumn("Expected most"),
    }
    return frame.sort_values("surprisal", ascending=False), columns


def of_comparison(comparison: ModelComparison) -> Table:
    """All pieces that both models predict, the largest difference first."""
    frame = pd.DataFrame(
        {
            "piece": [_quoted(text) for text in comparison.span_texts()],
            "position": np.arange(1, len(comparison.spans) + 1),
            "difference": comparison.differences,
            "log_prob_a": comparison.log_probs_a,
            "log_prob_b": comparison.log_probs_b,
        }
    )
    if comparison.kl_ab is not None:
        frame["kl_ab"] = comparison.kl_ab
        frame["js"] = comparison.js
    columns = {
        "piece": st.column_config.TextColumn("Token"),
        "position": st.column_config.NumberColumn("Position", format="localized"),
        "difference": st.column_config.NumberColumn("B − A (nats)", format="%+.3f"),
        "log_prob_a": st.column_config.NumberColumn("log p, A", format="%.3f"),
        "log_prob_b": st.column_config.NumberColumn("log p, B", format="%.3f"),
        "kl_ab": st.column_config.NumberColumn("KL(A‖B)", format="%.4f"),
        "js": st.column_config.NumberColumn("JS", format="%.4f"),
    }
    both = frame[np.isfinite(comparison.differences)]
    return both.sort_values("difference", key=np.abs, ascending=False), columns


def _tied(scores: TextScores) -> npt.NDArray[np.object_]:
    """(n,) the ranks that each token shares with others, e.g. '3 to 5 (tied)'; empty if it has one to itself."""
    pairs = zip(scores.ranks.tolist(), scores.ties.tolist(), strict=True)
    return np.array([f"{rank:,} to {rank + ties:,} (tied)" if ties else "" for rank, ties in pairs], dtype=object)


def _quoted(text: str) -> str:
    """`text` between angle quotes, so that a space at its border is seen.

    >>> _quoted(" the")
    '‹ the›'
    """
    return f"‹{text}›" if text else ""

"""The token strip as compact data for the browser.

The browser gets numbers and strings only and computes everything else (probability, surprisal, words, colours), so that
a reader can change the view without asking anyone. This module knows nothing of who shows the strip.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from engine.arrays import Floats, Ints
from engine.strip import graphemes
from engine.units import to_bits

if TYPE_CHECKING:  # results show themselves as strips
    from engine.scoring.results import ModelComparison, TextScores

Payload = dict[str, Any]
"""JSON-ready data of one strip; its fields are listed in `payload` and `comparison_payload`."""

_SIGNIFICANT_DIGITS = 4
_MOST_DECIMALS = 6


def payload(scores: TextScores, *, top_k: int | None = None) -> Payload:
    """Data of the strip of one reading.

    Parameters
    ----------
    scores : the reading, n tokens
    top_k : alternatives to carry for each token; None for all there are. They are most of the size: about 12 bytes
        each.

    Returns
    -------
    dict
        `strings` (each text once), `opening` (strings of the tokens put in front of the text), `token` (n indices into
        `strings`), `cell` and `word` (first tokens of cells, which are characters shown whole, and of words),
        `cell_text`, `columns` (log_prob and entropy in nats, rank; None where unpredicted), `ties` (number of other
        tokens of the same rank, by token index, where there are any) and `top` (k, and n * k indices and
        log-probabilities, a token after the other).
    """
    strings = _Strings()
    k = scores.top_ids.shape[1] if top_k is None else min(top_k, scores.top_ids.shape[1])
    return {
        "kind": "scores",
        "title": scores.model_title,
        **_layout(scores.text, scores.spans, [start for start, _ in scores.groups], strings),
        "opening": list(scores.opening_tokens),
        "token": strings.all(scores.tokens),
        "columns": {
            "log_prob": _rounded(scores.log_probs),
            "rank": _ranks(scores.ranks),
            "entropy": _rounded(scores.entropies),
        },
        "ties": _ties(scores),
        "top": {
            "k": k,
            "token": strings.all(name for names in scores.top_tokens for name in names[:k]),
            "log_prob": _rounded(scores.top_log_probs[:, :k].ravel()),
        },
        "strings": strings.table,
    }


def comparison_payload(comparison: ModelComparison, which: Literal["difference", "a", "b"] = "difference") -> Payload:
    """Data of one of the three strips of a comparison.

    Parameters
    ----------
    comparison : two readings of one text
    which : 'a' or 'b': the strip of that reading, on a colour scale that fits both, so that equal colours mean equal
        numbers. 'difference': log p_b - log p_a of every aligned span, and with a shared vocabulary the divergences,
        ranks (with `ties_a` and `ties_b`) and entropies of both and the tokens whose probability changed most
        (`changed`, as `top` in `payload`). `opening` is there if both models have the same tokens in front.
    """
    if which != "difference":
        shown = payload(comparison.a if which == "a" else comparison.b)
        return {**shown, "side": which, "domain": _shared_domain(comparison)}
    strings = _Strings()
    a, b, shared = comparison.a, comparison.b, comparison.shared_vocabulary
    groups = [start for start, _ in a.groups] if shared else list(range(len(comparison.spans)))
    return {
        "kind": "comparison",
        "title_a": a.model_title,
        "title_b": b.model_title,
        **_layout(a.text, comparison.spans, groups, strings),
        "opening": list(a.opening_tokens) if a.opening_tokens == b.opening_tokens else [],
        "token": strings.all(a.tokens if shared else comparison.span_texts()),
        "columns": _comparison_columns(comparison),
        **({"ties_a": _ties(a), "ties_b": _ties(b)} if shared else {}),
        "changed": _changed(comparison, strings),
        "strings": strings.table,
    }


class _Strings:
    """Each string once, in order of first use."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}

    def all(self, texts: Iterable[str]) -> list[int]:
        index = self._index
        return [index.setdefault(text, len(index)) for text in texts]

    @property
    def table(self) -> list[str]:
        return list(self._index)


def _layout(text: str, spans: Ints, groups: list[int], strings: _Strings) -> Payload:
    """What the strip builds its cells from; `signature` changes just when they must be built anew."""
    starts = graphemes.cell_starts(text, spans, groups)
    edges = [*starts, len(spans)]
    texts = graphemes.cell_texts(text, spans, edges)
    return {
        "signature": hashlib.sha256(json.dumps([texts, edges]).encode()).hexdigest()[:16],
        "monospace": graphemes.is_code("".join(texts)),
        "cell": starts,
        "word": [starts[at] for at in graphemes.word_starts(texts)],
        "cell_text": strings.all(texts),
    }


def _rounded(values: Floats) -> list[float | None]:
    """Values to four significant digits, at most six decimals; None for NaN and infinities, which JSON has not."""
    with np.errstate(divide="ignore"):
        magnitude = np.floor(np.log10(np.abs(np.nan_to_num(values))))
    decimals = np.clip(_SIGNIFICANT_DIGITS - 1 - magnitude, 0, _MOST_DECIMALS)
    scale = 10.0**decimals
    rounded = np.round(values * scale) / scale + 0.0
    return [value if math.isfinite(value) else None for value in rounded.tolist()]


def _ranks(ranks: Ints) -> list[int | None]:
    return [rank or None for rank in ranks.tolist()]


def _ties(scores: TextScores) -> dict[str, int]:
    return {str(i): int(scores.ties[i]) for i in np.flatnonzero(scores.ties)}


def _shared_domain(comparison: ModelComparison) -> dict[str, list[float]]:
    """Smallest and largest value of each quantity over both readings, in the strip's units: entropy in bits."""
    both = {
        "logprob": np.concatenate([comparison.a.log_probs, comparison.b.log_probs]),
        "entropy": to_bits(np.concatenate([comparison.a.entropies, comparison.b.entropies])),
    }
    both["prob"] = np.exp(both["logprob"])
    both["surprisal"] = to_bits(-both["logprob"])
    known = {name: values[np.isfinite(values)] for name, values in both.items()}
    return {name: [float(v.min()), float(v.max())] for name, v in known.items() if v.size}


def _comparison_columns(comparison: ModelComparison) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]]
    columns = {f"log_prob_{side}": _rounded(getattr(comparison, f"log_probs_{side}")) for side in "ab"}
    if not comparison.shared_vocabulary:
        pieces = {"pieces_a": comparison.ranges_a, "pieces_b": comparison.ranges_b}
        return columns | {name: (ranges[:, 1] - ranges[:, 0]).tolist() for name, ranges in pieces.items()}
    for side, scores in (("a", comparison.a), ("b", comparison.b)):
        columns[f"rank_{side}"] = _ranks(scores.ranks)
        columns[f"entropy_{side}"] = _rounded(scores.entropies)
    divergences = {name: getattr(comparison, name) for name in ("kl_ab", "kl_ba", "js")}
    return columns | {name: _rounded(values) for name, values in divergences.items() if values is not None}


def _changed(comparison: ModelComparison, strings: _Strings) -> Payload | None:
    names, in_a, in_b = comparison.changed_tokens, comparison.changed_log_probs_a, comparison.changed_log_probs_b
    if names is None or in_a is None or in_b is None:
        return None
    return {
        "k": in_a.shape[1],
        "token": strings.all(name for row in names for name in row),
        "log_prob_a": _rounded(in_a.ravel()),
        "log_prob_b": _rounded(in_b.ravel()),
    }

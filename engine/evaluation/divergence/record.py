"""A comparison of two models as arrays and JSON for the store, and back, so that tokens show without a model."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.arrays import Arrays, Ints
from engine.scoring.results import ModelComparison, TextScores

_SCORE_ARRAYS = ("token_ids", "spans", "log_probs", "ranks", "ties", "entropies", "top_ids", "top_log_probs")
_COMPARISON_ARRAYS = ("spans", "ranges_a", "ranges_b", "log_probs_a", "log_probs_b")
_SHARED_ARRAYS = (
    "kl_ab",
    "kl_ba",
    "js",
    "same_top1",
    "changed_ids",
    "changed_log_probs_a",
    "changed_log_probs_b",
    "outside_a",
    "outside_b",
)
_NARROW = frozenset({"entropies", "top_log_probs", "changed_log_probs_a", "changed_log_probs_b", "same_top1"})
"""Columns shown to four digits only: kept in half the bytes."""
_SETTINGS = ("model_key", "model_title", "window", "stride", "bos", "special_tokens")
_OPENING = ("opening_ids", "opening_tokens")
_FIRST_VERSION: Mapping[str, Any] = {"bos": "off", "special_tokens": False, "opening_ids": (), "opening_tokens": ()}
"""What runs of the first version do not say of themselves: they read every text as it is, with nothing in front."""
_NUMBERS = ("pearson", "spearman", "share_above", "share_below")


def to_record(comparison: ModelComparison) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and JSON-ready data from which `from_record` makes the comparison again, but for its text."""
    arrays = {}
    for name in (*_COMPARISON_ARRAYS, *_SHARED_ARRAYS):
        if getattr(comparison, name) is not None:
            arrays[name] = _narrowed(name, getattr(comparison, name))
    for side, scores in (("a", comparison.a), ("b", comparison.b)):
        arrays.update({f"{side}.{name}": _narrowed(name, getattr(scores, name)) for name in _SCORE_ARRAYS})
    data = {
        "a": _score_data(comparison.a),
        "b": _score_data(comparison.b),
        "changed_tokens": _strings(comparison.changed_ids, comparison.changed_tokens),
        "shared_vocabulary": comparison.shared_vocabulary,
        "kl_undefined_reason": comparison.kl_undefined_reason,
        "common_tokens": comparison.common_tokens,
        **{name: _none_for_nan(getattr(comparison, name)) for name in _NUMBERS},
    }
    return arrays, data


def from_record(arrays: Mapping[str, npt.NDArray[Any]], data: Mapping[str, Any], text: str) -> ModelComparison:
    """The comparison that `to_record` took apart; `text` is the text it is of."""
    widened = {name: _widened(array) for name, array in arrays.items()}
    fields: dict[str, Any] = {name: widened[name] for name in (*_COMPARISON_ARRAYS, *_SHARED_ARRAYS) if name in widened}
    fields |= {name: float("nan") if data[name] is None else data[name] for name in _NUMBERS}
    fields |= {name: data[name] for name in ("shared_vocabulary", "kl_undefined_reason")}
    fields["common_tokens"] = data.get("common_tokens")
    if "changed_ids" in fields:
        fields["changed_tokens"] = _table(widened["changed_ids"], data["changed_tokens"])
    return ModelComparison(a=_scores(widened, data["a"], "a", text), b=_scores(widened, data["b"], "b", text), **fields)


def _scores(arrays: Arrays, kept: Mapping[str, Any], side: str, text: str) -> TextScores:
    kept = {**_FIRST_VERSION, **kept}
    columns = {**arrays, f"{side}.ties": arrays.get(f"{side}.ties", np.zeros_like(arrays[f"{side}.ranks"]))}
    fields: dict[str, Any] = {name: columns[f"{side}.{name}"] for name in _SCORE_ARRAYS}
    fields |= {name: kept[name] for name in _SETTINGS}
    fields |= {name: tuple(kept[name]) for name in _OPENING}
    fields |= {"tokens": tuple(kept["tokens"]), "top_tokens": _table(fields["top_ids"], kept["top_tokens"])}
    return TextScores(text=text, **fields)


def _score_data(scores: TextScores) -> dict[str, Any]:
    return {
        **{name: getattr(scores, name) for name in (*_SETTINGS, *_OPENING)},
        "tokens": scores.tokens,
        "top_tokens": _strings(scores.top_ids, scores.top_tokens),
    }


def _strings(ids: Ints | None, names: Iterable[tuple[str, ...]] | None) -> dict[str, str]:
    """Each id's string once."""
    if ids is None or names is None:
        return {}
    flat = (name for row in names for name in row)
    return {str(token_id): name for token_id, name in zip(ids.ravel().tolist(), flat, strict=True)}


def _table(ids: Ints, strings: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(strings[str(token_id)] for token_id in row) for row in ids.tolist())


def _narrowed(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype == np.int64:
        return array.astype(np.int32)
    return array.astype(np.float32) if name in _NARROW else array


def _widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # Truth values are `same_top1` of runs kept before ties were shared out.
    wide = {np.dtype(np.int32): np.int64, np.dtype(np.float32): np.float64, np.dtype(np.bool_): np.float64}
    return array.astype(wide.get(array.dtype, array.dtype))


def _none_for_nan(value: float) -> float | None:
    return value if value == value else None

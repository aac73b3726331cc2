"""A comparison of two models as arrays and JSON for the store, and back, so that tokens show without a model."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import export
from engine.arrays import Arrays, Ints
from engine.scoring.results import ModelComparison, TextScores

_NARROW = frozenset({"entropies", "top_log_probs", "changed_log_probs_a", "changed_log_probs_b", "same_top1"})
"""Columns shown to four digits only: kept in half the bytes."""
_SETTINGS = ("model_key", "model_title", "window", "stride", "bos", "special_tokens")
_OPENING = ("opening_ids", "opening_tokens")
_FIRST_VERSION: Mapping[str, Any] = {"bos": "off", "special_tokens": False, "opening_ids": (), "opening_tokens": ()}
"""What runs of the first version do not say of themselves: they read every text as it is, with nothing in front."""
_NUMBERS = ("pearson", "spearman", "share_above", "share_below")
_FACTS = ("shared_vocabulary", "kl_undefined_reason", "common_tokens")


def to_record(comparison: ModelComparison) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and JSON-ready data from which `from_record` makes the comparison again, but for its text."""
    arrays = _arrays(comparison, "") | _arrays(comparison.a, "a.") | _arrays(comparison.b, "b.")
    data = {
        "a": _score_data(comparison.a),
        "b": _score_data(comparison.b),
        "changed_tokens": _strings(comparison.changed_ids, comparison.changed_tokens),
        **{name: getattr(comparison, name) for name in _FACTS},
        **export.json_ready({name: getattr(comparison, name) for name in _NUMBERS}),
    }
    return arrays, data


def from_record(arrays: Mapping[str, npt.NDArray[Any]], data: Mapping[str, Any], text: str) -> ModelComparison:
    """The comparison that `to_record` took apart; `text` is the text it is of."""
    widened = {name: _widened(array) for name, array in arrays.items()}
    found = _kept_arrays(ModelComparison, widened, "")
    found |= {name: float("nan") if data[name] is None else data[name] for name in _NUMBERS}
    found |= {name: data.get(name) for name in _FACTS}
    if "changed_ids" in found:
        found["changed_tokens"] = _table(found["changed_ids"], data["changed_tokens"])
    found |= {side: _scores(widened, data[side], f"{side}.", text) for side in ("a", "b")}
    return ModelComparison(**found)


def _scores(arrays: Arrays, kept: Mapping[str, Any], side: str, text: str) -> TextScores:
    kept = {**_FIRST_VERSION, **kept}
    found = _kept_arrays(TextScores, arrays, side)
    found.setdefault("ties", np.zeros_like(found["ranks"]))  # runs of earlier versions have none
    found |= {name: kept[name] for name in _SETTINGS}
    found |= {name: tuple(kept[name]) for name in (*_OPENING, "tokens")}
    return TextScores(text=text, top_tokens=_table(found["top_ids"], kept["top_tokens"]), **found)


def _score_data(scores: TextScores) -> dict[str, Any]:
    return {
        **{name: getattr(scores, name) for name in (*_SETTINGS, *_OPENING, "tokens")},
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


def _arrays(result: ModelComparison | TextScores, side: str) -> Arrays:
    """What of a result is an array, under the names it is kept by."""
    found = {field.name: getattr(result, field.name) for field in fields(result)}
    return {side + name: _narrowed(name, value) for name, value in found.items() if isinstance(value, np.ndarray)}


def _kept_arrays(kind: type[ModelComparison | TextScores], arrays: Arrays, side: str) -> dict[str, Any]:
    """The arrays of a result of that kind; what other versions kept beside them is left out."""
    return {field.name: arrays[side + field.name] for field in fields(kind) if side + field.name in arrays}


def _narrowed(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype == np.int64:
        return array.astype(np.int32)
    return array.astype(np.float32) if name in _NARROW else array


def _widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # Truth values are `same_top1` of runs kept before ties were shared out.
    wide = {np.dtype(np.int32): np.int64, np.dtype(np.float32): np.float64, np.dtype(np.bool_): np.float64}
    return array.astype(wide.get(array.dtype, array.dtype))

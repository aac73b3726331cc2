"""Results as JSON-ready values and as CSV."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def json_ready(value: Any) -> Any:
    """Copy of `value` made of dicts, lists, strings, numbers and None only. NaN and infinities become None.

    Examples
    --------
    >>> json_ready({"log_probs": np.array([np.nan, -1.5]), "ids": (1, 2)})
    {'log_probs': [None, -1.5], 'ids': [1, 2]}
    """
    if isinstance(value, np.ndarray | np.generic):
        return json_ready(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def csv_text(columns: Mapping[str, Iterable[Any]]) -> str:
    r"""Columns of equal length as CSV with a header line; NaN is an empty cell.

    Strings are written as JSON literals ('" the"', '"\\n"'): spaces and line ends at their borders survive, and no
    spreadsheet takes a token such as "=1+1" for a formula.

    Examples
    --------
    >>> csv_text({"start": [0, 2], "log_prob": [float("nan"), -1.5]})
    'start,log_prob\n0,\n2,-1.5\n'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    listed = [column.tolist() if isinstance(column, np.ndarray) else list(column) for column in columns.values()]
    writer.writerows([_cell(value) for value in row] for row in zip(*listed, strict=True))
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and math.isnan(value):
        return ""
    return value

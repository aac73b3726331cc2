"""Results that are kept: the last ones asked for, within a number and a limit of bytes."""

import dataclasses
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy as np


class Results:
    """Results by what they depend on. Not for several threads at once: whoever holds it locks.

    Parameters
    ----------
    most : how many are kept
    most_bytes : most bytes of numpy arrays in them; None for no limit
    """

    def __init__(self, most: int = 64, most_bytes: int | None = None) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()  # least recently asked for first

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def __getitem__(self, key: Hashable) -> Any:
        self._kept.move_to_end(key)
        return self._kept[key]

    def __setitem__(self, key: Hashable, result: object) -> None:
        self._kept[key] = result
        self._kept.move_to_end(key)
        while len(self._kept) > self._most or self._too_many_bytes():
            self._kept.popitem(last=False)

    def _too_many_bytes(self) -> bool:
        return self._most_bytes is not None and sum(map(_nbytes, self._kept.values())) > self._most_bytes


def _nbytes(result: object) -> int:
    """Bytes of the numpy arrays in a result, looking into dataclasses, tuples and lists."""
    if isinstance(result, np.ndarray):
        return result.nbytes
    if dataclasses.is_dataclass(result):
        return sum(_nbytes(getattr(result, field.name)) for field in dataclasses.fields(result))
    if isinstance(result, tuple | list):
        return sum(_nbytes(part) for part in result)
    return 0

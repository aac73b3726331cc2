"""Parquet files from their bytes, read in a process of their own (`parquet_reader`)."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine import errors
from engine.evaluation.corpora.records import Record, shown_name

_MARK = b"PAR1"
_READER = Path(__file__).with_name("parquet_reader.py")
_MOST_SECONDS = 120
_MOST_BYTES = 1_000_000_000
_STRING_TYPES = ("string", "large_string", "string_view")


def is_parquet(data: bytes) -> bool:
    """Whether a file's bytes are marked as Parquet at both ends."""
    return len(data) >= 12 and data.startswith(_MARK) and data.endswith(_MARK)


class Parquet:
    """A Parquet file: its columns' names, and what is in them.

    Parameters
    ----------
    data : the file's bytes
    most_rows : more are refused

    Raises
    ------
    InputError
        The bytes are damaged, there are too many rows, or a column is too large once unpacked.
    """

    def __init__(self, data: bytes, most_rows: int) -> None:
        if not is_parquet(data):
            raise errors.InputError("The file is not a complete Parquet file. Choose another, or save it again.")
        self._data = data
        self._most_rows = most_rows
        said = self._ask()
        self.names: list[str] = said["names"]
        self._types: dict[str, str] = dict(zip(said["names"], said["types"], strict=True))
        self._rows: int = said["rows"]
        if self._rows > most_rows:
            raise errors.InputError(f"The file has {self._rows:,} rows; the limit is {most_rows:,}. Split it.")

    def strings(self, name: str) -> Iterator[str | None]:
        """A column of strings, None if a cell is empty."""
        kind = self._types[name]
        if not any(kind == plain or kind.startswith(f"dictionary<values={plain},") for plain in _STRING_TYPES):
            raise errors.InputError(f"Column {shown_name(name)!r} holds {kind}, not text. Choose another column.")
        said = self._ask(columns=[name], texts=True)
        known = said["known"]
        return (None if place is None else known[place] for place in said["places"])

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        """Rows as objects with those of `names` that the file has."""
        rows = self._ask(columns=list(names)).get("records", [{}] * self._rows)
        return (Record(f"Row {number}", row) for number, row in enumerate(rows, start=1))

    def _ask(self, **wanted: Any) -> dict[str, Any]:
        limits = {"most_rows": self._most_rows, "most_bytes": _MOST_BYTES}
        command = [sys.executable, "-I", str(_READER), json.dumps({**limits, **wanted})]
        try:
            done = subprocess.run(command, input=self._data, capture_output=True, timeout=_MOST_SECONDS, check=False)
            said: dict[str, Any] = json.loads(done.stdout)
        except (ValueError, OSError, subprocess.TimeoutExpired):  # it took its process down, or never ends
            said = {"error": "it is damaged"}
        if "error" in said:
            raise errors.InputError(f"The Parquet file cannot be read ({said['error']}). Save it again.")
        if "large" in said:
            raise errors.InputError(f"The file's texts take more than {_MOST_BYTES // 10**6:,} MB unpacked. Split it.")
        return said

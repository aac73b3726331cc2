"""Records out of texts: JSON lines, JSON, CSV and TSV. `parquet` does the same for Parquet.

A record is what such a file lists: a string, or an object with named values. What it means is for `corpus` and
`engine.evaluation.hellaswag.items` to say. Every fault of a file is an `InputError` that says where it is.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import errors, formatting

_DELIMITERS = (",", ";", "\t")
_JSON_SPACE = re.compile(r"[ \t\n\r]*")
_MOST_NAMES_SHOWN = 12


class NestedTooDeepError(errors.InputError):
    """JSON with more levels than can be read."""


@dataclass(frozen=True, slots=True)
class Record:
    """One string or object of a file, and where it stands there ("Line 7")."""

    where: str
    value: Any

    @property
    def inside(self) -> str:
        """`where` within a sentence."""
        return self.where[0].lower() + self.where[1:]


def shown_names(names: Sequence[str]) -> str:
    """Names of columns or keys for a message: quoted, cut short."""
    shown = ", ".join(repr(shown_name(name)) for name in names[:_MOST_NAMES_SHOWN])
    return shown + (f" and {len(names) - _MOST_NAMES_SHOWN} more" if len(names) > _MOST_NAMES_SHOWN else "")


def shown_name(name: str) -> str:
    """A name cut to what a message has room for."""
    return name if len(name) <= 40 else name[:37] + "..."


def json_lines(text: str) -> Iterator[Record]:
    r"""One JSON value per line; lines end with \n, \r\n or \r and with nothing else.

    U+2028, U+2029 and U+0085 may stand inside a JSON string as they are, so `str.splitlines` would cut records.
    """
    for number, line in enumerate(lines_of(text), start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                raise errors.InputError(
                    f"Line {number} is not JSON. Each line must be one JSON object or string."
                ) from None
            yield Record(f"Line {number}", value)


def lines_of(text: str) -> list[str]:
    r"""Lines, which end with \n, \r\n or, as on old Macs, \r."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def loaded(line: str) -> Any:
    """The JSON value of a line, or None if it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def json_records(text: str, is_record: Callable[[Mapping[str, Any]], bool]) -> list[Record]:
    """Records of a JSON file: an array, an object with one array in it, or objects one after the other.

    `is_record` says of an object whether it is a record itself rather than the wrapper of an array.
    """
    documents = json_documents(text)
    if len(documents) > 1:
        return documents
    value = documents[0].value
    if isinstance(value, dict) and not is_record(value):
        arrays = [entry for entry in value.values() if isinstance(entry, list)]
        value = arrays[0] if len(arrays) == 1 else value
    entries = value if isinstance(value, list) else [value]
    return [Record(f"Entry {number}", entry) for number, entry in enumerate(entries, start=1)]


def json_documents(text: str) -> list[Record]:
    """The JSON values of `text`, one after the other with nothing but white space between them."""
    decoder = json.JSONDecoder()
    found: list[Record] = []
    start = _after_space(text, 0)
    line = 1 + text.count("\n", 0, start)
    while start < len(text):
        try:
            value, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise errors.InputError(f"The file is not complete JSON: {error.msg} on line {error.lineno:,}.") from None
        except ValueError:
            raise errors.InputError("The JSON holds a number that is too long to read.") from None
        except RecursionError:
            raise NestedTooDeepError("The JSON is nested too deeply to be read.") from None
        found.append(Record(f"Line {line}", value))
        after = _after_space(text, end)
        line += text.count("\n", start, after)
        start = after
    if not found:
        raise errors.InputError("There is nothing in the file.")
    return found


def _after_space(text: str, start: int) -> int:
    match = _JSON_SPACE.match(text, start)
    return match.end() if match else start


def delimiter_of(text: str) -> str:
    r"""What separates the cells of a table: whichever of comma, semicolon and tab makes most cells of its first line.

    Examples
    --------
    >>> delimiter_of("text;mark\nRead, then sleep;3")
    ';'
    """
    return max(_DELIMITERS, key=lambda delimiter: _columns(text, delimiter))


def _columns(text: str, delimiter: str) -> int:
    try:
        return len(next(_cells(text, delimiter, csv.QUOTE_MINIMAL), (0, []))[1])
    except errors.InputError:
        return 0


def table(text: str, delimiter: str) -> tuple[list[str], Iterator[Record]]:
    """Column names of a table with a header line, and its rows as objects.

    If tabs separate the cells and quotation marks do not pair up, they are taken as they are: many such files know
    no quoting.
    """
    as_they_are = delimiter == "\t" and not is_even(text, delimiter)
    rows = _even(_cells(text, delimiter, csv.QUOTE_NONE if as_they_are else csv.QUOTE_MINIMAL))
    _, header = next(rows, (0, []))
    names = [name.strip() for name in header]
    twice = [name for place, name in enumerate(names) if name and name in names[:place]]
    if twice:
        raise errors.InputError(f"Two columns are called {shown_name(twice[0])!r}. Rename one of them.")
    return names, (Record(f"Line {number}", dict(zip(names, row, strict=True))) for number, row in rows)


def is_even(text: str, delimiter: str) -> bool:
    """Whether `text` is a table in which every row has as many cells as the header."""
    try:
        return sum(1 for _ in _even(_cells(text, delimiter, csv.QUOTE_MINIMAL))) > 1
    except errors.InputError:
        return False


def _even(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    width = 0
    for number, row in rows:
        width = width or len(row)
        if len(row) != width:
            raise errors.InputError(
                f"Line {number:,} of the table has {formatting.counted(len(row), 'cell')}, its first line {width:,}. "
                "A cell that holds the delimiter or a line break must stand in quotation marks."
            )
        yield number, row


def _cells(text: str, delimiter: str, quoting: int) -> Iterator[tuple[int, list[str]]]:
    """Each row's first line number and its cells; blank lines are left out."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a long text in a cell is what we are here for
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise errors.InputError(f"Line {number:,} of the table cannot be read: {error}.") from None
        if row is None:
            return
        if row:
            yield number, row

"""The form of a text if nobody has named it: JSON and tables are told from prose that looks a little like them."""

import re
from typing import Any, Literal

from engine import errors
from engine.evaluation.corpora import records

Form = Literal["auto", "whole", "paragraphs", "lines", "jsonl", "json", "csv"]
FORMS: tuple[Form, ...] = ("auto", "whole", "paragraphs", "lines", "jsonl", "json", "csv")
TEXT_NAMES = (
    "text",
    "content",
    "body",
    "sentence",
    "document",
    "article",
    "passage",
    "paragraph",
    "story",
    "prompt",
    "completion",
)
"""Names of columns that hold texts in the data sets people have, most usual first."""

# Beginnings that no prose has: an array of objects or of strings, an object.
_JSON_BEGINNING = re.compile(r'\[\s*\{\s*"|\[\s*"(?:[^"\\\n]|\\.)*"\s*,\s*"|\{\s*"(?:[^"\\\n]|\\.)*"\s*:')
_COLUMN_NAME = re.compile(r"[\w.-](?:[\w .-]{0,38}[\w.-])?")


def recognised(text: str) -> Form:
    r"""The form of `text`: JSON or a table only if it is clearly that, else plain text in paragraphs.

    Examples
    --------
    >>> recognised('[{"text": "a"}]')
    'json'
    >>> recognised("[Enter Hamlet]")
    'paragraphs'
    """
    start = text.lstrip()
    if start[:1] in {"{", '"'} and _are_json_lines(text):
        return "jsonl"
    if start[:1] in {"{", "["} and (_is_json(start) or _JSON_BEGINNING.match(start)):
        return "json"
    return "csv" if _is_table(text.lstrip("\r\n")) else "paragraphs"


def _are_json_lines(text: str) -> bool:
    """Whether the first line is a JSON object, or all lines are JSON; quoted speech may open a text too."""
    lines = (line for line in records.lines_of(text) if line.strip())
    first = records.loaded(next(lines))
    if isinstance(first, dict):
        return next(lines, None) is not None
    return isinstance(first, str) and all(isinstance(records.loaded(line), str | dict) for line in lines)


def _is_json(text: str) -> bool:
    """Whether all of `text` is JSON with strings or objects in it: "[1]" alone is more likely a reference."""
    try:
        documents = records.json_documents(text)
    except records.NestedTooDeepError:
        return True
    except errors.InputError:
        return False
    return any(_holds_text(document.value) for document in documents)


def _holds_text(value: Any) -> bool:
    if isinstance(value, list):
        return not value or any(isinstance(entry, str | dict | list) for entry in value)
    return isinstance(value, str | dict)


def _is_table(text: str) -> bool:
    """Whether `text` has a header line of plain names, one of them a text's, and as many cells in every row."""
    first = records.lines_of(text[:10_000])[0]
    delimiter = records.delimiter_of(first)
    names = [name.strip('"') for name in first.split(delimiter)]
    if len(names) < 2 or not all(_COLUMN_NAME.fullmatch(name) for name in names[not names[0] :]):
        return False
    return any(name.casefold() in TEXT_NAMES for name in names) and records.is_even(text, delimiter)

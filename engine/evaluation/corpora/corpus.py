"""A corpus of texts, from a file or a text field.

It reads plain text, JSON lines, JSON, CSV and TSV with a header line, and Parquet. The column (or key) with the texts
is 'text'; if there is none, the only one named in `TEXT_NAMES`; else the person names it.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

from engine import errors
from engine.evaluation.corpora import records
from engine.evaluation.corpora.forms import TEXT_NAMES, Form, recognised
from engine.evaluation.corpora.parquet import Parquet, is_parquet
from engine.evaluation.corpora.records import Record
from engine.text import texts

MOST_TEXTS = 100_000
MOST_CHARACTERS = 500_000_000
_FORM_OF_ENDING: dict[str, Form] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
}
_PLAIN: dict[Form, str] = {
    "whole": "plain text, all of it one text",
    "paragraphs": "plain text, split at blank lines",
    "lines": "plain text, one text per line",
}
_AS_IT_STANDS = "To read it as plain text, say how to split it (at blank lines, one text per line, or not at all)."


class ColumnError(errors.InputError):
    """Which column or key holds the texts is not clear; `names` are those there are."""

    def __init__(self, message: str, names: Sequence[str]) -> None:
        super().__init__(message)
        self.names = tuple(names)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts in order, and `notes` for a person: one sentence each, the first on how the texts were read."""

    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over the texts and their borders."""
        return digest(self.texts)


_Found = tuple[Iterable[tuple[str, str | None]], str]
"""Texts of a file before they are checked: where each stands and what it is, and what the file was read as."""


def digest(pieces: Sequence[str]) -> str:
    """SHA-256 of texts in order; where one ends matters.

    Examples
    --------
    >>> digest(["ab", "c"]) == digest(["a", "bc"])
    False
    """
    found = hashlib.sha256()
    for piece in pieces:
        data = piece.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()


def read_corpus(text: str, form: Form = "auto", column: str | None = None) -> Corpus:
    r"""Split `text` into texts.

    Parameters
    ----------
    text
        What was typed or pasted, or the content of a text file.
    form
        'whole': one text. 'paragraphs': split at blank lines. 'lines': one per line. 'jsonl': one JSON object with a
        'text', or one JSON string, per line. 'json': an array of such objects or strings, alone or in an object. 'csv':
        a table with a header line, its cells separated by commas, semicolons or tabs. 'auto': what it clearly is, else
        'paragraphs'.
    column
        Which column or key holds the texts; by default 'text' or the only one of `TEXT_NAMES`.

    Raises
    ------
    InputError
        There is no text, or a line is malformed; the message names it.

    Examples
    --------
    >>> read_corpus("One text.\n\nAnother.").texts
    ('One text.', 'Another.')
    >>> read_corpus('["One text.", "Another."]').texts
    ('One text.', 'Another.')
    """
    return _corpus(*_found(text, form, column))


def read_corpus_file(data: bytes, name: str = "", form: Form = "auto", column: str | None = None) -> Corpus:
    """Split a file into texts.

    Parameters
    ----------
    data
        The file's bytes: Parquet, or text in UTF-8, or in UTF-16 or UTF-32 with its byte order mark.
    name
        What the file is called: its ending says the form if `form` is 'auto'. Empty for standard input.
    form, column
        As for `read_corpus`. Parquet is known by its bytes, whatever `form` says.

    Raises
    ------
    InputError
        As `read_corpus`; or the bytes are neither text nor Parquet.
    """
    ending = PurePath(name).suffix.casefold()
    if is_parquet(data) or ending in {".parquet", ".pq"}:
        return _corpus(*_in_parquet(Parquet(data, MOST_TEXTS), column))
    decoded = texts.decode(data)
    if form == "auto":
        form = _FORM_OF_ENDING.get(ending, "auto")
    found, read_as = _found(decoded.text, form, column)
    return _corpus(found, f"{read_as}; {decoded.encoding}")


def repeated_note(found: Sequence[str]) -> tuple[str, ...]:
    """A note if texts occur more than once: they count each time, so errors come out too small."""
    repeats = len(found) - len(set(found))
    if not repeats:
        return ()
    verb = "is" if repeats == 1 else "are"
    return (
        f"{repeats:,} of {len(found):,} texts {verb} a repetition; each counts, so the stated errors are too small.",
    )


def choose_column(names: Sequence[str], column: str | None) -> str:
    """The name of the column or key that holds the texts.

    Raises
    ------
    ColumnError
        None does, or several may; the message says which there are.
    """
    if column is not None:
        if column in names:
            return column
        message = f"There is no {records.shown_name(column)!r}; there are {records.shown_names(names)}."
        raise ColumnError(message, names)
    known = {name: name.strip().casefold() for name in names}
    found = [name for name in names if known[name] in TEXT_NAMES]
    titled_text = [name for name in found if known[name] == "text"]
    if len(titled_text or found) == 1:
        return (titled_text or found)[0]
    advice = "Call the one that holds the texts 'text', or choose it (--column on the command line)."
    if found:
        raise ColumnError(f"{records.shown_names(found)} may each hold the texts. {advice}", names)
    have = f"there are {records.shown_names(names)}" if names else "there are none"
    raise ColumnError(f"No column or key is called 'text'; {have}. {advice}", names)


def _corpus(found: Iterable[tuple[str, str | None]], read_as: str) -> Corpus:
    kept: list[str] = []
    empty = characters = 0
    for where, piece in found:
        if piece is None or not piece.strip():
            empty += where != ""  # plain text has blank lines, which are no records
            continue
        texts.check_text(piece, where or f"text {len(kept) + 1:,}")
        kept.append(piece)
        characters += len(piece)
        if len(kept) > MOST_TEXTS:
            raise errors.InputError(f"The corpus has more than {MOST_TEXTS:,} texts, which is the limit. Split it.")
        if characters > MOST_CHARACTERS:
            raise errors.InputError(f"The corpus has more than {MOST_CHARACTERS:,} characters. Split it.")
    if not kept:
        raise errors.InputError("There are no texts: the corpus is empty. Paste some text or choose a file.")
    return Corpus(tuple(kept), (f"Read as {read_as}.", *_empty_note(empty, len(kept)), *repeated_note(kept)))


def _empty_note(empty: int, kept: int) -> tuple[str, ...]:
    if not empty:
        return ()
    verbs = ("holds", "is") if empty == 1 else ("hold", "are")
    return (f"{empty:,} of {empty + kept:,} records {verbs[0]} no text and {verbs[1]} left out.",)


def _found(text: str, form: Form, column: str | None) -> _Found:
    text = text.lstrip("\ufeff")
    if form == "auto":
        form = recognised(text)
    if form == "jsonl":
        return _in_records(lambda: records.json_lines(text), "JSON lines", column)
    if form == "json":
        return _in_records(lambda: records.json_records(text, partial(_is_record, column)), "JSON", column)
    if form == "csv":
        return _in_table(text, column)
    if column is not None:
        raise errors.InputError(f"Plain text has no column {column!r}. Leave it out, or say which form the file has.")
    return (("", piece) for piece in _pieces(text, form)), _PLAIN[form]


def _is_record(column: str | None, entry: Mapping[str, Any]) -> bool:
    wanted = TEXT_NAMES if column is None else (column,)
    return any(isinstance(value, str) and key.strip().casefold() in wanted for key, value in entry.items()) or (
        column is not None and isinstance(entry.get(column), str)
    )


def _pieces(text: str, form: Form) -> list[str]:
    lines = records.lines_of(text)
    if form == "whole":
        return ["\n".join(lines)]
    if form == "lines":
        return [line.strip() for line in lines]
    pieces: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            pieces[-1].append(line)
        elif pieces[-1]:
            pieces.append([])
    return ["\n".join(piece) for piece in pieces]


def _in_records(read: Callable[[], Iterable[Record]], title: str, column: str | None) -> _Found:
    """Texts of strings and objects; the first object decides which key holds them."""
    try:
        listed = list(read())
    except errors.InputError as error:
        raise errors.InputError(f"{error} {_AS_IT_STANDS}") from None
    first = next((record.value for record in listed if isinstance(record.value, dict)), None)
    key = None if first is None else choose_column(list(first), column)
    read_as = f"{title}, a list of strings" if key is None else f'{title}, key "{records.shown_name(key)}"'
    return (_text_in(record, key) for record in listed), read_as


def _text_in(record: Record, key: str | None) -> tuple[str, str | None]:
    value = record.value
    if isinstance(value, str):
        return record.inside, value
    if not isinstance(value, dict):
        raise errors.InputError(f"{record.where} is neither a text in quotation marks nor an object. {_AS_IT_STANDS}")
    text = value.get(key, False)
    if text is not None and not isinstance(text, str):
        raise errors.InputError(f"{record.where} lacks a {key!r} that is a string.")
    return record.inside, text


def _in_table(text: str, column: str | None) -> _Found:
    text = text.lstrip("\r\n")
    delimiter = records.delimiter_of(text)
    names, rows = records.table(text, delimiter)
    name = choose_column(names, column)
    title = "TSV" if delimiter == "\t" else "CSV"
    return ((row.inside, row.value[name]) for row in rows), f'{title}, column "{records.shown_name(name)}"'


def _in_parquet(file: Parquet, column: str | None) -> _Found:
    name = choose_column(file.names, column)
    found = ((f"row {number}", text) for number, text in enumerate(file.strings(name), start=1))
    return found, f'Parquet, column "{records.shown_name(name)}"'

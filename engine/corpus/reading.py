"""A corpus of texts out of a file or a text field."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine import errors, texts

Form = Literal["auto", "whole", "paragraphs", "lines", "jsonl"]
FORMS: tuple[Form, ...] = ("auto", "whole", "paragraphs", "lines", "jsonl")
MOST_TEXTS = 100_000


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts in order, and what a person should know of them (`notes`: one sentence each)."""

    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over the texts and their borders."""
        return digest(self.texts)


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


def read_corpus(text: str, form: Form = "auto") -> Corpus:
    r"""Split `text` into texts.

    Parameters
    ----------
    text
        The content of a file.
    form
        'whole': one text. 'paragraphs': blank lines part texts. 'lines': one a line. 'jsonl': one JSON object with a
        'text', or one JSON string, a line. 'auto': 'jsonl' where the first line is JSON, else 'paragraphs'.

    Raises
    ------
    InputError
        There is no text, or a line is malformed; the message names it.

    Examples
    --------
    >>> read_corpus("One text.\n\nAnother.").texts
    ('One text.', 'Another.')
    """
    text = text.lstrip("\ufeff").replace("\r\n", "\n")
    if form == "auto":
        form = "jsonl" if _is_json(text.lstrip().split("\n", 1)[0]) else "paragraphs"
    found = [piece for piece in _pieces(text, form) if piece.strip()]
    if not found:
        raise errors.InputError("There are no texts: the corpus is empty. Paste some text or choose a file.")
    if len(found) > MOST_TEXTS:
        raise errors.InputError(f"The corpus has {len(found):,} texts; the limit is {MOST_TEXTS:,}. Split it.")
    for piece in found:
        texts.check_text(piece)
    return Corpus(tuple(found), repeated_note(found))


def repeated_note(found: Sequence[str]) -> tuple[str, ...]:
    """A note where texts occur more than once: they count each time, so errors come out too small."""
    repeats = len(found) - len(set(found))
    if not repeats:
        return ()
    plural = "texts are" if repeats > 1 else "text is"
    return (f"{repeats:,} of {len(found):,} {plural} a repetition; each counts, so the stated errors are too small.",)


def _pieces(text: str, form: Form) -> list[str]:
    if form == "whole":
        return [text]
    if form == "lines":
        return [line.strip() for line in text.split("\n")]
    if form == "jsonl":
        return [_from_json(line, number) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return _paragraphs(text)


def _paragraphs(text: str) -> list[str]:
    pieces: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            pieces[-1].append(line)
        elif pieces[-1]:
            pieces.append([])
    return ["\n".join(lines) for lines in pieces]


def _from_json(line: str, number: int) -> str:
    try:
        value = json.loads(line)
    except ValueError:
        raise errors.InputError(f"Line {number} is not JSON, but the first line is.") from None
    text = value.get("text") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise errors.InputError(f"Line {number} lacks a 'text' that is a string.")
    return text


def _is_json(line: str) -> bool:
    """Whether a line is a JSON object or string, as a record is; a bare number is more likely text."""
    if line[:1] not in {"{", '"'}:
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True

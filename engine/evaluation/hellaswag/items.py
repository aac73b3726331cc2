"""HellaSwag items: read from the official records (JSON lines, JSON, Parquet), the six-line text form, or the hub.

An item is a context and four endings, one of them the true one. Context and endings are prepared as
lm-evaluation-harness prepares them, because that convention is the one published figures follow.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from engine import errors
from engine.evaluation.corpora import records
from engine.evaluation.corpora.parquet import Parquet, is_parquet
from engine.evaluation.corpora.records import Record
from engine.text import texts

ENDINGS = 4
COLUMNS = ("activity_label", "ctx_a", "ctx_b", "ctx", "endings", "label")
MOST_ITEMS = 100_000
_FRAGMENT = re.compile(r"(?<=[.!?] )[a-z][^.!?]*$")


@dataclass(frozen=True, slots=True)
class HellaSwagItem:
    """One question: which of four `endings` follows `context`? `label` is the true one's index, 0 to 3."""

    context: str
    endings: tuple[str, str, str, str]
    label: int


def preprocess(text: str) -> str:
    """Clean a piece of HellaSwag as lm-evaluation-harness does.

    Examples
    --------
    >>> preprocess("Sit down [title] Rest [note] well.")
    'Sit down. Rest well.'
    """
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


@dataclass(frozen=True, slots=True)
class ItemSet:
    """Items in order, and what a person should know of them (`notes`: one sentence each)."""

    items: tuple[HellaSwagItem, ...]
    notes: tuple[str, ...] = ()


class OddItemError(errors.InputError):
    """One item cannot be used; others of its file may be."""


def read_item_set(text: str, *, capitalise: bool = True) -> ItemSet:
    """Items from `text`, in whichever form it is.

    An item that cannot be used (not four endings, an empty one, no label or one out of range) is left out, and a note
    counts them.

    Parameters
    ----------
    text
        JSONL with `activity_label`, `ctx_a`, `ctx_b` (or `ctx`), `endings`, `label` on each line, or the same as a
        JSON array; or six lines per item: context, label, four endings.
    capitalise
        For the six-line form, which has lost the border between `ctx_a` and `ctx_b`: capitalise the last sentence
        if it opens with a lower-case letter, as lm-evaluation-harness capitalises `ctx_b`.

    Raises
    ------
    InputError
        The text is empty or malformed, or no item of it can be used; the message names the line.
    """
    text = text.lstrip("\ufeff")
    start = text.lstrip()
    if not start:
        raise _no_items()
    if start[0] in "[{":
        lines = _are_json_lines(start)
        return _from_records(records.json_lines(text) if lines else records.json_records(text, _is_record))
    return _collected(_checked_item, _six_lines(records.lines_of(text), capitalise))


def read_items_file(data: bytes, name: str = "", *, capitalise: bool = True) -> ItemSet:
    """Items from a file's bytes: Parquet with the official columns, or text as `read_item_set` takes it.

    Raises
    ------
    InputError
        As `read_item_set`; or the bytes are neither text nor Parquet.
    """
    if is_parquet(data) or PurePath(name).suffix.casefold() in {".parquet", ".pq"}:
        return _from_records(Parquet(data, MOST_ITEMS).records(COLUMNS))
    return read_item_set(texts.decode(data).text, capitalise=capitalise)


def _are_json_lines(text: str) -> bool:
    """Whether the first line is a whole object, and either an item or not the only one."""
    first, *others = records.lines_of(text)
    value = records.loaded(first)
    return isinstance(value, dict) and (_is_record(value) or any(line.strip() for line in others))


def _is_record(entry: Any) -> bool:
    return "endings" in entry


def _from_records(found: Iterable[Record]) -> ItemSet:
    return _collected(item_from_record, ((record.value, record.where) for record in found))


def _collected(make: Callable[..., HellaSwagItem], parts: Iterable[tuple[Any, ...]]) -> ItemSet:
    """An item of each of `parts`; one that cannot be made does not end the rest."""
    good: list[HellaSwagItem] = []
    odd: list[OddItemError] = []
    for part in parts:
        try:
            good.append(make(*part))
        except OddItemError as error:
            odd.append(error)
        if len(good) + len(odd) > MOST_ITEMS:
            raise errors.InputError(f"The file has more than {MOST_ITEMS:,} items. Split it.")
    if not good and not odd:
        raise _no_items()
    if not odd:
        return ItemSet(tuple(good))
    if not good:
        alone = "" if len(odd) == 1 else f"None of the {len(odd):,} items can be used. "
        raise errors.InputError(f"{alone}{odd[0]}")
    are = "is" if len(odd) == 1 else "are"
    count = len(good) + len(odd)
    return ItemSet(tuple(good), (f"{len(odd):,} of {count:,} items {are} left out as unusable. {odd[0]}",))


def _no_items() -> errors.InputError:
    return errors.InputError("There are no items: the file is empty. Give HellaSwag's JSONL or its six-line form.")


def item_from_record(record: Any, where: str) -> HellaSwagItem:
    """One official record as an item; `where` opens the message of an error ("Line 7").

    Raises
    ------
    OddItemError
        A value is missing or wrong.
    InputError
        The record is no JSON object at all.
    """
    if not isinstance(record, dict):
        raise errors.InputError(f"{where} is not a JSON object. Each record must be one HellaSwag item.")
    context = _context(record)
    endings, label = record.get("endings"), record.get("label")
    missing = [key for key, value in (("ctx", context), ("endings", endings), ("label", label)) if value is None]
    if missing:
        raise OddItemError(
            f"{where} lacks {' and '.join(repr(key) for key in missing)}. An item needs ctx_a and ctx_b (or ctx), "
            "endings and label."
        )
    if not isinstance(endings, Sequence) or isinstance(endings, str) or not all(isinstance(e, str) for e in endings):
        raise OddItemError(f"{where}: endings must be a list of {ENDINGS} strings.")
    cleaned = tuple(preprocess(ending) for ending in endings)
    return _checked_item(str(context), cleaned, _index(label), where)


def _index(label: Any) -> str:
    """A label as it is written; tables with an empty cell in the column hold 3 as 3.0."""
    return str(int(label) if isinstance(label, float) and label.is_integer() else label).strip()


def _context(record: dict[str, Any]) -> str | None:
    activity = record.get("activity_label")
    if isinstance(record.get("ctx_a"), str):
        context = record["ctx_a"] + " " + str(record.get("ctx_b") or "").capitalize()
    elif isinstance(record.get("ctx"), str):
        context = record["ctx"]
    else:
        return None
    return preprocess(f"{activity}: {context}" if activity else context)


def _six_lines(lines: Sequence[str], capitalise: bool) -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    """Context, endings, label and place of each item."""
    filled = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    for start in range(0, len(filled), 2 + ENDINGS):
        block = filled[start : start + 2 + ENDINGS]
        number = block[0][0]
        if len(block) < 2 + ENDINGS:
            raise errors.InputError(
                f"Line {number}: the last item has {len(block)} of 6 lines. An item is a context, a label and "
                f"{ENDINGS} endings, one per line."
            )
        context, label, *endings = (line for _, line in block)
        where = f"Line {block[1][0]}"
        if not label.removeprefix("-").isdecimal():  # a line too many or too few: what follows is out of step too
            raise errors.InputError(f"{where}: the label is {label[:40]!r}; it must be 0, 1, 2 or 3.")
        if capitalise:
            context = _FRAGMENT.sub(lambda match: match[0].capitalize(), context)
        yield context, tuple(endings), label, where


def _checked_item(context: str, endings: tuple[str, ...], label: str, where: str) -> HellaSwagItem:
    if len(endings) != ENDINGS:
        raise OddItemError(f"{where} has {len(endings)} endings; HellaSwag has {ENDINGS}.")
    if not context.strip() or not all(ending.strip() for ending in endings):
        raise OddItemError(f"{where}: the context or an ending is empty after cleaning.")
    if label not in {"0", "1", "2", "3"}:
        raise OddItemError(f"{where}: the label is {label[:40]!r}; it must be 0, 1, 2 or 3.")
    try:
        for piece in (context, *endings):
            texts.check_text(piece)
    except errors.TextError as error:
        raise OddItemError(f"{where}: {str(error)[0].lower()}{str(error)[1:]}") from None
    first, second, third, fourth = endings
    return HellaSwagItem(context, (first, second, third, fourth), int(label))

"""HellaSwag items: read from the official JSONL, the six-line text form, or the hub.

An item is a context and four endings, one of them the true one. Context and endings are prepared as
lm-evaluation-harness prepares them, because that convention is the one published figures follow.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine import errors

ENDINGS = 4
REQUIRED_KEYS = ("ctx", "endings", "label")
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


def read_items(text: str, *, capitalise: bool = True) -> tuple[HellaSwagItem, ...]:
    """Items from `text`, in whichever of the two forms it is.

    Parameters
    ----------
    text
        JSONL with `activity_label`, `ctx_a`, `ctx_b` (or `ctx`), `endings`, `label` on each line; or six lines an
        item: context, label, four endings.
    capitalise
        For the six-line form, which has lost the border between `ctx_a` and `ctx_b`: capitalise the last sentence
        where it opens with a lower-case letter, as lm-evaluation-harness capitalises `ctx_b`.

    Raises
    ------
    InputError
        The text is empty or malformed; the message names the line.
    """
    if not text.strip():
        raise errors.InputError("There are no items: the file is empty. Give HellaSwag's JSONL or its six-line form.")
    lines = text.lstrip("\ufeff").splitlines()
    first = next(line for line in lines if line.strip())
    reader = _from_jsonl(lines) if first.lstrip().startswith("{") else _from_six_lines(lines, capitalise)
    items = []
    for item in reader:
        items.append(item)
        if len(items) > MOST_ITEMS:
            raise errors.InputError(f"The file has more than {MOST_ITEMS:,} items. Split it.")
    return tuple(items)


def _from_jsonl(lines: Sequence[str]) -> Iterator[HellaSwagItem]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            raise errors.InputError(f"Line {number} is not JSON. Each line must be one HellaSwag item.") from None
        yield item_from_record(record, f"Line {number}")


def item_from_record(record: Any, where: str) -> HellaSwagItem:
    """One official record as an item; `where` opens the message of an error ("Line 7")."""
    if not isinstance(record, dict):
        raise errors.InputError(f"{where} is not a JSON object. Each line must be one HellaSwag item.")
    context = _context(record)
    present = {"ctx": context, "endings": record.get("endings"), "label": record.get("label")}
    missing = [key for key in REQUIRED_KEYS if present[key] is None]
    if missing:
        raise errors.InputError(
            f"{where} lacks {' and '.join(repr(key) for key in missing)}. An item needs ctx_a and ctx_b (or ctx), "
            "endings and label."
        )
    endings = present["endings"]
    if not isinstance(endings, Sequence) or isinstance(endings, str) or not all(isinstance(e, str) for e in endings):
        raise errors.InputError(f"{where}: endings must be a list of {ENDINGS} strings.")
    return _checked_item(str(context), tuple(preprocess(ending) for ending in endings), present["label"], where)


def _context(record: dict[str, Any]) -> str | None:
    activity = record.get("activity_label")
    if isinstance(record.get("ctx_a"), str):
        context = record["ctx_a"] + " " + str(record.get("ctx_b") or "").capitalize()
    elif isinstance(record.get("ctx"), str):
        context = record["ctx"]
    else:
        return None
    return preprocess(f"{activity}: {context}" if activity else context)


def _from_six_lines(lines: Sequence[str], capitalise: bool) -> Iterator[HellaSwagItem]:
    filled = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    for start in range(0, len(filled), 2 + ENDINGS):
        block = filled[start : start + 2 + ENDINGS]
        number = block[0][0]
        if len(block) < 2 + ENDINGS:
            raise errors.InputError(
                f"Line {number}: the last item has {len(block)} of 6 lines. An item is a context, a label and "
                f"{ENDINGS} endings, one a line."
            )
        context, label, *endings = (line for _, line in block)
        if capitalise:
            context = _FRAGMENT.sub(lambda match: match[0].capitalize(), context)
        yield _checked_item(context, tuple(endings), label, f"Line {block[1][0]}")


def _checked_item(context: str, endings: tuple[str, ...], label: Any, where: str) -> HellaSwagItem:
    if len(endings) != ENDINGS:
        raise errors.InputError(f"{where} has {len(endings)} endings; HellaSwag has {ENDINGS}.")
    if not context.strip() or not all(ending.strip() for ending in endings):
        raise errors.InputError(f"{where}: the context or an ending is empty after cleaning.")
    if str(label).strip() not in {"0", "1", "2", "3"}:
        raise errors.InputError(f"{where}: the label is {str(label)[:40]!r}; it must be 0, 1, 2 or 3.")
    first, second, third, fourth = endings
    return HellaSwagItem(context, (first, second, third, fourth), int(str(label).strip()))


def to_jsonl(items: Sequence[HellaSwagItem]) -> str:
    """Items as JSONL that `read_items` reads back to the same items."""
    return "".join(
        json.dumps({"ctx": item.context, "endings": list(item.endings), "label": item.label}, ensure_ascii=False) + "\n"
        for item in items
    )

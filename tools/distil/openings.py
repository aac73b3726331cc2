"""What texts begin with: templates and word lists of our own (openings.toml), filled by a seeded generator.

Several hundred thousand openings of each kind can be drawn; the model's sampling multiplies them further.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ParameterError

_FILE = Path(__file__).with_name("openings.toml")
_ARTICLE = re.compile(r"\b([Aa]) (?=[AEIOUaeiou])")
_PLACEHOLDER = re.compile(r"\{(?:(\d+)-(\d+)|(\w+))\}")


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text("utf-8"))


def kinds() -> tuple[str, ...]:
    """Names of the kinds of opening."""
    return tuple(_tables()["kinds"])


def is_chat(kind: str) -> bool:
    """Whether openings of this kind are instructions to answer rather than beginnings to go on with."""
    return bool(_kind(kind).get("chat", False))


def draw(kind: str, generator: np.random.Generator) -> str:
    r"""One opening.

    Examples
    --------
    >>> draw("dialogue", np.random.default_rng(1))
    'Linda: Have you heard what happened to the poet in Vienna?\nAdam: No, what?\nLinda:'
    """
    templates = _kind(kind)["templates"]
    opening = _filled(templates[generator.integers(len(templates))], generator, {})
    return _ARTICLE.sub(r"\1n ", opening)


def ways(kind: str) -> int:
    """In how many ways the templates of a kind can be filled, lists inside lists counted as drawn apart."""
    return sum(_ways(template) for template in _kind(kind)["templates"])


def _kind(name: str) -> dict[str, Any]:
    if name not in kinds():
        raise ParameterError(f"There is no kind of opening called {name!r}. There are {', '.join(kinds())}.")
    found: dict[str, Any] = _tables()["kinds"][name]
    return found


def _filled(template: str, generator: np.random.Generator, chosen: dict[str, str]) -> str:
    """`template` with its placeholders filled; `chosen` holds what each list has given so far."""

    def value(match: re.Match[str]) -> str:
        low, high, name = match.groups()
        if name is None:
            return str(generator.integers(int(low), int(high) + 1))
        key = _list_of(name)
        if key not in chosen:
            entries = _tables()["lists"][key]
            chosen[key] = _filled(entries[generator.integers(len(entries))], generator, chosen)
        return chosen[key] if key == name else chosen[key][0].upper() + chosen[key][1:]

    return _PLACEHOLDER.sub(value, template)


def _list_of(name: str) -> str:
    """Name of the list a placeholder stands for: {Topic} is {topic} at the beginning of a line."""
    return name if name in _tables()["lists"] else name.lower()


def _ways(template: str) -> int:
    total = 1
    for low, high, name in {match.groups() for match in _PLACEHOLDER.finditer(template)}:
        entries = [] if name is None else _tables()["lists"][_list_of(name)]
        total *= int(high) - int(low) + 1 if name is None else sum(map(_ways, entries))
    return total

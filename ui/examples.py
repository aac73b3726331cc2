"""The texts that come with the app, in assets/examples, in the order of their file names."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine import paths

_FOLDER = paths.ASSETS / "examples"


@dataclass(frozen=True)
class Example:
    """One text: its name in links, its title for people, and itself."""

    name: str
    title: str
    text: str


@cache
def examples() -> tuple[Example, ...]:
    """All of them; the first is what a fresh visitor sees.

    Examples
    --------
    >>> examples()[0].name
    'correlation'
    """
    return tuple(_read(file) for file in sorted(_FOLDER.glob("*.txt")))


def _read(file: Path) -> Example:
    name = file.stem.split("-", 1)[1]
    text = file.read_text(encoding="utf-8").rstrip("\n")
    return Example(name, name.replace("-", " ").capitalize(), text)

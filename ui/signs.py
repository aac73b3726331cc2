"""Signs for white space that layout does not show: assets/signs.json, one table for charts, lists and the strip."""

import json

from engine import paths

SIGNS: dict[str, str] = json.loads((paths.ASSETS / "signs.json").read_text(encoding="utf-8"))
_ALL = str.maketrans(SIGNS)
_BUT_SPACES = str.maketrans({character: sign for character, sign in SIGNS.items() if character != " "})


def with_signs(text: str, *, spaces: bool = True) -> str:
    r"""The text with a sign for each line break and tab, and for each space unless they are to stay.

    >>> with_signs(" a\tb"), with_signs(" a\n", spaces=False)
    ('␣a⇥b', ' a↵')
    """
    return text.translate(_ALL if spaces else _BUT_SPACES)

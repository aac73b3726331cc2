"""The colours of the whole application, read once from assets/palette.json.

The strip, the charts and .streamlit/config.toml share them. Stops run from the low value to the high one. In both
themes darker means better predicted on `sequential`; on `surprise` the high end stands out from the page.
"""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from engine import paths

Theme = Literal["light", "dark"]
PALETTE_FILE = paths.ASSETS / "palette.json"


@dataclass(frozen=True)
class Palette:
    """Colours of one theme, each as '#rrggbb'."""

    background: str
    surface: str
    sunken: str
    text: str
    muted: str
    border: str
    """Hairlines that carry no meaning."""
    control: str
    """Outlines of controls: 3:1 against the background."""
    accent: str
    on_accent: str
    model_a: str
    model_b: str
    sequential: tuple[str, ...]
    """9 stops for log-probability and its like; darker is better predicted."""
    surprise: tuple[str, ...]
    """9 stops for entropy, surprisal and divergence; further from the page is more."""
    diverging: tuple[str, ...]
    """11 stops for a difference B - A: from model A's colour, if A is better, over a neutral sixth to model B's."""
    rank: tuple[str, ...]
    """4 buckets: up to the first rank threshold, ..., beyond the last."""


@cache
def palette(theme: Theme = "light") -> Palette:
    """Colours of a theme.

    Examples
    --------
    >>> len(palette("dark").diverging)
    11
    """
    colours: dict[str, Any] = json.loads(PALETTE_FILE.read_text(encoding="utf-8"))[theme]
    fields: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in colours.items()}
    return Palette(**fields)

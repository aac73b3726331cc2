"""Sliders and bars that speak while they are dragged, as components of our own.

Streamlit's slider reports when it is let go; here the picture follows the finger. A panel reads the values first,
draws, and mounts the component last, into a place kept above: what it mounts says which values the page now shows, and
only then does the browser send the next. Values live in the session, so that a panel comes back as it was left, and in
the page's address.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from ui import components, palette
from ui.palette import Theme

_mount_sliders = components.component("lab/sliders")
_mount_bars = components.component("lab/bars")


@dataclass(frozen=True, slots=True)
class Slider:
    """One slider. `name` is its parameter in the address, unique on the page."""

    name: str
    label: str
    low: float
    high: float
    home: float
    step: float


def slider_values(key: str, sliders: Sequence[Slider]) -> dict[str, float]:
    """Current values of a group: as dragged last, else as the address says, else each one's home."""
    kept: dict[str, float] = st.session_state.setdefault(f"{key}-kept", {})
    sent = _sent(key).get("values") or {}
    for slider in sliders:
        wanted = sent.get(slider.name)
        known = kept.get(slider.name, _number(st.query_params.get(slider.name), slider.home))
        kept[slider.name] = min(slider.high, max(slider.low, _number(wanted, known)))
    return {slider.name: kept[slider.name] for slider in sliders}


def mount_sliders(key: str, sliders: Sequence[Slider], values: dict[str, float]) -> None:
    """Draw the group; `values` are what the page shows now."""
    rows = [asdict(slider) | {"value": values[slider.name]} for slider in sliders]
    _mount_sliders(key=key, data={"sliders": rows, **_turn(key)}, on_values_change=lambda: None)


def bar_values(key: str, home: tuple[list[float], list[float]]) -> tuple[list[float], list[float]]:
    """P and Q: as dragged last, else as the address says (p=.1,.9), else `home`. Not checked: measures do that."""
    kept: dict[str, list[float]] = st.session_state.setdefault(f"{key}-kept", {})
    sent = _sent(key)
    for side, start in zip(("p", "q"), home, strict=True):
        wanted = sent.get(side)
        if isinstance(wanted, list) and all(isinstance(value, (int, float)) for value in wanted):
            kept[side] = [float(value) for value in wanted]
        elif side not in kept:
            kept[side] = parsed_numbers(st.query_params.get(side, "")) or list(start)
    return kept["p"], kept["q"]


def set_bars(key: str, p: Sequence[float], q: Sequence[float]) -> None:
    """Replace P and Q from the server, e.g. by a preset."""
    st.session_state[f"{key}-kept"] = {"p": list(p), "q": list(q)}
    st.session_state[f"{key}-epoch"] = _epoch(key) + 1


def mount_bars(key: str, p: list[float], q: list[float], home: tuple[list[float], list[float]], theme: Theme) -> None:
    """Draw the bars of P and Q."""
    colours = palette.palette(theme)
    data = {
        "p": p,
        "q": q,
        "home": {"p": home[0], "q": home[1]},
        "colours": {"p": colours.model_a, "q": colours.model_b},
        **_turn(key),
    }
    _mount_bars(key=key, data=data, on_values_change=lambda: None)


def parsed_numbers(text: str) -> list[float]:
    """Numbers separated by commas, semicolons or spaces; empty if one of them is none.

    >>> parsed_numbers(".1, .9")
    [0.1, 0.9]
    """
    try:
        return [float(part) for part in text.replace(",", " ").replace(";", " ").split()]
    except ValueError:
        return []


def _sent(key: str) -> dict[str, Any]:
    """What the browser sent last; nothing if the server has set the values since."""
    sent: dict[str, Any] = (st.session_state.get(key) or {}).get("values") or {}
    return sent if sent.get("epoch") == _epoch(key) else {}


def _turn(key: str) -> dict[str, Any]:
    """Which values the page now shows, and how often the server has set them."""
    return {"seen": _sent(key).get("stamp", 0), "epoch": _epoch(key)}


def _epoch(key: str) -> int:
    return int(st.session_state.get(f"{key}-epoch", 0))


def _number(wanted: Any, otherwise: float) -> float:
    try:
        value = float(wanted)
    except (TypeError, ValueError):
        return otherwise
    return value if math.isfinite(value) else otherwise

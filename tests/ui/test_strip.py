"""The strip on a page: what is sent when, and the colours it draws with."""

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.paths import ROOT
from ui import palette

THEMES: tuple[palette.Theme, ...] = ("light", "dark")
RAMPS = ("sequential", "surprise", "diverging", "rank")
SCRIPT = "tests/e2e/strip_app.py"
AA = 4.5


def linear(colour: str | tuple[float, ...]) -> np.ndarray:
    """Linear RGB of '#rrggbb' or of 0..255 values."""
    values = [int(colour[at : at + 2], 16) for at in (1, 3, 5)] if isinstance(colour, str) else colour
    c = np.asarray(values, dtype=float) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def luminance(colour: str | tuple[float, ...]) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(a: str | tuple[float, ...], b: str | tuple[float, ...]) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def drawn(stops: tuple[str, ...]) -> list[tuple[float, ...]]:
    """The colours between the stops, as assets/strip/scales.js mixes them."""
    rgb = np.array([[int(stop[at : at + 2], 16) for at in (1, 3, 5)] for stop in stops], dtype=float)
    places = np.linspace(0, len(stops) - 1, 64)
    return [tuple(np.round([np.interp(at, range(len(stops)), rgb[:, c]) for c in range(3)])) for at in places]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ramp", RAMPS)
def test_text_is_readable_on_every_cell_colour(theme: palette.Theme, ramp: str) -> None:
    stops = getattr(palette.palette(theme), ramp)
    for colour in stops if ramp == "rank" else drawn(stops):
        ink = "#000000" if luminance(colour) > 0.1791 else "#ffffff"
        assert contrast(colour, ink) >= AA


@pytest.mark.parametrize("theme", THEMES)
def test_text_accents_and_models_are_readable_on_every_surface(theme: palette.Theme) -> None:
    colours = palette.palette(theme)
    for surface in (colours.background, colours.surface, colours.sunken):
        for text in (colours.text, colours.muted, colours.accent, colours.model_a, colours.model_b):
            assert contrast(text, surface) >= AA
    assert contrast(colours.on_accent, colours.accent) >= AA
    assert contrast(colours.control, colours.background) >= 3


@pytest.mark.parametrize("theme", THEMES)
def test_scales_are_told_apart_by_lightness_alone(theme: palette.Theme) -> None:
    colours = palette.palette(theme)

    def steps(stops: tuple[str, ...]) -> np.ndarray:
        return np.diff([luminance(stop) for stop in stops])

    assert (steps(colours.sequential) < 0).all()  # darker is better predicted, in both themes
    towards = -1 if theme == "light" else 1  # more surprising stands out from the page
    assert (towards * steps(colours.surprise) > 0).all()
    assert (towards * steps(colours.rank) > 0).all()
    assert (towards * steps(colours.diverging[5:]) > 0).all()
    assert (towards * steps(colours.diverging[5::-1]) > 0).all()


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
COLOUR_VISION = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", COLOUR_VISION)
def test_the_two_models_differ_for_every_colour_vision(theme: palette.Theme, vision: str) -> None:
    colours = palette.palette(theme)
    seen = np.array(COLOUR_VISION[vision])
    pairs = [(colours.model_a, colours.model_b)]
    pairs += [(colours.diverging[at], colours.diverging[-1 - at]) for at in (0, 1, 2, 3)]
    for a, b in pairs:
        difference = np.cbrt(np.clip(seen @ linear(a), 0, 1)) - np.cbrt(np.clip(seen @ linear(b), 0, 1))
        assert np.abs(difference).max() > 0.15


@pytest.fixture(scope="module")
def app() -> AppTest:
    return AppTest.from_file(str(ROOT / SCRIPT), default_timeout=30)


def sent(app: AppTest) -> list[dict[str, Any]]:
    """Data of the strip and of its remote."""
    return [json.loads(element.proto.json) for element in app.get("bidi_component")]


def test_marking_tokens_leaves_the_large_data_untouched(app: AppTest) -> None:
    app.run()
    before, remote = sent(app)
    assert remote == {"kind": "remote", "key": "strip", "highlight": [], "selected": None}
    app.multiselect(key="mark").set_value([2, 3]).run()
    after, remote = sent(app)
    assert not app.exception
    assert after == before
    assert remote["highlight"] == [2, 3]
    app.multiselect(key="mark").set_value([]).run()


def test_a_picked_token_is_forgotten_with_the_text_it_was_in(app: AppTest) -> None:
    app.run()
    signature = sent(app)[0]["signature"]
    app.session_state["strip"] = {"selected": {"signature": signature, "token": 2}}
    app.run()
    assert app.text[0].value == "selected 2"
    app.session_state["strip"] = {"selected": {"signature": "of another text", "token": 2}}
    app.run()
    assert app.text[0].value == "selected None"

"""Server settings that safety rests on, and one palette for page, strip and charts."""

import tomllib

import pytest

from engine.paths import ROOT
from ui import palette

CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_has_the_colours_of_the_palette(theme: palette.Theme) -> None:
    colours = palette.palette(theme)
    page = CONFIG["theme"][theme]
    assert page["primaryColor"] == page["linkColor"] == colours.accent
    assert page["backgroundColor"] == colours.background
    assert page["textColor"] == colours.text
    assert page["borderColor"] == colours.border
    assert page["chartCategoricalColors"] == [colours.model_a, colours.model_b]


def test_server_listens_to_this_machine_only_and_tells_nobody() -> None:
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert CONFIG["server"]["allowedHosts"] == ["127.0.0.1", "localhost"]
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["client"]["showErrorDetails"] == "none"
    assert CONFIG["server"]["maxUploadSize"] <= 2
    assert not CONFIG["server"].keys() & {"enableXsrfProtection", "enableCORS"}

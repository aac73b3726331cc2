"""One table of signs for white space, wherever a token is written."""

import pytest

from engine.strip import page
from ui import signs
from ui.figures import base
from ui.training import tokens


@pytest.mark.parametrize("character", [" ", "\t", "\n", "\r"])
def test_charts_and_lists_draw_white_space_with_the_same_sign(character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(tokens.st, "html", drawn.append)
    tokens.chips([character], more=0)
    sign = signs.SIGNS[character]
    assert f"<li>{sign}</li>" in drawn[0]
    assert base.token_label(character) == sign


@pytest.mark.parametrize(("name", "character"), [("tab", "\t"), ("newline", "\n")])
def test_the_strips_style_sheet_draws_them_too(name: str, character: str) -> None:
    assert f'--sign-{name}: "{signs.SIGNS[character]}";' in page.style()
    assert f"content: var(--sign-{name});" in page.style()


def test_only_a_leading_space_of_a_chart_label_gets_a_sign() -> None:
    assert base.token_label(" a b\t") == "␣a b⇥"

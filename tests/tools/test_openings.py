"""Openings are varied, whole and seeded."""

import numpy as np
import pytest

from engine.errors import ParameterError
from tools.distil import openings

FILLED = [kind for kind in openings.kinds() if kind != "free"]


@pytest.mark.parametrize("kind", FILLED)
def test_openings_are_whole_and_hardly_ever_repeat(kind: str) -> None:
    generator = np.random.default_rng(0)
    drawn = [openings.draw(kind, generator) for _ in range(500)]
    assert not any("{" in opening or "}" in opening for opening in drawn)
    assert len(set(drawn)) > 0.95 * len(drawn)
    assert openings.ways(kind) > 200_000


def test_the_same_seed_gives_the_same_openings() -> None:
    one, same, other = ([openings.draw("chat", g) for _ in range(5)] for g in map(np.random.default_rng, (1, 1, 2)))
    assert one == same != other


def test_a_list_gives_one_value_in_an_opening_and_a_capital_where_it_is_asked_for() -> None:
    small, again, capital = openings._filled("{topic}|{topic}|{Topic}", np.random.default_rng(0), {}).split("|")
    assert small == again
    assert capital == small[0].upper() + small[1:]


def test_an_article_fits_its_noun() -> None:
    generator = np.random.default_rng(0)
    drawn = " ".join(openings.draw("chat", generator) for _ in range(300))
    assert " an architect" in drawn
    assert " a architect" not in drawn


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ParameterError, match="chat"):
        openings.draw("limerick", np.random.default_rng(0))

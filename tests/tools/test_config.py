"""Recipes are read whole or refused with a sentence; the shipped ones are what they say."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import InputError, ParameterError
from tools.distil import config, openings, student
from tools.distil.config import Recipe, Student

SHIPPED = Path(config.__file__).parent


def parameters(shape: Student, vocab_size: int) -> int:
    block = 12 * shape.width**2 + 13 * shape.width
    return (vocab_size + shape.context) * shape.width + shape.layers * block + 2 * shape.width


@pytest.mark.parametrize("name", ["gpt2-mini.toml", "toy.toml"])
def test_shipped_recipes_are_read_and_know_their_openings(name: str) -> None:
    recipe = config.read(SHIPPED / name)
    assert set(recipe.sampling.kinds) <= set(openings.kinds())
    assert any(openings.is_chat(kind) for kind in recipe.sampling.kinds)


def test_gpt2_mini_has_fewer_than_18_million_parameters_and_fits_36_megabytes(recipe: Recipe) -> None:
    shape = config.read(SHIPPED / "gpt2-mini.toml").student
    assert parameters(shape, 49_152) == 17_453_056
    assert 2 * parameters(shape, 49_152) < 36_000_000
    assert student.parameters(student.build(recipe.student, 257, 256, 0)) == parameters(recipe.student, 257)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("clip = 1.0", "clip = 1.0\nclap = 2", "unknown key 'clap'"),
        ("clip = 1.0\n", "", "lacks 'clip'"),
        ("steps = 60", 'steps = "60"', "must be of type int"),
        ("seed = 3", "seed = ", "not TOML"),
    ],
)
def test_a_faulty_recipe_is_refused_by_name(recipe_file: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "faulty.toml"
    path.write_text(recipe_file.read_text().replace(old, new))
    with pytest.raises(InputError, match=said):
        config.read(path)


@pytest.mark.parametrize(
    ("old", "new"), [("rows = 24", "rows = 99_999"), ("heads = 2", "heads = 3"), ("weight = 0.8", "weight = 1.2")]
)
def test_values_that_do_not_go_together_are_refused(recipe_file: Path, tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "faulty.toml"
    path.write_text(recipe_file.read_text().replace(old, new))
    with pytest.raises(ParameterError):
        config.read(path)


def test_a_digest_follows_the_sections_it_is_of(recipe: Recipe) -> None:
    other = replace(recipe, training=replace(recipe.training, steps=61))
    assert recipe.digest("sampling") == other.digest("sampling")
    assert recipe.digest("sampling", "training") != other.digest("sampling", "training")
    assert recipe.digest("sampling") != replace(recipe, seed=4).digest("sampling")

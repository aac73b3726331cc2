"""A card says what was measured and nothing better; an artefact is whole and can be checked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from tools.distil import card, export, goals
from tools.distil.card import Facts
from tools.distil.config import Recipe
from tools.distil.export import GoalsNotMetError


def estimate(value: float, error: float | None = 0.01) -> dict[str, float | None]:
    return {"value": value, "error": error, "error_by_text": None}


def text_part(perplexity_ratio: float, bits_ratio: float, pearson: float) -> dict[str, Any]:
    return {
        "tokens": 1000,
        "perplexity_base": estimate(10.0),
        "perplexity_candidate": estimate(10.0 * perplexity_ratio),
        "bits_per_byte_base": estimate(0.8),
        "bits_per_byte_candidate": estimate(0.8 * bits_ratio),
        "pearson": pearson,
        "statistics": {"kl": estimate(0.5), "same_top1": estimate(0.6)},
    }


def good() -> dict[str, Any]:
    one = {"megabytes": 9.0, "kl": estimate(0.02), "same_top1": estimate(0.9), "seconds_ratio": 1.5}
    return {
        "held_out": text_part(2.4, 1.3, 0.86),
        "wikitext": text_part(5.0, 1.4, 0.7),
        "hellaswag": {
            "models": [{"items": 90, "acc_norm": estimate(0.4)}, {"items": 90, "acc_norm": estimate(0.27, 0.005)}]
        },
        "mauve": {"absent": "Left out by the recipe."},
        "quantised": {role: {"int8": one, "nf4": one} for role in ("teacher", "student")},
        "speed": {"tokens": 1000, "threads": 2, "teacher_seconds": 4.1, "student_seconds": 1.0, "ratio": 4.1},
    }


def worse(part: str, key: str, value: Any) -> dict[str, Any]:
    figures = good()
    figures[part] = {**figures[part], key: value}
    return figures


MISSES = [
    worse("held_out", "perplexity_candidate", estimate(25.1)),
    worse("held_out", "pearson", 0.849),
    worse("wikitext", "bits_per_byte_candidate", estimate(1.21)),
    worse("hellaswag", "models", [{}, {"items": 90, "acc_norm": estimate(0.26)}]),
    worse("speed", "ratio", 3.9),
]


def facts(recipe: Recipe, figures: dict[str, Any], step: int = 60) -> Facts:
    look = {"kl": 0.5, "perplexity_teacher": 10.0, "perplexity_student": 20.0, "correlation": 0.8, "same_top1": 0.5}
    split = {"texts": 3, "tokens": 300}
    batch = {"dropped": {"short": 1, "repetitive": 2, "duplicate": 0}, "train": split, "held_out": split}
    log = [{"step": number, "held_out": look} for number in range(30)]
    return Facts(recipe, figures, log, [batch], parameters=17_453_056, step=step)


@pytest.fixture
def student_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    return folder


def test_each_goal_is_judged_by_its_own_number(recipe: Recipe) -> None:
    assert goals.all_met(good(), recipe.goals)
    for place, figures in enumerate(MISSES):
        met = [verdict.met for verdict in goals.verdicts(figures, recipe.goals)]
        assert met == [number != place for number in range(5)]


def test_what_was_not_measured_is_not_met(recipe: Recipe) -> None:
    for figures in ({}, {name: {"absent": "no"} for name in good()}, worse("held_out", "pearson", None)):
        assert not goals.all_met(figures, recipe.goals)
    assert "not measured" in goals.verdicts({}, recipe.goals)[0].sentence


def test_the_error_of_the_accuracy_is_stated(recipe: Recipe) -> None:
    assert "0.270 ± 0.005" in goals.verdicts(good(), recipe.goals)[3].sentence


def test_a_good_model_is_exported_with_checksums_that_hold(
    recipe: Recipe, student_folder: Path, tmp_path: Path
) -> None:
    target = export.export(student_folder, facts(recipe, good()), tmp_path / "out", anyway=False)
    lines = (target / "SHA256SUMS").read_text().splitlines()
    assert {line.split("  ")[1] for line in lines} == {"model.safetensors", "config.json", "README.md"}
    assert all(export.sha256(target / line.split("  ")[1]) == line.split("  ")[0] for line in lines)
    text = (target / "README.md").read_text()
    assert "meets all" in text
    assert "NOT" not in text
    assert "| 29 | 0.500 |" in text, "the course of the run ends with its end"


@pytest.mark.parametrize("number", range(len(MISSES)))
def test_a_model_that_misses_a_goal_is_not_exported_unless_its_card_says_so(
    recipe: Recipe, student_folder: Path, tmp_path: Path, number: int
) -> None:
    missing = facts(recipe, MISSES[number])
    with pytest.raises(GoalsNotMetError, match="NOT met"):
        export.export(student_folder, missing, tmp_path / "out", anyway=False)
    assert not (tmp_path / "out").exists()
    text = card.rendered(replace(missing, figures={**good(), "hellaswag": {"absent": "not here"}}))
    assert "does not meet 1 of the 5" in text


def test_a_model_that_is_not_trained_to_its_end_is_not_exported_unless_its_card_says_so(
    recipe: Recipe, student_folder: Path, tmp_path: Path
) -> None:
    early = facts(recipe, good(), step=59)
    with pytest.raises(GoalsNotMetError, match="59 of 60"):
        export.export(student_folder, early, tmp_path / "out", anyway=False)
    target = export.export(student_folder, early, tmp_path / "out", anyway=True)
    assert "stopped at step 59 of 60" in (target / "README.md").read_text()


def test_weights_that_are_too_large_and_a_target_that_exists_are_refused(
    recipe: Recipe, student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="exists"):
        export.export(student_folder, facts(recipe, good()), student_folder, anyway=False)
    monkeypatch.setattr(export, "MOST_WEIGHT_BYTES", 6)
    with pytest.raises(InputError, match="limit is 6"):
        export.export(student_folder, facts(recipe, good()), tmp_path / "out", anyway=False)

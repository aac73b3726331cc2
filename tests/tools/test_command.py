"""The whole way, by the command line: from a teacher to a model that the engine loads and compares exactly."""

import json
from pathlib import Path

import numpy as np
import pytest

import engine
from engine.model import LoadedModel
from tools.distil import __main__ as command
from tools.distil import evaluation


def run(stage: str, config: Path, out: Path, *more: str) -> int:
    fixed = ["--config", str(config), "--out", str(out), "--device", "cpu", "--data", str(out / "no-data")]
    return command.main([stage, *fixed, *more])


def test_from_a_teacher_to_a_model_that_the_engine_compares_exactly(
    recipe_file: Path,
    teacher: LoadedModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluation, "_QUANTISED", ("bfloat16",))  # the others ask for layers 64 wide and more
    assert run("train", recipe_file, tmp_path) == 1
    assert "Run the stage 'sample'" in capsys.readouterr().err
    for _ in range(2):
        assert run("all", recipe_file, tmp_path, "--minutes", "0") == 0
        assert "Go on with the same command" in capsys.readouterr().out
    assert len(list((tmp_path / "text").glob("train-*.npy"))) == 2, "a batch in each of two calls"
    assert run("all", recipe_file, tmp_path) == 1, "a toy does not meet the goals"
    said = capsys.readouterr()
    assert "NOT met: HellaSwag acc_norm not measured" in said.out
    assert "is not exported" in said.err
    assert run("export", recipe_file, tmp_path, "--anyway") == 0
    student = engine.load_model(str(tmp_path / "small"), "float32", "cpu")
    assert student.tokenizer.vocabulary_id == teacher.tokenizer.vocabulary_id
    assert (student.bos_id, student.context_length) == (256, 32)
    comparison = engine.compare_models(teacher, student, "How tea is made.")
    assert comparison.kl_ab is not None
    assert np.isfinite(comparison.kl_ab[1:]).all()
    figures = json.loads(next(tmp_path.glob("evaluation/*/figures.json")).read_text())
    assert figures["wikitext"]["absent"].startswith(f"{evaluation.WIKITEXT} is not in the data directory.")
    assert figures["held_out"]["statistics"]["kl"]["value"] < 2.0
    assert figures["quantised"]["student"]["bfloat16"]["kl"]["value"] < 0.01
    card = (tmp_path / "small" / "README.md").read_text()
    assert "**It does not meet" in card
    assert "is not in the data directory" in card
    assert "| bfloat16, mean KL from itself unquantised, nats |" in card


def test_a_missing_recipe_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sample", tmp_path / "none.toml", tmp_path) == 1
    assert "cannot be read" in capsys.readouterr().err

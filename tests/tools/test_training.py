"""The run learns, stops and goes on as if nothing had happened."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine import steps
from engine.errors import InputError, ParameterError
from engine.model import LoadedModel
from tools.distil import objective, rate, student, training
from tools.distil.config import Recipe, Student
from tools.distil.objective import Losses
from tools.distil.shards import Shards


@pytest.fixture(scope="module")
def unbroken(recipe: Recipe, teacher: LoadedModel, kept: Shards, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    steps.run(training.train_steps(recipe, teacher, kept, folder))
    return folder


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / training.LOG).read_text().splitlines()]


def test_the_learning_rate_rises_straight_and_falls_along_a_cosine(recipe: Recipe) -> None:
    rates = [training.learning_rate(recipe.training, step) for step in (0, 4, 5, 32, 60)]
    middle = 0.01 * (0.1 + 0.9 * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * 27 / 55)).item()))
    assert rates == pytest.approx([0.002, 0.01, 0.01, middle, 0.001])


def test_the_student_comes_nearer_to_its_teacher_on_text_it_never_read(unbroken: Path) -> None:
    looks = [line["held_out"] for line in log(unbroken) if "held_out" in line]
    assert len(looks) == 3
    first, last = looks[0], looks[-1]
    assert last["kl"] < 0.5 * first["kl"]
    assert first["perplexity_student"] == pytest.approx(257, rel=0.2)
    assert last["perplexity_student"] < 0.5 * first["perplexity_student"]
    assert last["correlation"] > 0.6


def test_the_log_has_what_a_person_follows_a_run_by(unbroken: Path, recipe: Recipe) -> None:
    lines = [line for line in log(unbroken) if "loss" in line]
    assert [line["step"] for line in lines] == [10, 20, 30, 40, 50, 60]
    for line in lines:
        assert line["loss"] == pytest.approx(0.8 * line["kl"] + 0.2 * line["cross_entropy"])
        assert line["learning_rate"] == training.learning_rate(recipe.training, int(line["step"]) - 1)
        assert line["tokens_per_second"] > 0
        assert line["share_of_matrix_rate"] > 0


@pytest.mark.parametrize("way", ["stopped", "killed"])
def test_a_run_that_was_broken_off_ends_with_the_same_weights(
    recipe: Recipe, teacher: LoadedModel, kept: Shards, unbroken: Path, tmp_path: Path, way: str
) -> None:
    work = training.train_steps(recipe, teacher, kept, tmp_path)
    for _ in range(24):
        next(work)
    if way == "stopped":
        work.close()
        assert training.begin(recipe, teacher, kept, tmp_path).step == 24
    else:
        with pytest.raises(MemoryError):
            work.throw(MemoryError)  # whatever ends it at once: the state may be half changed, so it is not saved
        assert training.begin(recipe, teacher, kept, tmp_path).step == 21
    steps.run(training.train_steps(recipe, teacher, kept, tmp_path))
    one, other = (torch.load(folder / training.CHECKPOINT)["network"] for folder in (unbroken, tmp_path))
    assert all(torch.equal(one[name], other[name]) for name in one)
    timed = ("tokens_per_second", "share_of_matrix_rate")
    bare = [[{k: v for k, v in line.items() if k not in timed} for line in log(each)] for each in (unbroken, tmp_path)]
    assert bare[0] == bare[1]


def test_a_finished_run_is_left_as_it_is(recipe: Recipe, teacher: LoadedModel, kept: Shards, unbroken: Path) -> None:
    assert list(training.train_steps(recipe, teacher, kept, unbroken)) == []


def test_another_recipe_does_not_go_on_with_this_run(
    recipe: Recipe, teacher: LoadedModel, kept: Shards, unbroken: Path
) -> None:
    other = replace(recipe, training=replace(recipe.training, learning_rate=1e-3))
    with pytest.raises(InputError, match="another recipe"):
        training.begin(other, teacher, kept, unbroken)


def test_a_loss_that_is_no_number_ends_the_run_and_is_not_saved(
    recipe: Recipe, teacher: LoadedModel, kept: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = training.train_steps(recipe, teacher, kept, tmp_path)
    for _ in range(8):
        next(work)
    broken = Losses(torch.tensor(torch.nan), torch.tensor(1.0))
    monkeypatch.setattr(objective, "accumulate", lambda *_, **__: broken)
    with pytest.raises(ParameterError, match="step 10"):
        steps.run(work)
    assert training.begin(recipe, teacher, kept, tmp_path).step == 7


def test_operations_of_a_token_are_counted_as_by_hand(teacher: LoadedModel) -> None:
    shape = Student(layers=1, width=4, heads=1, context=8)
    network = student.build(shape, vocab_size=10, separator=9, seed=0)
    weights = 10 * 4 + (12 * 16 + 13 * 4) + 2 * 4
    taught = sum(each.numel() for each in teacher.network.parameters())
    expected = 2 * taught + 4 * 1 * 32 * 4 + 3 * (2 * weights + 4 * 1 * 4 * 4)
    assert rate.operations_per_token(network, teacher, 8) == expected


def test_the_matrix_rate_is_operations_over_the_shortest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 9.0, 10.0, 14.0, 20.0, 22.0, 30.0, 33.0, 40.0, 43.0, 50.0, 53.0])
    monkeypatch.setattr(rate, "perf_counter", lambda: next(clock))
    monkeypatch.setitem(rate._SIZES, "cpu", 16)
    assert rate.matrix_rate(torch.device("cpu"), torch.float32) == 2 * 16**3 / 2.0

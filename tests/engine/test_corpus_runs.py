"""Runs from plan to result: stopped, continued, reopened, refused."""

from pathlib import Path

import numpy as np
import pytest

from engine import steps
from engine.corpus import mauve_run, plans, running
from engine.corpus.divergence_result import CorpusDivergence
from engine.corpus.generation import Sampling
from engine.corpus.items import HellaSwagItem
from engine.corpus.mauve_run import MauveRun
from engine.corpus.plans import ModelWanted
from engine.corpus.reading import read_corpus
from engine.corpus.running import HellaSwagRun
from engine.corpus.store import RunStore
from engine.errors import ComparisonError, InputError, ParameterError
from engine.model import LoadedModel
from engine.steps import Progress, Steps

WANTED = ModelWanted("scratch-gpt2", "float32")
CORPUS = read_corpus("The first text.\n\nThe second text, a little longer.\n\nA third.")
ITEMS = tuple(
    HellaSwagItem(f"Context number {n}", ("one ending", "another", "a third one", "x"), n % 4) for n in range(30)
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs.sqlite")


@pytest.fixture
def load(tiny_gpt2: LoadedModel) -> running.Load:
    def load_steps(name: str, precision: str) -> Steps[LoadedModel]:
        yield Progress("Loading")
        return tiny_gpt2

    return load_steps


def texts(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    words = ["red", "blue", "walks", "sees", "a", "the", "house", "tree", "and", "then"]
    return [" ".join(rng.choice(words, 24)) for _ in range(count)]


def test_a_run_stopped_and_continued_ends_as_one_that_was_not(store: RunStore, load: running.Load) -> None:
    run = plans.plan_hellaswag(store, [WANTED], ITEMS)
    stopped = running.run_steps(store, run.id, load)
    for _ in range(4):
        next(stopped)
    stopped.close()
    finished = steps.run(running.run_steps(store, run.id, load))
    assert finished.finished
    result = running.reopen(store, run.id)
    assert isinstance(result, HellaSwagRun)
    fresh = steps.run(running.run_steps(store, run.id, load)).summary["models"][0]
    assert fresh["acc"]["value"] == result.results[0].accuracy("acc").value
    assert len(result.results[0]) == 30


def test_the_same_question_is_the_same_run_and_another_is_not(store: RunStore) -> None:
    first = plans.plan_divergence(store, WANTED, WANTED, CORPUS)
    assert plans.plan_divergence(store, WANTED, WANTED, CORPUS).id == first.id
    assert plans.plan_divergence(store, WANTED, WANTED, CORPUS, window=32).id != first.id
    assert plans.plan_divergence(store, WANTED, ModelWanted("scratch-gpt2", "nf4"), CORPUS).id != first.id
    assert first.versions["torch"]


def test_a_divergence_run_reopens_without_a_model(store: RunStore, load: running.Load) -> None:
    run = plans.plan_divergence(store, WANTED, WANTED, CORPUS)
    assert running.reopen(store, run.id) is None
    done = steps.run(running.run_steps(store, run.id, load))
    result = running.reopen(store, run.id)
    assert isinstance(result, CorpusDivergence)
    assert done.summary["statistics"]["kl"]["value"] == 0.0
    assert done.models["base"]["revision"]
    assert done.summary["tokens"] == len(result)


def test_a_model_that_changed_since_is_refused(store: RunStore, load: running.Load) -> None:
    run = plans.plan_divergence(store, WANTED, WANTED, CORPUS)
    store.set_models(run.id, {"base": {"key": "another@1/float32/cpu", "precision": "float32"}})
    with pytest.raises(ComparisonError, match=r"began with another@1.*start anew"):
        steps.run(running.run_steps(store, run.id, load))


def test_mauve_of_two_given_sets(store: RunStore, load: running.Load) -> None:
    human, other = texts(220)[:110], texts(220)[110:]
    run = plans.plan_mauve(store, WANTED, human, other=other, seeds=2)
    done = steps.run(running.run_steps(store, run.id, load))
    result = running.reopen(store, run.id)
    assert isinstance(result, MauveRun)
    (one,) = result.sets
    assert done.summary["sets"][0]["score"]["value"] == one.result.score.value
    assert "Only 110 texts" in one.result.notes[0]
    assert one.result.reference is not None
    assert done.summary["sets"][0]["reference"]["alike"]["score"]["value"] == one.result.reference.alike.score.value
    assert done.summary["sets"][0]["mauve_star"]["error"] == one.result.mauve_star.error
    assert f"score {one.result.reference.alike.score.value:.3f} ±" in mauve_run.reference_text(done.summary)
    assert len(mauve_run.contrasting_clusters(one.result)) == 4


def test_a_score_kept_with_a_bootstrap_opens_with_the_seeds_divided_and_says_so(store: RunStore) -> None:
    human, other = texts(200)[:100], texts(200)[100:]
    run = plans.plan_mauve(store, WANTED, human, other=other, seeds=4)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (4, 100))
    shares = np.stack([np.bincount(row, minlength=5) / 100 for row in labels])
    arrays = {"p_labels": labels, "q_labels": labels, "p_histogram": shares, "q_histogram": shares}
    arrays |= {"curve": np.zeros((4, 27, 2)), "bootstrap_scores": np.tile([0.8, 1.0], (4, 1))}
    data = {"title": "Given set", "texts": other, "human": human, "notes": [], "features": "f", "writing": ""}
    data["clusterings"] = [[seed, score, 0.1] for seed, score in enumerate((0.90, 0.94, 0.92, 0.96))]
    store.save(run.id, mauve_run.STAGE, 0, arrays, data, 1.0)
    result = running.reopen(store, run.id)
    assert isinstance(result, MauveRun)
    (one,) = result.sets
    assert one.result.score.value == pytest.approx(0.93)
    # spread of the texts .2 / sqrt(2); of the seeds sqrt(.002 / 3), over their number
    assert one.result.score.error == pytest.approx((0.02 + 0.002 / 3 / 4) ** 0.5)
    assert one.result.reference is None
    assert one.result.mauve_star.value == 1.0
    assert one.result.notes[0] == mauve_run.BOOTSTRAP_NOTE
    shown = running.summary(result)
    assert shown["sets"][0]["reference"] is None
    assert mauve_run.reference_text(shown) == ""
    assert mauve_run.reference_text({"sets": [{"score": {"value": 0.93, "error": 0.1}}]}) == ""


def test_mauve_against_a_models_own_continuations(store: RunStore, load: running.Load) -> None:
    run = plans.plan_mauve(
        store, WANTED, texts(104), models=[WANTED], sampling=Sampling(new_tokens=4), opening_tokens=6
    )
    steps.run(running.run_steps(store, run.id, load))
    result = running.reopen(store, run.id)
    assert isinstance(result, MauveRun)
    for ours, theirs in zip(result.human, result.sets[0].texts, strict=True):
        assert theirs.split()[:3] == ours.split()[:3]
        assert len(ours) < len(texts(1)[0])
    assert result.writing == "temperature 1, 4 tokens, seed 0"


def test_openings_given_apart_are_continued_as_they_are(store: RunStore, load: running.Load) -> None:
    openings = [f"Context {n}" for n in range(100)]
    human = [f"{opening} goes on like this" for opening in openings]
    run = plans.plan_mauve(store, WANTED, human, models=[WANTED], openings=openings, sampling=Sampling(new_tokens=3))
    steps.run(running.run_steps(store, run.id, load))
    result = running.reopen(store, run.id)
    assert isinstance(result, MauveRun)
    assert all(text.startswith(opening) for text, opening in zip(result.sets[0].texts, openings, strict=True))


@pytest.mark.parametrize(("human", "other"), [(99, 200), (200, 3), (0, 0)])
def test_small_sets_are_refused_before_anything_runs(store: RunStore, human: int, other: int) -> None:
    with pytest.raises(InputError, match="MAUVE needs at least 100"):
        plans.plan_mauve(store, WANTED, texts(human), other=texts(other))


def test_plans_without_data_or_with_too_many_models_are_refused(store: RunStore) -> None:
    with pytest.raises(InputError):
        plans.plan_hellaswag(store, [WANTED], ())
    with pytest.raises(ParameterError, match="3 models"):
        plans.plan_hellaswag(store, [WANTED] * 3, ITEMS)
    with pytest.raises(ParameterError, match="Give either"):
        plans.plan_mauve(store, WANTED, texts(100))

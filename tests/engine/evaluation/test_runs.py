"""Runs from plan to result: stopped, continued, reopened, refused."""

import copy
import gzip
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import steps
from engine.errors import ComparisonError, InputError, ParameterError
from engine.evaluation import divergence, hellaswag, mauve, runner
from engine.evaluation.corpora.corpus import read_corpus
from engine.evaluation.divergence import evaluate
from engine.evaluation.divergence.result import CorpusDivergence, comparison_of
from engine.evaluation.hellaswag import HellaSwagAnswers
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.mauve import halves, score
from engine.evaluation.mauve import result as mauve_result
from engine.evaluation.mauve.features import text_features
from engine.evaluation.mauve.generation import Sampling
from engine.evaluation.mauve.result import MauveSets, contrasting_clusters
from engine.evaluation.runs import planning
from engine.evaluation.runs.batches import RunKeeper
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Batch, RunStore
from engine.models.loaded import LoadedModel
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from engine.paths import ROOT
from engine.steps import Progress, Steps
from tests.engine import fakes

WANTED = ModelRequest("scratch-gpt2", "float32")
CORPUS = read_corpus("The first text.\n\nThe second text, a little longer.\n\nA third.")
ITEMS = tuple(
    HellaSwagItem(f"Context number {n}", ("one ending", "another", "a third one", "x"), n % 4) for n in range(30)
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs.sqlite")


def loading(model: LoadedModel) -> runner.Load:
    """Loads `model` whatever is asked for."""

    def load_steps(asked: ModelRequest) -> Steps[LoadedModel]:
        yield Progress("Loading")
        return model

    return load_steps


@pytest.fixture
def load(tiny_gpt2: LoadedModel) -> runner.Load:
    return loading(tiny_gpt2)


def texts(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    words = ["red", "blue", "walks", "sees", "a", "the", "house", "tree", "and", "then"]
    return [" ".join(rng.choice(words, 24)) for _ in range(count)]


KEPT = {  # runs of version 0.2 as it was on 2026-11-25, before its modules were put in order
    "divergence": "9e209e17b03a3302",
    "divergence with options": "459335f5c44477dc",
    "hellaswag": "0dd7640e7d44c7ae",
    "hellaswag, stopped": "83dea7a348812828",
    "mauve": "ac72c5bc5c964fd8",
    "mauve, written": "0dc9980821a771e4",
}


@pytest.fixture
def kept(tmp_path: Path) -> RunStore:
    """A store file that an earlier state of the program wrote."""
    packed = (ROOT / "tests" / "engine" / "data" / "kept_runs.sqlite.gz").read_bytes()
    (tmp_path / "kept.sqlite").write_bytes(gzip.decompress(packed))
    return RunStore(tmp_path / "kept.sqlite")


def assert_close(found: Any, wanted: Any) -> None:
    """JSON-ready values are the same but for rounding, which differs between processors."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name in wanted:
            assert_close(found[name], wanted[name])
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_close(one, other)
    else:
        assert found == (pytest.approx(wanted, rel=1e-6, abs=1e-9) if isinstance(wanted, float) else wanted)


def test_what_was_asked_for_before_has_the_same_id(store: RunStore) -> None:
    other, both = ModelRequest("smollm2-135m", "nf4"), texts(200)
    options = {"window": 64, "stride": 16, "bos": "off", "special_tokens": True, "common_tokens": True}
    planned = {
        "divergence": divergence.plan(WANTED, WANTED, CORPUS),
        "divergence with options": divergence.plan(WANTED, other, CORPUS, **options),  # type: ignore[arg-type]
        "hellaswag": hellaswag.plan([WANTED, WANTED], ITEMS),
        "hellaswag, stopped": hellaswag.plan([WANTED], ITEMS, bos="on"),
        "mauve": mauve.plan(WANTED, both[:100], other=both[100:], seeds=2),
        "mauve, written": mauve.plan(
            WANTED, both[:100], writers=[WANTED], sampling=Sampling(new_tokens=3), opening_tokens=4, seeds=1
        ),
    }
    assert {name: plan.id for name, plan in planned.items()} == KEPT


@pytest.mark.parametrize("name", ["divergence", "hellaswag", "mauve", "mauve, written"])
def test_runs_kept_before_open_with_the_numbers_they_ended_with(kept: RunStore, name: str) -> None:
    run = kept.run(KEPT[name])
    result = runner.reopen(kept, run.id)
    assert run.finished
    assert result is not None
    assert_close(runner.summary(run, result), run.summary)


def test_a_run_stopped_before_goes_on_from_its_batches(kept: RunStore, load: runner.Load) -> None:
    run_id = KEPT["hellaswag, stopped"]
    (before,) = kept.batches(run_id, "model 1")
    done = steps.run(runner.run_steps(kept, run_id, load))
    first = next(kept.batches(run_id, "model 1"))
    assert done.summary["models"][0]["items"] == len(ITEMS)
    np.testing.assert_equal(first.arrays, before.arrays)


def test_a_run_stopped_and_continued_ends_as_one_that_was_not(store: RunStore, load: runner.Load) -> None:
    run = store.begin(hellaswag.plan([WANTED], ITEMS))
    stopped = runner.run_steps(store, run.id, load)
    for _ in range(4):
        next(stopped)
    stopped.close()
    finished = steps.run(runner.run_steps(store, run.id, load))
    assert finished.finished
    result = runner.reopen(store, run.id)
    assert isinstance(result, HellaSwagAnswers)
    fresh = steps.run(runner.run_steps(store, run.id, load)).summary["models"][0]
    assert fresh["acc"]["value"] == result.results[0].accuracy("acc").value
    assert len(result.results[0]) == 30


def test_every_kind_tells_of_all_its_stages_and_never_goes_back(store: RunStore, load: runner.Load) -> None:
    human = texts(100)
    sampling = Sampling(new_tokens=2)
    for plan in (
        divergence.plan(WANTED, WANTED, CORPUS),
        hellaswag.plan([WANTED, WANTED], ITEMS),
        mauve.plan(WANTED, human, writers=[WANTED, WANTED], sampling=sampling, opening_tokens=4, seeds=1),
    ):
        told = list(runner.run_steps(store, store.begin(plan).id, load))
        shares = [step.fraction for step in told if not step.kept]
        assert None not in shares
        assert all(later >= sooner - 1e-9 for sooner, later in itertools.pairwise(shares)), plan.title
        assert shares[-1] > 0.8


def test_the_same_question_is_the_same_run_and_another_is_not(store: RunStore) -> None:
    first = divergence.plan(WANTED, WANTED, CORPUS)
    assert divergence.plan(WANTED, WANTED, CORPUS).id == first.id
    assert divergence.plan(WANTED, WANTED, CORPUS, window=32).id != first.id
    assert divergence.plan(WANTED, ModelRequest("scratch-gpt2", "nf4"), CORPUS).id != first.id
    assert store.begin(first).versions["torch"]


def test_how_texts_are_read_is_part_of_what_a_run_is(store: RunStore) -> None:
    first = divergence.plan(WANTED, WANTED, CORPUS)
    assert first.id == divergence.plan(WANTED, WANTED, CORPUS, bos="auto", special_tokens=False).id
    others = [
        divergence.plan(WANTED, WANTED, CORPUS, bos="on"),
        divergence.plan(WANTED, WANTED, CORPUS, bos="off"),
        divergence.plan(WANTED, WANTED, CORPUS, special_tokens=True),
    ]
    assert len({first.id, *(run.id for run in others)}) == 4
    assert others[0].title == f"{first.title}, with an opening token"
    assert others[2].title == f"{first.title}, special tokens read"
    with pytest.raises(ParameterError, match="'auto', 'on' or 'off'"):
        divergence.plan(WANTED, WANTED, CORPUS, bos="true")  # type: ignore[arg-type]


def test_questions_and_crowds_of_texts_are_other_runs_with_another_opening(store: RunStore) -> None:
    choices: tuple[Bos, ...] = ("auto", "on", "off")
    for plan in (
        lambda **how: hellaswag.plan([WANTED], ITEMS, **how),
        lambda **how: mauve.plan(WANTED, texts(100), writers=[WANTED], **how),
    ):
        runs = [plan(bos=bos) for bos in choices]
        assert plan().id == runs[0].id
        assert len({run.id for run in runs}) == 3
        assert [run.settings["bos"] for run in runs] == list(choices)
        assert [run.title.removeprefix(runs[0].title) for run in runs] == [
            "",
            ", with an opening token",
            ", without an opening token",
        ]
        with pytest.raises(ParameterError, match="'auto', 'on' or 'off'"):
            plan(bos="true")


@pytest.mark.parametrize("bos", ["auto", "off"])
def test_questions_are_put_with_the_opening_token_that_was_asked_for(
    store: RunStore, tiny_gpt2: LoadedModel, bos: Bos
) -> None:
    model = replace(tiny_gpt2, tokenizer=fakes.opening_tokenizer(tiny_gpt2.tokenizer.backend))
    run = store.begin(hellaswag.plan([WANTED], ITEMS, bos=bos))
    done = steps.run(runner.run_steps(store, run.id, loading(model)))
    result = runner.reopen(store, run.id)
    assert isinstance(result, HellaSwagAnswers)
    found = result.results[0].log_likelihoods
    for number, ending in ((0, 0), (7, 2)):
        expected = plain_log_likelihood(model, ITEMS[number], ending, [50256] if bos == "auto" else [])
        assert found[number, ending] == pytest.approx(expected, abs=1e-4)
    assert done.models["model 1"]["opening_ids"] == ([50256] if bos == "auto" else [])


def plain_log_likelihood(model: LoadedModel, item: HellaSwagItem, ending: int, opening: list[int]) -> float:
    """Sum of log p of the ending's tokens by one plain forward in float64."""
    backend = model.tokenizer.backend
    context = backend(item.context, add_special_tokens=False)["input_ids"]
    whole = backend(f"{item.context} {item.endings[ending]}", add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[*opening, *whole]])
    with torch.inference_mode():
        logits = copy.deepcopy(model.network).double()(ids).logits[0]
    log_probs = torch.log_softmax(logits, -1)[:-1].gather(-1, ids[0, 1:, None])[:, 0]
    return float(log_probs[len(opening) + len(context) - 1 :].sum())


@pytest.mark.parametrize("bos", ["auto", "off"])
def test_crowds_of_texts_are_placed_with_the_opening_token_that_was_asked_for(
    store: RunStore, tiny_gpt2: LoadedModel, bos: Bos
) -> None:
    model = replace(tiny_gpt2, tokenizer=fakes.opening_tokenizer(tiny_gpt2.tokenizer.backend))
    both = texts(200)
    run = store.begin(mauve.plan(WANTED, both[:100], other=both[100:], seeds=1, bos=bos))
    done = steps.run(runner.run_steps(store, run.id, loading(model)))
    features = [text_features(model, part, bos=bos) for part in (both[:100], both[100:])]
    expected = score.mauve_score(*features, seeds=score.DEFAULT_SEEDS[:1])
    assert done.summary["sets"][0]["scores"][0] == pytest.approx(expected.clusterings[0].score)


@pytest.mark.parametrize(("bos", "tokens"), [("auto", 1), ("on", 1), ("off", 0)])
def test_a_run_reads_as_it_was_asked_to_and_says_what_stood_in_front(
    store: RunStore, tiny_gpt2: LoadedModel, bos: Bos, tokens: int
) -> None:
    model = replace(tiny_gpt2, tokenizer=fakes.opening_tokenizer(tiny_gpt2.tokenizer.backend))
    run = store.begin(divergence.plan(WANTED, WANTED, CORPUS, bos=bos))
    done = steps.run(runner.run_steps(store, run.id, loading(model)))
    assert done.models["base"]["opening_tokens"] == ["<|endoftext|>"] * tokens
    assert done.models["candidate"]["opening_ids"] == [50256] * tokens
    expected = evaluate.corpus_divergence(model, model, CORPUS.texts, bos=bos)
    result = runner.reopen(store, run.id)
    assert isinstance(result, CorpusDivergence)
    np.testing.assert_array_equal(result.base, expected.base)


FIRST_VERSION_IDS = {
    "fae61c9072c28575": (
        "divergence",
        {"base": ["scratch-gpt2", "float32"], "candidate": ["scratch-gpt2", "float32"], "stride": None, "window": None},
        "a2e4eab7ef4955d5bfd1a77f30b5c7e0f2d408c436c10fb292c83c7c7eeaf895",
    ),
    "6645326298cadac1": (
        "hellaswag",
        {"models": [["scratch-gpt2", "float32"]]},
        "2c6cea7d93f9e61caf085ba95541a54e8c4a8dda298e7e815b701dc0bd374e26",
    ),
}
"""Ids that the first version gave, whose settings said nothing of an opening token."""


@pytest.mark.parametrize("run_id", FIRST_VERSION_IDS)
def test_runs_of_the_first_version_keep_their_ids_and_read_without_an_opening_token(run_id: str) -> None:
    kind, settings, data_hash = FIRST_VERSION_IDS[run_id]
    assert planning.run_id(kind, settings, data_hash, method_version=1) == run_id
    assert planning.bos_of(settings) == "off"
    assert not planning.special_tokens_of(settings)


class FirstVersionKeeper(RunKeeper):
    """Keeps pieces as the first version did: no ties, no word on openings but whether one stood in front."""

    def put(self, batch: Batch) -> None:
        arrays = {name: array for name, array in batch.arrays.items() if not name.endswith(".ties")}
        data = dict(batch.data)
        for side in ("a", "b"):
            told = {name: value for name, value in data[side].items() if "opening" not in name}
            del told["bos"], told["special_tokens"]
            data[side] = {**told, "prepend_bos": False}
        super().put(replace(batch, arrays=arrays, data=data))


def test_a_run_of_the_first_version_reopens_and_goes_on_as_it_began(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    model = replace(tiny_gpt2, tokenizer=fakes.opening_tokenizer(tiny_gpt2.tokenizer.backend))
    run_id, (kind, settings, data_hash) = next(iter(FIRST_VERSION_IDS.items()))
    store.begin(Plan(run_id, kind, "An old run", settings, list(CORPUS.texts), data_hash))
    old = evaluate.corpus_divergence_steps(
        model, model, CORPUS.texts, bos="off", keep=FirstVersionKeeper(store, run_id)
    )
    while len(store.places(run_id)) < 2:
        next(old)
    old.close()
    assert isinstance(runner.reopen(store, run_id), CorpusDivergence)
    steps.run(runner.run_steps(store, run_id, loading(model)))
    result = runner.reopen(store, run_id)
    assert isinstance(result, CorpusDivergence)
    expected = evaluate.corpus_divergence(model, model, CORPUS.texts, bos="off")
    np.testing.assert_array_equal(result.base, expected.base)
    batches = list(store.batches(run_id, evaluate.STAGE))
    kept = [comparison_of(batch, CORPUS.texts).a for batch in batches]
    assert [(one.bos, one.opening_tokens, one.ties.any()) for one in kept] == [("off", (), False)] * 3


def test_a_divergence_run_reopens_without_a_model(store: RunStore, load: runner.Load) -> None:
    run = store.begin(divergence.plan(WANTED, WANTED, CORPUS))
    assert runner.reopen(store, run.id) is None
    done = steps.run(runner.run_steps(store, run.id, load))
    result = runner.reopen(store, run.id)
    assert isinstance(result, CorpusDivergence)
    assert done.summary["statistics"]["kl"]["value"] == 0.0
    assert done.models["base"]["revision"]
    assert done.summary["tokens"] == len(result)


def test_how_the_data_was_read_is_kept_with_the_run_and_is_no_part_of_its_id(store: RunStore) -> None:
    plain = divergence.plan(WANTED, WANTED, CORPUS)
    assert CORPUS.notes
    assert store.begin(plain).notes == CORPUS.notes
    other = divergence.plan(WANTED, WANTED, replace(CORPUS, notes=("Read as CSV.",)))
    assert other.id == plain.id
    assert store.begin(other).notes == ("Read as CSV.",)
    assert runner.described(store.run(plain.id))["notes"] == ["Read as CSV."]
    assert [run.notes for run in store.runs()] == [("Read as CSV.",)]


def test_a_model_that_changed_since_is_refused(store: RunStore, load: runner.Load) -> None:
    run = store.begin(divergence.plan(WANTED, WANTED, CORPUS))
    store.set_models(run.id, {"base": {"key": "another@1/float32/cpu", "precision": "float32"}})
    with pytest.raises(ComparisonError, match=r"began with another@1.*start anew"):
        steps.run(runner.run_steps(store, run.id, load))


def test_mauve_of_two_given_sets(store: RunStore, load: runner.Load) -> None:
    human, other = texts(220)[:110], texts(220)[110:]
    run = store.begin(mauve.plan(WANTED, human, other=other, seeds=2))
    done = steps.run(runner.run_steps(store, run.id, load))
    result = runner.reopen(store, run.id)
    assert isinstance(result, MauveSets)
    (one,) = result.sets
    assert done.summary["sets"][0]["score"]["value"] == one.result.score.value
    assert "Only 110 texts" in one.result.notes[0]
    assert one.result.reference is not None
    assert done.summary["sets"][0]["reference"]["alike"]["score"]["value"] == one.result.reference.alike.score.value
    assert done.summary["sets"][0]["mauve_star"]["error"] == one.result.mauve_star.error
    assert f"score {one.result.reference.alike.score.value:.3f} ±" in mauve.reference_text(done.summary)
    assert len(contrasting_clusters(one.result)) == 4


def test_a_score_kept_with_a_bootstrap_opens_with_the_seeds_divided_and_says_so(store: RunStore) -> None:
    human, other = texts(200)[:100], texts(200)[100:]
    run = store.begin(mauve.plan(WANTED, human, other=other, seeds=4))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (4, 100))
    shares = np.stack([np.bincount(row, minlength=5) / 100 for row in labels])
    arrays = {"p_labels": labels, "q_labels": labels, "p_histogram": shares, "q_histogram": shares}
    arrays |= {"curve": np.zeros((4, 27, 2)), "bootstrap_scores": np.tile([0.8, 1.0], (4, 1))}
    data = {"title": "Given set", "texts": other, "human": human, "notes": [], "features": "f", "writing": ""}
    data["clusterings"] = [[seed, score, 0.1] for seed, score in enumerate((0.90, 0.94, 0.92, 0.96))]
    store.save(run.id, mauve_result.STAGE, 0, arrays, data, 1.0)
    result = runner.reopen(store, run.id)
    assert isinstance(result, MauveSets)
    (one,) = result.sets
    assert one.result.score.value == pytest.approx(0.93)
    # spread of the texts .2 / sqrt(2); of the seeds sqrt(.002 / 3), over their number
    assert one.result.score.error == pytest.approx((0.02 + 0.002 / 3 / 4) ** 0.5)
    assert one.result.reference is None
    assert one.result.mauve_star.value == 1.0
    assert one.result.notes[0] == mauve_result.BOOTSTRAP_NOTE
    shown = runner.summary(run, result)
    assert shown["sets"][0]["reference"] is None
    assert mauve.reference_text(shown) == ""
    assert mauve.reference_text({"sets": [{"score": {"value": 0.93, "error": 0.1}}]}) == ""


def test_mauve_against_a_models_own_continuations(store: RunStore, load: runner.Load) -> None:
    run = store.begin(
        mauve.plan(WANTED, texts(104), writers=[WANTED], sampling=Sampling(new_tokens=4), opening_tokens=6)
    )
    steps.run(runner.run_steps(store, run.id, load))
    result = runner.reopen(store, run.id)
    assert isinstance(result, MauveSets)
    for ours, theirs in zip(result.human, result.sets[0].texts, strict=True):
        assert theirs.split()[:3] == ours.split()[:3]
        assert len(ours) < len(texts(1)[0])
    assert result.writing == "temperature 1, 4 tokens, seed 0"


def test_human_against_human_is_scored_once_for_two_models_and_as_for_each_alone(
    store: RunStore, load: runner.Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    plain = halves._scored
    monkeypatch.setattr(halves, "_scored", lambda *asked: done.append(1) or plain(*asked))
    how = {"sampling": Sampling(new_tokens=3), "opening_tokens": 4, "seeds": 1}
    finished = []
    for writers in ([WANTED], [WANTED, ModelRequest("scratch-gpt2", "nf4")]):
        done.clear()
        run = store.begin(mauve.plan(WANTED, texts(100), writers=writers, **how))  # type: ignore[arg-type]
        finished.append((steps.run(runner.run_steps(store, run.id, load)).summary["sets"], len(done)))
    (alone, scored_alone), (both, scored_both) = finished
    assert scored_alone == 3 * halves.SPLITS
    assert scored_both == 5 * halves.SPLITS
    assert [one["reference"] for one in both] == [alone[0]["reference"]] * 2  # the same network wrote all three sets
    assert both[1]["score"] == alone[0]["score"]


def test_openings_given_apart_are_continued_as_they_are(store: RunStore, load: runner.Load) -> None:
    openings = [f"Context {n}" for n in range(100)]
    human = [f"{opening} goes on like this" for opening in openings]
    run = store.begin(mauve.plan(WANTED, human, writers=[WANTED], openings=openings, sampling=Sampling(new_tokens=3)))
    steps.run(runner.run_steps(store, run.id, load))
    result = runner.reopen(store, run.id)
    assert isinstance(result, MauveSets)
    assert all(text.startswith(opening) for text, opening in zip(result.sets[0].texts, openings, strict=True))


@pytest.mark.parametrize(("human", "other"), [(99, 200), (200, 3), (0, 0)])
def test_small_sets_are_refused_before_anything_runs(store: RunStore, human: int, other: int) -> None:
    with pytest.raises(InputError, match="MAUVE needs at least 100"):
        mauve.plan(WANTED, texts(human), other=texts(other))


def test_plans_without_data_or_with_too_many_models_are_refused(store: RunStore) -> None:
    with pytest.raises(InputError):
        hellaswag.plan([WANTED], ())
    with pytest.raises(ParameterError, match="3 models"):
        hellaswag.plan([WANTED] * 3, ITEMS)
    with pytest.raises(ParameterError, match="Give either"):
        mauve.plan(WANTED, texts(100))

"""An evaluation is a thing: a new one is its own files and a line in a list, and nothing else knows its name."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine import steps
from engine.evaluation import divergence, glance, hellaswag, kinds, mauve, runner
from engine.evaluation.corpora.corpus import Corpus
from engine.evaluation.drivers import RunDrivers
from engine.evaluation.estimates import Estimate
from engine.evaluation.evaluation import Evaluation, Work
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.row import Row, kept_estimate
from engine.evaluation.runs import planning
from engine.evaluation.runs.batches import kept_steps
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run, RunStore
from engine.jobs.queue import Queue
from engine.models.loaded import LoadedModel
from engine.models.request import ModelRequest
from engine.paths import ROOT
from engine.steps import Progress, Steps

PAIR = [ModelRequest("scratch-gpt2", "float32"), ModelRequest("scratch-gpt2", "nf4")]
WORDS = ["one", "three", "fifteen", "a"]


class Lengths:
    """A toy: how long words are, told once for each model."""

    KIND, TITLE = "lengths", "Lengths of words"

    def plan(self, models: list[ModelRequest], words: list[str]) -> Plan:
        return planning.make(self.KIND, "Some words", {"models": planning.listed(*models), "bos": "off"}, words)

    def models(self, settings: Mapping[str, Any]) -> list[ModelRequest]:
        return planning.wanted(settings["models"])

    def steps(self, work: Work) -> Steps[dict[str, int]]:
        loaded = []
        for number, wanted in enumerate(self.models(work.settings)):
            loaded.append((yield from work.load(f"model {number}", wanted)))
        found = {}
        for place, word in enumerate(work.inputs):

            def count(word: str = word) -> Steps[tuple[dict[str, Any], dict[str, Any]]]:
                yield Progress("Counting")
                return {}, {word: [len(word) for _ in loaded]}

            found |= (yield from kept_steps(work.keep, "words", place, count())).data
        return found

    def reopen(self, store: RunStore, run: Run) -> dict[str, int]:
        return {word: count for batch in store.batches(run.id, "words") for word, count in batch.data.items()}

    def summary(self, result: Any) -> dict[str, Any]:
        return {"words": len(result), "tokens": {"value": float(sum(base for base, _ in result.values()))}}

    def rows(self, run: Run | None) -> list[Row]:
        found = None if run is None else kept_estimate(run.summary["tokens"])
        return [Row("Tokens", "", "", found, found, "" if run is None else f"{run.summary['words']} words")]


@pytest.fixture
def lengths(monkeypatch: pytest.MonkeyPatch) -> Lengths:
    toy = Lengths()
    fourth: Evaluation = toy
    monkeypatch.setitem(kinds.EVALUATIONS, toy.KIND, fourth)
    return toy


@pytest.fixture
def load(tiny_gpt2: LoadedModel) -> runner.Load:
    def load_steps(asked: ModelRequest) -> Steps[LoadedModel]:
        yield Progress("Loading")
        return tiny_gpt2

    return load_steps


def test_a_fourth_evaluation_is_planned_stopped_resumed_reopened_and_listed(
    lengths: Lengths, load: runner.Load, tmp_path: Path
) -> None:
    store = RunStore(tmp_path / "runs.sqlite")
    plan = lengths.plan(PAIR, WORDS)
    assert store.find(plan.id) is None
    run = store.begin(plan)
    work = runner.run_steps(store, run.id, load)
    while len(store.places(run.id)) < 2:
        next(work)
    work.close()
    assert runner.reopen(store, run.id) == {"one": [3, 3], "three": [5, 5]}
    done = steps.run(runner.run_steps(store, run.id, load))
    assert done.summary == {"words": 4, "tokens": {"value": 16.0}}
    assert list(runner.reopen(store, run.id)) == WORDS
    assert [listed.id for listed in store.runs()] == [run.id]
    assert kinds.title(done.kind) == "Lengths of words"
    assert kinds.models_of(done) == PAIR
    assert done.models["model 1"]["opening_ids"] == []


def test_a_fourth_evaluation_goes_through_the_queue_and_stands_in_the_table(
    lengths: Lengths, load: runner.Load, tmp_path: Path
) -> None:
    store = RunStore(tmp_path / "runs.sqlite")
    assert "Lengths of words" in glance.missing(glance.rows(PAIR[0], PAIR[1], ()))
    run = store.begin(lengths.plan(PAIR, WORDS))
    driver = RunDrivers(Queue(), store, load).start(run.id)
    assert driver.wait(60)
    assert driver.error is None
    table = glance.rows(PAIR[0], PAIR[1], store.runs())
    row = next(row for row in table if row.measure == "Tokens")
    assert (row.base, row.basis, row.run_id, row.kind) == (Estimate(16.0), "4 words", run.id, "lengths")
    assert [row.measure for row in table][-2:] == ["Speed", "Memory"]  # costs last, whoever comes after
    assert "Lengths of words" not in glance.missing(table)


def test_a_run_of_a_kind_not_known_here_is_listed_under_its_own_name() -> None:
    assert kinds.title("from the future") == "from the future"


def test_planning_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGITSCOPE_DATA", str(tmp_path))
    divergence.plan(PAIR[0], PAIR[1], Corpus(("One text.",)))
    hellaswag.plan(PAIR, [HellaSwagItem("A context", ("a", "b", "c", "d"), 0)])
    mauve.plan(PAIR[0], ["A text."] * 100, writers=PAIR)
    assert list(tmp_path.iterdir()) == []
    RunStore()
    assert list(tmp_path.iterdir()) != []  # where a run would have gone


def own(file: Path, kind: str) -> bool:
    """Whether a file belongs to one evaluation: it is in its folder, or its panel's files begin with its name."""
    return kind in file.parts or file.stem.startswith(f"{kind}_")


def comparisons(tree: ast.AST) -> Iterator[ast.expr]:
    """Everything in a file that something is compared with or looked up by."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            yield from (part for side in (node.left, *node.comparators) for part in ast.walk(side))  # type: ignore[misc]
        elif isinstance(node, ast.Dict):
            yield from (key for key in node.keys if key is not None)
        elif isinstance(node, ast.Subscript):
            yield node.slice
        elif isinstance(node, ast.MatchValue):
            yield node.value


def known_elsewhere(root: Path) -> list[str]:
    """Places where the name of an evaluation decides something outside its own files.

    Training has a loss that is called as one evaluation is.
    """
    files = [file for part in ("engine", "ui", "pages") for file in sorted((root / part).rglob("*.py"))]
    files = [file for file in files if "training" not in {*file.relative_to(root).parts, file.stem}]
    return [
        f"{file.relative_to(root)}:{part.lineno} {part.value}"
        for file in files
        for part in comparisons(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(part, ast.Constant)
        and part.value in kinds.EVALUATIONS
        and not own(file.relative_to(root), str(part.value))
    ]


def test_nothing_but_its_own_files_compares_the_name_of_an_evaluation() -> None:
    assert known_elsewhere(ROOT) == []


@pytest.mark.parametrize(
    "line",
    ['found = run.kind == "mauve"', 'found = {"hellaswag": 1}', 'found = titles["divergence"]', 'x in ("mauve",)'],
)
def test_a_name_that_is_compared_elsewhere_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "ui").mkdir()
    (tmp_path / "ui" / "some.py").write_text(line)
    assert len(known_elsewhere(tmp_path)) == 1

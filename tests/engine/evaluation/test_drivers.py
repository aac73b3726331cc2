"""Long runs through the one worker: in slices, beside others, stopped and continued."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import errors
from engine.evaluation import hellaswag
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.runs import drivers as driving
from engine.evaluation.runs.drivers import RunDrivers
from engine.evaluation.runs.store import Run, RunStore
from engine.jobs.worker import Worker
from engine.models.loaded import LoadedModel
from engine.models.request import ModelRequest
from engine.steps import Progress, Steps

WANTED = ModelRequest("scratch-gpt2", "float32")
ITEMS = tuple(
    HellaSwagItem(f"Context number {n}", ("one ending", "another", "a third one", "x"), n % 4) for n in range(200)
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs.sqlite")


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "SLICE_SECONDS", 0.02)


def drivers(store: RunStore, model: LoadedModel, worker: Worker) -> RunDrivers:
    def load(asked: ModelRequest) -> Steps[LoadedModel]:
        yield Progress("Loading")
        return model

    return RunDrivers(worker, store, load)


def planned(store: RunStore) -> Run:
    return store.begin(hellaswag.plan([WANTED], ITEMS))


def test_others_get_their_turn_while_a_run_is_at_work(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    worker, run = Worker(), planned(store)
    driver = drivers(store, tiny_gpt2, worker).start(run.id)

    def other() -> Iterator[Progress]:
        yield Progress("Other")
        return "done"

    ticket = worker.submit("other", other)
    assert ticket.result(60) == "done"
    assert not store.run(run.id).finished
    assert driver.wait(120)
    assert driver.error is None
    assert store.run(run.id).finished


def test_a_stopped_run_keeps_what_is_done_and_goes_on(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    held, run = drivers(store, tiny_gpt2, Worker()), planned(store)
    driver = held.start(run.id)
    while not store.places(run.id):
        time.sleep(0.005)
    driver.stop()
    assert driver.wait(60)
    kept = store.places(run.id)
    assert not store.run(run.id).finished
    again = held.start(run.id)
    assert again is not driver
    assert again.wait(120)
    assert store.run(run.id).finished
    assert kept <= store.places(run.id)


def test_one_run_has_one_driver_and_says_its_pace(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    held, run = drivers(store, tiny_gpt2, Worker()), planned(store)
    driver = held.start(run.id)
    assert held.start(run.id) is driver
    assert held.find(run.id) is driver
    assert driver.wait(120)
    progress = driver.pace().progress
    assert progress is not None
    assert (progress.done, progress.total, progress.unit) == (200, 200, "items")


def test_what_the_engine_refuses_is_kept_for_the_page(store: RunStore) -> None:
    def load(asked: ModelRequest) -> Steps[LoadedModel]:
        yield Progress("Loading")
        raise errors.MemoryBudgetError("Too large.")

    driver = RunDrivers(Worker(), store, load).start(planned(store).id)
    assert driver.wait(30)
    assert isinstance(driver.error, errors.MemoryBudgetError)


def test_a_deleted_run_ends_its_driver(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    held, run = drivers(store, tiny_gpt2, Worker()), planned(store)
    driver = held.start(run.id)
    held.forget(run.id)
    store.delete(run.id)
    assert driver.wait(60)
    assert store.runs() == ()

"""Long runs through the one queue: in slices, beside others, stopped and continued."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import errors
from engine.evaluation import drivers as driving
from engine.evaluation import hellaswag, runner
from engine.evaluation.drivers import RunDrivers
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.runs.store import Run, RunStore
from engine.jobs.queue import Queue
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


def loading(model: LoadedModel) -> runner.Load:
    def load(asked: ModelRequest) -> Steps[LoadedModel]:
        yield Progress("Loading")
        return model

    return load


def drivers(store: RunStore, model: LoadedModel, queue: Queue) -> RunDrivers:
    return RunDrivers(queue, store, loading(model))


def planned(store: RunStore) -> Run:
    return store.begin(hellaswag.plan([WANTED], ITEMS))


def test_others_get_their_turn_while_a_run_is_at_work(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    queue, run = Queue(), planned(store)
    driver = drivers(store, tiny_gpt2, queue).start(run.id)

    def other() -> Iterator[Progress]:
        yield Progress("Other")
        return "done"

    ticket = queue.submit("other", other)
    assert ticket.result(60) == "done"
    assert not store.run(run.id).finished
    assert driver.wait(120)
    assert driver.error is None
    assert store.run(run.id).finished


def test_a_stopped_run_keeps_what_is_done_and_goes_on(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    held, run = drivers(store, tiny_gpt2, Queue()), planned(store)
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
    held, run = drivers(store, tiny_gpt2, Queue()), planned(store)
    driver = held.start(run.id)
    assert held.start(run.id) is driver
    assert held.find(run.id) is driver
    assert driver.wait(120)
    progress = driver.status.progress
    assert progress is not None
    assert (progress.done, progress.total, progress.unit) == (200, 200, "items")


def test_what_the_engine_refuses_is_kept_for_the_page(store: RunStore) -> None:
    def load(asked: ModelRequest) -> Steps[LoadedModel]:
        yield Progress("Loading")
        raise errors.MemoryBudgetError("Too large.")

    driver = RunDrivers(Queue(), store, load).start(planned(store).id)
    assert driver.wait(30)
    assert isinstance(driver.error, errors.MemoryBudgetError)


def test_a_deleted_run_ends_its_driver(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    held, run = drivers(store, tiny_gpt2, Queue()), planned(store)
    driver = held.start(run.id)
    held.forget(run.id)
    store.delete(run.id)
    assert driver.wait(60)
    assert store.runs() == ()


class Blocking:
    """Somebody's work that holds the queue until it is let go."""

    def __init__(self, queue: Queue, owner: str) -> None:
        self.go_on, begun = threading.Event(), threading.Event()

        def steps() -> Steps[str]:
            begun.set()
            yield Progress("Scoring")
            assert self.go_on.wait(60)
            return "scored"

        self.ticket = queue.submit(owner, steps, owners=[owner])
        assert begun.wait(60)


def test_ones_own_run_is_not_a_person_ahead_nor_is_ones_scoring_ahead_of_it(
    store: RunStore, tiny_gpt2: LoadedModel
) -> None:
    queue, run = Queue(), planned(store)
    scoring = Blocking(queue, "anna")
    held = drivers(store, tiny_gpt2, queue)
    driver = held.start(run.id, "anna")
    while driver.status.behind is None:
        time.sleep(0.005)
    assert (driver.status.ahead, driver.status.behind) == (0, "Scoring")
    mine, others = (queue.submit(("text of", name), lambda: iter(()), owners=[name]) for name in ("anna", "ben"))
    assert (mine.status.ahead, others.status.ahead) == (0, 3)
    driver.stop()
    scoring.go_on.set()
    assert driver.wait(60)


def test_somebody_elses_scoring_is_ahead_of_a_run_and_who_looks_at_a_run_owns_it_too(
    store: RunStore, tiny_gpt2: LoadedModel
) -> None:
    queue, run = Queue(), planned(store)
    scoring = Blocking(queue, "ben")
    held = drivers(store, tiny_gpt2, queue)
    driver = held.start(run.id, "anna")
    while not driver.status.ahead:
        time.sleep(0.005)
    assert held.find(run.id, "anna after a reload") is driver
    assert driver.owners == {"anna", "anna after a reload"}
    driver.stop()
    scoring.go_on.set()
    assert driver.wait(60)


def test_a_run_stops_at_once_while_it_waits_for_others(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    queue, run = Queue(), planned(store)
    scoring = Blocking(queue, "ben")
    driver = drivers(store, tiny_gpt2, queue).start(run.id)
    while not driver.status.ahead:
        time.sleep(0.005)
    driver.stop()
    assert driver.wait(5)
    assert driver.error is None
    assert not scoring.ticket.done
    scoring.go_on.set()


def test_stopping_is_said_until_the_step_in_hand_is_over(store: RunStore) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load(asked: ModelRequest) -> Steps[LoadedModel]:
        yield Progress("Loading", 0, 2)
        begun.set()
        assert go_on.wait(60)
        yield Progress("Checking", 1, 2)
        raise AssertionError("goes on after it was stopped")

    driver = RunDrivers(Queue(), store, load).start(planned(store).id)
    assert begun.wait(60)
    assert not driver.status.stopping
    driver.stop()
    assert driver.status.stopping
    assert driver.active
    go_on.set()
    assert driver.wait(60)
    assert driver.error is None


def test_a_continued_run_is_no_faster_for_what_was_kept(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    run = planned(store)
    work = runner.run_steps(store, run.id, loading(tiny_gpt2))
    for _ in work:
        if len(store.places(run.id)) == 2:
            break
    work.close()
    noted = list(runner.run_steps(store, run.id, loading(tiny_gpt2)))
    told = [(noted[n].kept, noted[n + 1].done) for n in range(len(noted) - 1) if noted[n].kept]
    assert len(told) == 2
    assert all(done > 0 for _, done in told)


def test_a_run_tells_of_all_its_stages_and_never_goes_back(store: RunStore, tiny_gpt2: LoadedModel) -> None:
    plan = hellaswag.plan([WANTED, ModelRequest("gpt2", "float32")], ITEMS[:40])
    told = list(runner.run_steps(store, store.begin(plan).id, loading(tiny_gpt2)))
    shares = [step.fraction for step in told]
    assert None not in shares
    assert shares == sorted(shares)
    second = next(n for n in range(len(told)) if n > 3 and told[n].message == "Loading")
    assert shares[second] == pytest.approx(0.5)  # the same questions again: half of the work

"""Long runs through the one worker without holding it: a slice of a second, then whoever waits, then the next slice.

A driver belongs to the process, not to a page: it goes on while nobody looks, and a reloaded page finds it by the run's
id. What it computes is in the store batch by batch, so that stopping it costs at most the batch in flight.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.evaluation.runs import runner
from engine.evaluation.runs.store import Run, RunStore
from engine.jobs.worker import Worker
from engine.steps import Progress, Steps

SLICE_SECONDS = 1.0
_RATE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run gets on: the last step, units a second and seconds left, None while not known."""

    progress: Progress | None
    rate: float | None
    seconds_left: float | None
    ahead: int
    """Jobs of others before the next slice."""


class RunDriver:
    """Does one run in slices. `error` holds what ended it early."""

    def __init__(self, worker: Worker, store: RunStore, run_id: str, load: runner.Load) -> None:
        self.run_id = run_id
        self.error: BaseException | None = None
        self._worker, self._store, self._load = worker, store, load
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._progress: Progress | None = None
        self._since: tuple[str, float, int] = ("", 0.0, 0)
        self._position: Callable[[], int] = lambda: 0
        threading.Thread(target=self._drive, name=f"run-{run_id}", daemon=True).start()

    @property
    def active(self) -> bool:
        """Whether it is still at work."""
        return not self._ended.is_set()

    def stop(self) -> None:
        """Stop after the step in hand; the run can be continued later."""
        self._stopped.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; whether it has."""
        return self._ended.wait(timeout)

    def pace(self) -> Pace:
        """Progress, rate and time left of the present stage."""
        progress, (_, started, first) = self._progress, self._since
        elapsed = time.monotonic() - started
        rate = None
        if progress is not None and progress.done > first and elapsed > _RATE_SECONDS:
            rate = (progress.done - first) / elapsed
        left = None
        if rate and progress is not None and progress.total:
            left = (progress.total - progress.done) / rate
        return Pace(progress, rate, left, self._position())

    def _drive(self) -> None:
        work = runner.run_steps(self._store, self.run_id, self._load)
        try:
            number, finished = 0, False
            while not finished and not self._stopped.is_set():
                number += 1
                key = ("run slice", self.run_id, id(self), number)
                ticket = self._worker.submit(key, lambda: self._slice(work))
                self._position = lambda ticket=ticket: ticket.position  # type: ignore[misc]
                finished = ticket.result()
                self._worker.forget(key)
        except BaseException as error:  # shown to those who look at the run
            self.error = error
        finally:
            work.close()
            self._ended.set()

    def _slice(self, work: Steps[Run]) -> Steps[bool]:
        """Go on with `work` for a moment; whether it is done."""
        end = time.monotonic() + SLICE_SECONDS
        while time.monotonic() < end and not self._stopped.is_set():
            try:
                progress = next(work)
            except StopIteration:
                return True
            self._note(progress)
            yield progress
        return False

    def _note(self, progress: Progress) -> None:
        stage = f"{progress.unit} of {progress.total}"
        if stage != self._since[0]:
            self._since = (stage, time.monotonic(), progress.done)
        self._progress = progress


class RunDrivers:
    """The drivers of one process, one per run."""

    def __init__(self, worker: Worker, store: RunStore, load: runner.Load) -> None:
        self._worker, self._store, self._load = worker, store, load
        self._drivers: dict[str, RunDriver] = {}
        self._lock = threading.Lock()

    def start(self, run_id: str) -> RunDriver:
        """Do or continue a run, unless it is being done already."""
        with self._lock:
            driver = self._drivers.get(run_id)
            if driver is None or not driver.active:
                driver = self._drivers[run_id] = RunDriver(self._worker, self._store, run_id, self._load)
            return driver

    def find(self, run_id: str) -> RunDriver | None:
        """The last driver of a run in this process."""
        return self._drivers.get(run_id)

    def forget(self, run_id: str) -> None:
        """Stop a run's driver and drop it."""
        driver = self._drivers.pop(run_id, None)
        if driver is not None:
            driver.stop()

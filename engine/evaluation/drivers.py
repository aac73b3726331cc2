"""Long runs through the one queue without holding it: a slice of a second, then whoever waits, then the next slice.

A driver belongs to the process, not to a page: it goes on while nobody looks, and a reloaded page finds it by the run's
id. What it computes is in the store batch by batch, so that stopping it costs at most the batch in flight.
"""

import threading
import time
from dataclasses import replace

from engine.errors import Cancelled
from engine.evaluation import runner
from engine.evaluation.runs.store import Run, RunStore
from engine.jobs.pace import Meter, Status
from engine.jobs.queue import Queue, Ticket
from engine.steps import Steps

SLICE_SECONDS = 1.0


class RunDriver:
    """Does one run in slices, for `owners`: the people who began it or look at it. `error` is what ended it early."""

    def __init__(self, queue: Queue, store: RunStore, run_id: str, load: runner.Load, owners: frozenset[str]) -> None:
        self.run_id = run_id
        self.error: BaseException | None = None
        self.owners = owners
        self._queue, self._store, self._load = queue, store, load
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._meter = Meter()
        self._ticket: Ticket[bool] | None = None
        threading.Thread(target=self._drive, name=f"run-{run_id}", daemon=True).start()

    @property
    def active(self) -> bool:
        """Whether it is still at work."""
        return not self._ended.is_set()

    def stop(self) -> None:
        """Stop after the step in hand; the run can be continued later."""
        self._stopped.set()
        if self._ticket is not None:
            self._ticket.leave()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; whether it has."""
        return self._ended.wait(timeout)

    @property
    def status(self) -> Status:
        """How the run gets on; between slices, others' work comes first."""
        slices = Status() if self._ticket is None else self._ticket.status
        stopping = self._stopped.is_set()
        return replace(self._meter.status, ahead=slices.ahead, behind=slices.behind, stopping=stopping)

    def _drive(self) -> None:
        work = runner.run_steps(self._store, self.run_id, self._load)
        try:
            finished = False
            while not finished and not self._stopped.is_set():
                self._ticket = self._queue.submit(self, lambda: self._slice(work), owners=self.owners, keep=False)
                finished = self._ticket.result()
        except Cancelled:  # by `stop`
            pass
        except BaseException as error:  # shown to those who look at the run
            self.error = error
        finally:
            if self._ticket is not None:
                self._ticket.end()
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
            self._meter.note(progress)
            yield progress
        return False


class RunDrivers:
    """The drivers of one process, one per run."""

    def __init__(self, queue: Queue, store: RunStore, load: runner.Load) -> None:
        self._queue, self._store, self._load = queue, store, load
        self._drivers: dict[str, RunDriver] = {}
        self._lock = threading.Lock()

    def start(self, run_id: str, owner: str = "") -> RunDriver:
        """Do or continue a run, unless it is being done already, for a person or, without an owner, for the program."""
        with self._lock:
            driver, owners = self._drivers.get(run_id), frozenset(filter(None, [owner]))
            if driver is None or not driver.active:
                driver = self._drivers[run_id] = RunDriver(self._queue, self._store, run_id, self._load, owners)
            driver.owners |= owners
            return driver

    def find(self, run_id: str, owner: str = "") -> RunDriver | None:
        """The last driver of a run in this process; from now on it works for `owner` too."""
        driver = self._drivers.get(run_id)
        if driver is not None and owner:
            driver.owners |= {owner}
        return driver

    def forget(self, run_id: str) -> None:
        """Stop a run's driver and drop it."""
        driver = self._drivers.pop(run_id, None)
        if driver is not None:
            driver.stop()

"""One thread through which all heavy work goes, in the order it was asked for.

Who asks for work that is queued, running or kept already shares it. Work that nobody waits for any more is not begun,
or stopped at its next step: nobody waits where every ticket has been left, or has been dropped, as when the browser
that asked for it is closed.
"""

import dataclasses
import threading
import traceback
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import numpy as np

from engine.errors import Cancelled
from engine.steps import Progress, Steps

T = TypeVar("T")


class Ticket(Generic[T]):
    """A place in the queue. Hold it for as long as the result is wanted."""

    def __init__(self, worker: "Worker", job: "_Job") -> None:
        self._worker = worker
        self._job = job
        self._left = False

    @property
    def position(self) -> int:
        """How many jobs run or wait ahead of this one: 0 once it runs or is done."""
        return self._worker._position(self._job)

    @property
    def progress(self) -> Progress | None:
        """The last step, or None before the first."""
        return self._job.progress

    @property
    def done(self) -> bool:
        """Whether `result` would return, or raise, at once."""
        return self._left or self._job.finished.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the work is done, at most `timeout` seconds; whether it is."""
        return self._left or self._job.finished.wait(timeout)

    def result(self, timeout: float | None = None) -> T:
        """The result, waiting for it.

        Raises
        ------
        Cancelled
            Where this ticket was left before the work was done.
        TimeoutError
            After `timeout` seconds.
        Exception
            Whatever the work raised.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"no result after {timeout} s")
        if self._left:
            raise Cancelled("The work was stopped.")
        if self._job.error is not None:
            raise self._job.error
        result: T = self._job.result
        return result

    def leave(self) -> None:
        """Give the place up. The last one to leave a job cancels it."""
        if not self.done:
            self._left = True
            self._worker._leave(self, self._job)


class _Job:
    """One piece of work and those who wait for it."""

    def __init__(self, key: Hashable, make_steps: Callable[[], Steps[Any]]) -> None:
        self.key = key
        self.make_steps = make_steps
        self.tickets: weakref.WeakSet[Ticket[Any]] = weakref.WeakSet()
        self.progress: Progress | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.stopped = False  # nobody wanted it; it cannot be joined any more
        self.finished = threading.Event()

    @property
    def wanted(self) -> bool:
        return len(self.tickets) > 0


class Worker:
    """One thread, a queue, and the results of the last jobs.

    Parameters
    ----------
    keep : how many finished results are kept
    keep_bytes : most bytes of numpy arrays in kept results; None for no limit
    """

    def __init__(self, keep: int = 64, keep_bytes: int | None = None) -> None:
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._running: _Job | None = None
        self._kept: OrderedDict[Hashable, _Job] = OrderedDict()  # least recently asked for first
        self._thread: threading.Thread | None = None

    def submit(self, key: Hashable, make_steps: Callable[[], Steps[T]]) -> Ticket[T]:
        """Ask for work.

        Parameters
        ----------
        key : everything the result depends on; the same key is taken for the same work
        make_steps : starts the work; called in the worker's thread, if at all
        """
        with self._changed:
            job = self._find(key)
            if job is None:
                job = _Job(key, make_steps)
                self._waiting.append(job)
            ticket: Ticket[T] = Ticket(self, job)
            job.tickets.add(ticket)
            self._start()
            self._changed.notify_all()
        return ticket

    def forget(self, key: Hashable) -> None:
        """Drop the kept result of `key`, if there is one."""
        with self._changed:
            self._kept.pop(key, None)

    def _find(self, key: Hashable) -> _Job | None:
        """A job with this key that can be joined: kept, running or waiting, but not one that was stopped."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        running = [self._running] if self._running is not None else []
        return next((job for job in running + self._waiting if job.key == key and not job.stopped), None)

    def _position(self, job: _Job) -> int:
        with self._changed:
            if job not in self._waiting:
                return 0
            ahead = self._waiting[: self._waiting.index(job)]
            return sum(other.wanted for other in ahead) + (self._running is not None)

    def _leave(self, ticket: Ticket[Any], job: _Job) -> None:
        with self._changed:
            job.tickets.discard(ticket)
            if not job.wanted and job in self._waiting:
                self._waiting.remove(job)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="logitscope-worker", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                job = self._running = self._waiting.pop(0)
            self._run(job)
            with self._changed:
                self._running = None
                if job.error is None and not job.stopped:
                    self._keep_result(job)
                job.finished.set()
            del job  # while it waits, this thread holds no result

    def _run(self, job: _Job) -> None:
        """Take `job` to its end, or to the first step after which nobody wants it."""
        steps: Steps[Any] | None = None
        try:
            while not self._stop_if_unwanted(job):
                if steps is None:
                    steps = job.make_steps()
                job.progress = next(steps)
            if steps is not None:
                steps.close()
        except StopIteration as stop:
            job.result = stop.value
        except BaseException as error:  # the thread must outlive any job; those who wait get the error
            traceback.clear_frames(error.__traceback__)  # else the error would hold the model it happened with
            job.error = error

    def _stop_if_unwanted(self, job: _Job) -> bool:
        with self._changed:  # so that nobody joins between the question and the answer
            job.stopped = not job.wanted
            return job.stopped

    def _keep_result(self, job: _Job) -> None:
        self._kept[job.key] = job
        while len(self._kept) > self._keep or self._too_many_bytes():
            self._kept.popitem(last=False)

    def _too_many_bytes(self) -> bool:
        if self._keep_bytes is None:
            return False
        return sum(_nbytes(job.result) for job in self._kept.values()) > self._keep_bytes


def _nbytes(result: object) -> int:
    """Bytes of the numpy arrays in a result, looking into dataclasses, tuples and lists."""
    if isinstance(result, np.ndarray):
        return result.nbytes
    if dataclasses.is_dataclass(result):
        return sum(_nbytes(getattr(result, field.name)) for field in dataclasses.fields(result))
    if isinstance(result, tuple | list):
        return sum(_nbytes(part) for part in result)
    return 0

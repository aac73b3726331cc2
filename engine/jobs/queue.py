"""One thread through which heavy work goes, in the order it was asked for.

Whoever asks for work that is queued, running or kept already shares it. Work that nobody waits for any more is not
begun, or is stopped at its next step: nobody waits once every ticket has been left or dropped, as when the browser
that asked for it is closed.
"""

import threading
import traceback
import weakref
from collections.abc import Callable, Collection, Hashable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from engine.errors import Cancelled
from engine.jobs.pace import Meter, Status
from engine.jobs.results import Results
from engine.steps import Steps

T = TypeVar("T")


class Ticket(Generic[T]):
    """A place in the queue. Hold it for as long as the result is wanted."""

    def __init__(self, queue: "Queue", job: "_Job", owners: Collection[str]) -> None:
        self.owners = frozenset(owners)
        self._queue = queue
        self._job = job
        self._left = False

    @property
    def status(self) -> Status:
        """How the work is getting on, and what comes before it."""
        ahead, behind = self._queue._before(self._job, self.owners)
        return replace(self._job.meter.status, ahead=ahead, behind=behind, stopping=self._left)

    @property
    def done(self) -> bool:
        """Whether `result` would return, or raise, at once."""
        return self._left or self.ended

    @property
    def ended(self) -> bool:
        """Whether the work is over: it may be at its last step still after `leave`."""
        return self._job.finished.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the work is done, at most `timeout` seconds; whether it is."""
        return self._left or self._job.finished.wait(timeout)

    def result(self, timeout: float | None = None) -> T:
        """The result, waiting for it.

        Raises
        ------
        Cancelled
            This ticket was left before the work was done.
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
            self._queue._leave(self, self._job)

    def end(self) -> None:
        """Leave, and wait until the step in hand is over."""
        self.leave()
        self._job.finished.wait()


class _Job:
    """One piece of work and those who wait for it."""

    def __init__(self, key: Hashable, make_steps: Callable[[], Steps[Any]], keep: bool) -> None:
        self.key = key
        self.make_steps = make_steps
        self.keep = keep
        self.tickets: weakref.WeakSet[Ticket[Any]] = weakref.WeakSet()
        self.meter = Meter()
        self.result: Any = None
        self.error: BaseException | None = None
        self.stopped = False  # nobody wanted it; it cannot be joined any more
        self.finished = threading.Event()

    @property
    def wanted(self) -> bool:
        return len(self.tickets) > 0

    def is_others(self, owners: Collection[str]) -> bool:
        """Whether people wait for it, and none of `owners`."""
        its = {owner for ticket in self.tickets for owner in ticket.owners}
        return bool(its) and its.isdisjoint(owners)


class Queue:
    """One thread and the work that waits for it.

    Parameters
    ----------
    results : where results are kept; None to keep none
    """

    def __init__(self, results: Results | None = None) -> None:
        self._results = results
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._running: _Job | None = None
        self._thread: threading.Thread | None = None

    def submit(
        self, key: Hashable, make_steps: Callable[[], Steps[T]], *, owners: Collection[str] = (), keep: bool = True
    ) -> Ticket[T]:
        """Ask for work.

        Parameters
        ----------
        key : everything the result depends on; the same key is taken for the same work
        make_steps : starts the work; called in the queue's thread, if at all
        owners : names of the people who wait for it; none if it is the program's own
        keep : whether its result is kept for those who ask later
        """
        with self._changed:
            job = self._find(key)
            if job is None:
                job = _Job(key, make_steps, keep)
                self._waiting.append(job)
            ticket: Ticket[T] = Ticket(self, job, owners)
            job.tickets.add(ticket)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="logitscope-queue", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return ticket

    def _find(self, key: Hashable) -> _Job | None:
        """A job with this key that can be joined: kept, running or waiting, but not one that was stopped."""
        if self._results is not None and key in self._results:
            job = _Job(key, lambda: iter(()), keep=False)  # type: ignore[arg-type,return-value]
            job.result = self._results[key]
            job.finished.set()
            return job
        running = [self._running] if self._running is not None else []
        return next((job for job in running + self._waiting if job.key == key and not job.stopped), None)

    def _before(self, job: _Job, owners: Collection[str]) -> tuple[int, str | None]:
        """`ahead` and `behind` of a job's `Status`, seen by `owners`."""
        with self._changed:
            if job not in self._waiting:
                return 0, None
            waiting = [other for other in self._waiting[: self._waiting.index(job)] if other.wanted]
            before = [self._running, *waiting] if self._running is not None else waiting
            others = sum(other.is_others(owners) for other in before)
            if not before or before[0].is_others(owners):
                return others, "" if len(before) > others else None
            progress = before[0].meter.status.progress
            return others, "" if progress is None else progress.message

    def _leave(self, ticket: Ticket[Any], job: _Job) -> None:
        with self._changed:
            job.tickets.discard(ticket)
            if not job.wanted and job in self._waiting:
                self._waiting.remove(job)
                job.finished.set()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                job = self._running = self._waiting.pop(0)
            self._run(job)
            with self._changed:
                self._running = None
                if self._results is not None and job.keep and job.error is None and not job.stopped:
                    self._results[job.key] = job.result
                job.finished.set()
            del job  # while it waits, this thread holds no result

    def _run(self, job: _Job) -> None:
        """Take `job` to its end, or to the first step after which nobody wants it."""
        steps: Steps[Any] | None = None
        try:
            while not self._stop_if_unwanted(job):
                if steps is None:
                    steps = job.make_steps()
                job.meter.note(next(steps))
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

"""Training processes: started, watched, paused and ended; at most a few at once.

A `TrainingJobs` belongs to a server. It knows nothing of web sessions but their names, and asks `is_present` whether
one is still there.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil

from engine import paths
from engine.training.config import BiasConfig
from engine.training.job import Job, JobView
from engine.training.process import NICENESS, PATIENCE_SECONDS
from engine.training.records import RunState
from engine.training.supply import Supply, best_supply

AT_ONCE = 2
"""Runs at once. Each has one thread at low priority; the models that score texts need the rest of the machine."""
KEPT_MODELS = 4
"""Trained models kept on disk; the oldest goes first. Curves are small and stay."""
KEPT_JOBS = 50
BEATS_PER_PATIENCE = 6


class TrainingJobs:
    """Every run of a server.

    Parameters
    ----------
    is_present : whether the session of that name is still there
    at_once : runs at once; the rest wait in order
    patience : seconds after which a run ends whose sessions are all gone
    supply : where processes come from; None for the quickest
    niceness : how far the processes step back behind others (POSIX, 0 to 19)
    """

    def __init__(
        self,
        is_present: Callable[[str], bool],
        *,
        at_once: int = AT_ONCE,
        patience: float = PATIENCE_SECONDS,
        supply: Supply | None = None,
        niceness: int = NICENESS,
    ) -> None:
        self.at_once = at_once
        self._is_present = is_present
        self._patience = patience
        self._niceness = niceness
        self._supply = supply or best_supply()
        self._visitors: dict[str, float] = {}
        self._jobs: dict[str, Job] = {}
        self._lock = threading.RLock()
        self._folder = _own_folder()
        threading.Thread(target=self._watch, daemon=True).start()

    def start(self, config: BiasConfig, session: str, *, single_step: bool = False) -> Job:
        """Start a run, or put it in the queue; with `single_step` it pauses after its first step."""
        job = Job(config, self._folder, single_step=single_step, on_end=self._begin_waiting)
        job.watchers.add(session)
        with self._lock:
            self._jobs[job.id] = job
        self._begin_waiting()
        return job

    def find(self, job_id: str, session: str) -> Job | None:
        """The job of that id; from now on `session` watches it."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is not None:
            job.watchers.add(session)
            job.last_seen = time.monotonic()
        return job

    def view(self, job: Job) -> JobView:
        """The job as it is now, with its place in the queue."""
        with self._lock:
            live, waiting = self._live_and_waiting()
        return replace(job.view, place=live + waiting.index(job) if job in waiting else 0)

    def warm(self, session: str) -> None:
        """Have a process ready for the run that `session` may start soon; not while another run is starting, which
        would have to share its processor.
        """
        with self._lock:
            self._visitors[session] = time.monotonic()
            if not any(job.view.state is RunState.STARTING for job in self._jobs.values()):
                self._supply.prepare()

    def close(self) -> None:
        """End every process and delete every model."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.discard()
        with self._lock:
            self._supply.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _live_and_waiting(self) -> tuple[int, list[Job]]:
        """Number of runs that have a process, and those that wait for one, in order."""
        jobs = [(job, job.view.state) for job in self._jobs.values()]
        return sum(state.has_process for _, state in jobs), [job for job, state in jobs if state is RunState.WAITING]

    def _begin_waiting(self) -> None:
        """Start waiting runs while there is room, and forget the oldest that ended."""
        with self._lock:
            live, waiting = self._live_and_waiting()
            for job in waiting[: max(0, self.at_once - live)]:
                job.begin(self._supply.take(), self._patience, self._niceness)
            over = [job for job in self._jobs.values() if job.view.state.is_over]
            for job in [job for job in over if job.view.after is not None][:-KEPT_MODELS]:
                job.forget_model()
            for job in over[:-KEPT_JOBS]:
                del self._jobs[job.id]

    def _watch(self) -> None:
        """Tell every process whose sessions are there that somebody looks; drop waiting runs that nobody waits for."""
        while True:
            time.sleep(self._patience / BEATS_PER_PATIENCE)
            now = time.monotonic()
            with self._lock:
                jobs = list(self._jobs.values())
                visitors = [name for name, since in self._visitors.items() if now - since < 10 * self._patience]
            for job in jobs:
                if any(self._is_present(name) for name in tuple(job.watchers)):
                    job.last_seen = now
                    job.send(command="beat")
                elif job.view.state is RunState.WAITING and now - job.last_seen > self._patience:
                    job.discard()
            if any(self._is_present(name) for name in visitors):
                with self._lock:
                    self._supply.beat()


def _own_folder() -> Path:
    """A folder for this server's models; those of servers that are gone are deleted."""
    root = paths.cache_dir() / "training"
    root.mkdir(parents=True, exist_ok=True)
    for old in root.iterdir():
        server = old.name.partition("-")[0]
        if not (server.isdecimal() and psutil.pid_exists(int(server))):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))

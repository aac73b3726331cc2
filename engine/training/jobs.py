"""Training processes: started, watched, paused and ended; at most a few at once.

A `TrainingJobs` belongs to a server. It knows nothing of web sessions but their names, and asks `is_present` whether
one is still there.
"""

import contextlib
import itertools
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from engine import paths
from engine.training import records
from engine.training.config import RANGES, BiasConfig, check_range
from engine.training.process import NICENESS, PATIENCE_SECONDS, Message

State = Literal["waiting", "starting", "running", "paused", "finishing", "ended", "failed"]
LIVE: tuple[State, ...] = ("starting", "running", "paused", "finishing")

AT_ONCE = 2
"""Runs at once. Each has one thread at low priority; the models that score texts need the rest of the machine."""
KEPT_MODELS = 4
"""Trained models kept on disk; the oldest goes first. Curves are small and stay."""
KEPT_JOBS = 50
BEATS_PER_PATIENCE = 6

_WRITING = threading.Lock()


@dataclass(frozen=True)
class JobView:
    """A job at one moment.

    Parameters
    ----------
    place : number of runs ahead of it while it waits
    message : what it is doing, or how it ended, for a person
    learning_rate, beta : as set last
    run : everything it left behind, once it has ended well
    after, before : folders of the trained model and of the one made from scratch, while they are kept
    """

    id: str
    config: BiasConfig
    state: State
    place: int
    message: str
    learning_rate: float
    beta: float
    start: records.RunStart | None
    steps: tuple[records.TrainStep, ...]
    generations: tuple[records.Generation, ...]
    run: records.TrainingRun | None
    after: Path | None
    before: Path | None

    @property
    def active(self) -> bool:
        """Whether something may still happen."""
        return self.state not in ("ended", "failed")

    @property
    def steps_per_second(self) -> float | None:
        """Updates per second of training over the last ten steps; None before the second."""
        last = self.steps[-10:]
        if len(last) < 2 or last[-1].seconds <= last[0].seconds:
            return None
        return (last[-1].step - last[0].step) / (last[-1].seconds - last[0].seconds)


class Job:
    """One run and its process. Everything here may be called from any thread."""

    def __init__(self, config: BiasConfig, folder: Path, *, single_step: bool, on_end: Callable[[], None]) -> None:
        self.id = secrets.token_urlsafe(6)
        self.config = config
        self.watchers: set[str] = set()
        self.last_seen = time.monotonic()
        self.state: State = "waiting"
        self._folder = folder / self.id
        self._single_step = single_step
        self._on_end = on_end
        self._lock = threading.Lock()
        self._events: list[records.Event] = []
        self._message = "Waiting for another run to end"
        self._set = (config.learning_rate, config.beta)
        self._run: records.TrainingRun | None = None
        self._after: Path | None = None
        self._before: Path | None = None
        self._process: subprocess.Popen[str] | None = None
        self._discarded = False

    def view(self, place: int = 0) -> JobView:
        """The job as it is now."""
        with self._lock:
            events = tuple(self._events)
            return JobView(
                id=self.id,
                config=self.config,
                state=self.state,
                place=place,
                message=self._message,
                learning_rate=self._set[0],
                beta=self._set[1],
                start=next((each for each in events if isinstance(each, records.RunStart)), None),
                steps=tuple(each for each in events if isinstance(each, records.TrainStep)),
                generations=tuple(each for each in events if isinstance(each, records.Generation)),
                run=self._run,
                after=self._after,
                before=self._before,
            )

    def begin(self, process: "subprocess.Popen[str]", patience: float, niceness: int) -> None:
        """Give the job its process, which speaks the protocol of `engine.training.process`."""
        with self._lock:
            self._process = process
            self.state, self._message = "starting", "Starting a training process"
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        self.send(
            command="start",
            config=self.config.to_dict(),
            folder=str(self._folder),
            single_step=self._single_step,
            patience=patience,
            niceness=niceness,
        )

    def send(self, **command: Any) -> None:
        """Send a command; a process that is gone is noticed by the listener."""
        if self._process is not None:
            send_line(self._process, command)

    def pause(self) -> None:
        """Wait before the next step."""
        self.send(command="pause")

    def resume(self) -> None:
        """Go on after a pause."""
        self.send(command="resume")

    def step(self) -> None:
        """Make one step and pause."""
        self.send(command="step")

    def set(self, learning_rate: float, beta: float) -> None:
        """Change what may change while it runs, from the next step on.

        Raises
        ------
        ParameterError
            Where a value is outside its range.
        """
        check_range("learning_rate", learning_rate, *RANGES["learning_rate"])
        check_range("beta", beta, *RANGES["beta"])
        with self._lock:
            if (learning_rate, beta) == self._set:
                return
            self._set = (learning_rate, beta)
        self.send(command="set", learning_rate=learning_rate, beta=beta)

    def stop(self) -> None:
        """End after the step in progress; samples are taken and the model is kept."""
        if self.state == "waiting":
            self._end("failed", "Stopped before it began.")
        self.send(command="stop")

    def discard(self) -> None:
        """End at once, keep nothing."""
        self._discarded = True
        if self._process is not None:
            self._process.terminate()
        elif self.state == "waiting":
            self._end("failed", "Stopped before it began.")
        self.forget_model()

    def forget_model(self) -> None:
        """Delete the model files."""
        with self._lock:
            self._after = self._before = None
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def process_id(self) -> int | None:
        """Number of the process, once it has one."""
        return None if self._process is None else self._process.pid

    @property
    def holds_model(self) -> bool:
        """Whether it has model files."""
        return self._after is not None

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None  # noqa: S101 - made with a pipe
        for line in process.stdout:
            self._hear(json.loads(line))
        code = process.wait()
        if self.state in LIVE:
            self._end("failed", _cause_of_death(code))

    def _hear(self, message: Message) -> None:
        kind = message["event"]
        if kind in ("start", "step", "generation"):
            event = records.event_from_dict(message)
            with self._lock:
                self._events.append(event)
                if self.state == "starting" and kind == "step":
                    self.state = "running"
        elif kind == "progress":
            with self._lock:
                self._message = message["message"]
                if self._message.startswith(("Sampling after", "Writing")):
                    self.state = "finishing"
        elif kind in ("paused", "running"):
            with self._lock:
                self.state = kind
        elif kind == "end":
            self._finish(message)
        elif kind == "refused":
            self._end("failed", message["message"])
        elif kind == "abandoned":
            self._end("failed", "Nobody was looking at this run any more, so it was ended.")

    def _finish(self, message: Message) -> None:
        view = self.view()
        assert view.start is not None  # noqa: S101 - a run that ends has begun
        run = records.TrainingRun(
            config=self.config,
            start=view.start,
            steps=view.steps,
            generations=view.generations,
            outcome=message["outcome"],
            message=message["message"],
            kept_step=message["kept_step"],
        )
        with self._lock:
            self._run = run
            self._after = Path(message["after"])
            self._before = Path(message["before"]) if message["before"] else None
        self._end("ended", message["message"])

    def _end(self, state: State, message: str) -> None:
        with self._lock:
            self.state, self._message = state, message
        if self._discarded:
            self.forget_model()
        self._on_end()


class TrainingJobs:
    """Every run of a server.

    Parameters
    ----------
    is_present : whether the session of that name is still there
    at_once : runs at once; the rest wait in order
    patience : seconds after which a run ends whose sessions are all gone
    spare : whether `warm` may keep a process ready, which has done its imports
    niceness : how far the processes step back behind others (POSIX, 0 to 19)
    """

    def __init__(
        self,
        is_present: Callable[[str], bool],
        *,
        at_once: int = AT_ONCE,
        patience: float = PATIENCE_SECONDS,
        spare: bool = True,
        niceness: int = NICENESS,
    ) -> None:
        self.at_once = at_once
        self._is_present = is_present
        self._patience = patience
        self._may_spare = spare
        self._niceness = niceness
        self._spare: subprocess.Popen[str] | None = None
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
            live = sum(each.state in LIVE for each in self._jobs.values())
            waiting = [each for each in self._jobs.values() if each.state == "waiting"]
        return job.view(place=live + waiting.index(job) if job in waiting else 0)

    def warm(self, session: str) -> None:
        """Have a process ready for the run that `session` may start soon."""
        with self._lock:
            self._visitors[session] = time.monotonic()
            ready = self._spare is not None and self._spare.poll() is None
            if self._may_spare and not ready:
                self._spare = start_process()

    def close(self) -> None:
        """End every process and delete every model."""
        with self._lock:
            jobs, spare = list(self._jobs.values()), self._spare
            self._spare, self._may_spare = None, False
        for job in jobs:
            job.discard()
        if spare is not None:
            spare.terminate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _begin_waiting(self) -> None:
        """Start waiting runs while there is room, and forget the oldest that ended."""
        with self._lock:
            live = sum(job.state in LIVE for job in self._jobs.values())
            waiting = [job for job in self._jobs.values() if job.state == "waiting"]
            for job in waiting[: max(0, self.at_once - live)]:
                job.begin(self._take_process(), self._patience, self._niceness)
            over = [job for job in self._jobs.values() if job.state in ("ended", "failed")]
            holding = [job for job in over if job.holds_model]
            for job in holding[:-KEPT_MODELS]:
                job.forget_model()
            for job in over[:-KEPT_JOBS]:
                del self._jobs[job.id]

    def _take_process(self) -> "subprocess.Popen[str]":
        spare, self._spare = self._spare, None
        if spare is not None and spare.poll() is None:
            return spare
        return start_process()

    def _watch(self) -> None:
        """Tell every process whose sessions are there that somebody looks; drop waiting runs that nobody waits for."""
        for _ in itertools.count():
            time.sleep(self._patience / BEATS_PER_PATIENCE)
            now = time.monotonic()
            with self._lock:
                jobs, spare = list(self._jobs.values()), self._spare
                visitors = [name for name, since in self._visitors.items() if now - since < 10 * self._patience]
            for job in jobs:
                if any(self._is_present(name) for name in tuple(job.watchers)):
                    job.last_seen = now
                    job.send(command="beat")
                elif job.state == "waiting" and now - job.last_seen > self._patience:
                    job.discard()
            if spare is not None and any(self._is_present(name) for name in visitors):
                send_line(spare, {"command": "beat"})


def start_process() -> "subprocess.Popen[str]":
    """Start a training process; it waits for its 'start'."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "engine.training.process"],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def send_line(process: "subprocess.Popen[str]", command: Message) -> None:
    """Write one command to a process, if it still listens."""
    assert process.stdin is not None  # noqa: S101 - made with a pipe
    with _WRITING, contextlib.suppress(OSError, ValueError):
        process.stdin.write(json.dumps(command) + "\n")
        process.stdin.flush()


def _cause_of_death(code: int) -> str:
    if code == -9:
        return "The training process was killed from outside, perhaps because memory ran out. Start it again, smaller."
    if code < 0:
        return f"The training process was ended from outside (signal {-code}). Start it again."
    return f"The training process failed (exit code {code}); the server's log says why. Start it again."


def _own_folder() -> Path:
    """A folder for this server's models; those of servers that are gone are deleted."""
    root = paths.cache_dir() / "training"
    root.mkdir(parents=True, exist_ok=True)
    for old in root.iterdir():
        server = old.name.partition("-")[0]
        if not (server.isdecimal() and psutil.pid_exists(int(server))):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))

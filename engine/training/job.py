"""One training run seen from the server: its process, what it has said so far, and the commands it takes."""

import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.training import records
from engine.training.config import RANGES, BiasConfig, check_range
from engine.training.process import Message
from engine.training.supply import TrainingProcess, send_line

State = Literal["waiting", "starting", "running", "paused", "finishing", "ended", "failed"]
LIVE: tuple[State, ...] = ("starting", "running", "paused", "finishing")


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
        self._process: TrainingProcess | None = None
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

    def begin(self, process: TrainingProcess, patience: float, niceness: int) -> None:
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

    def _listen(self, process: TrainingProcess) -> None:
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


def _cause_of_death(code: int) -> str:
    if code == -9:
        return "The training process was killed from outside, perhaps because memory ran out. Start it again, smaller."
    if code < 0:
        return f"The training process was ended from outside (signal {-code}). Start it again."
    return f"The training process failed (exit code {code}); the server's log says why. Start it again."

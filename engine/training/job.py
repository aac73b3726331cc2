"""One training run seen from the server: its process, what it has said so far, and the commands it takes."""

import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.training import records
from engine.training.config import SETTINGS, BiasConfig
from engine.training.process import Message
from engine.training.records import RunState
from engine.training.supply import TrainingProcess, send_line


@dataclass(frozen=True, kw_only=True)
class JobView(records.Story):
    """A job at one moment.

    Parameters
    ----------
    place : number of runs ahead of it while it waits
    message : what it is doing, or how it ended, for a person
    run : everything it left behind, once it has ended without failing
    after, before : folders of the trained model and of the one made from scratch, while they are kept
    """

    id: str
    config: BiasConfig
    state: RunState = RunState.WAITING
    place: int = 0
    message: str = "Waiting for another run to end"
    run: records.TrainingRun | None = None
    after: Path | None = None
    before: Path | None = None


class Job:
    """One run and its process. Everything here may be called from any thread.

    `view` is the job as it is now, but for its place in the queue.
    """

    def __init__(self, config: BiasConfig, folder: Path, *, single_step: bool, on_end: Callable[[], None]) -> None:
        self.view = JobView(id=secrets.token_urlsafe(6), config=config)
        self.id = self.view.id
        self.watchers: set[str] = set()
        self.last_seen = time.monotonic()
        self._folder = folder / self.id
        self._single_step = single_step
        self._on_end = on_end
        self._lock = threading.Lock()
        self._set = (config.learning_rate, config.beta)
        self._process: TrainingProcess | None = None
        self._discarded = False

    def begin(self, process: TrainingProcess, patience: float, niceness: int) -> None:
        """Give the job its process, which speaks the protocol of `engine.training.process`."""
        self._process = process
        self._change(state=RunState.STARTING, message="Starting a training process")
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        self.send(
            command="start",
            config=self.view.config.to_dict(),
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
            A value is outside its range.
        """
        SETTINGS["learning_rate"].check(learning_rate)
        SETTINGS["beta"].check(beta)
        with self._lock:
            if (learning_rate, beta) == self._set:
                return
            self._set = (learning_rate, beta)
        self.send(command="set", learning_rate=learning_rate, beta=beta)

    def stop(self) -> None:
        """End after the step in progress; samples are taken and the model is kept."""
        self._end_if_waiting()
        self.send(command="stop")

    def discard(self) -> None:
        """End at once, keep nothing."""
        self._discarded = True
        if self._process is not None:
            self._process.terminate()
        else:
            self._end_if_waiting()
        self.forget_model()

    def forget_model(self) -> None:
        """Delete the model files."""
        self._change(after=None, before=None)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _listen(self, process: TrainingProcess) -> None:
        assert process.stdout is not None  # noqa: S101 - made with a pipe
        for line in process.stdout:
            self._hear(json.loads(line))
        code = process.wait()
        if not self.view.state.is_over:
            self._end(RunState.FAILED, _cause_of_death(code))

    def _hear(self, message: Message) -> None:
        match message["event"]:
            case "progress":
                self._change(state=RunState(message["state"]), message=message["message"])
            case "start" | "step" | "generation":
                with self._lock:
                    self.view = self.view.and_then(records.event_from_dict(message))
            case "end":
                self._finish(message)
            case "refused":
                self._end(RunState.FAILED, message["message"])
            case "abandoned":
                self._end(RunState.FAILED, "Nobody was looking at this run any more, so it was ended.")

    def _finish(self, message: Message) -> None:
        run = self.view.ended(self.view.config, message["outcome"], message["message"], message["kept_step"])
        before = Path(message["before"]) if message["before"] else None
        self._change(run=run, after=Path(message["after"]), before=before)
        self._end(RunState(run.outcome), run.message)

    def _end_if_waiting(self) -> None:
        if self.view.state is RunState.WAITING:
            self._end(RunState.FAILED, "Stopped before it began.")

    def _end(self, state: RunState, message: str) -> None:
        self._change(state=state, message=message)
        if self._discarded:
            self.forget_model()
        self._on_end()

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self.view = replace(self.view, **changes)


def _cause_of_death(code: int) -> str:
    if code == -9:
        return "The training process was killed from outside, perhaps because memory ran out. Start it again, smaller."
    if code < 0:
        return f"The training process was ended from outside (signal {-code}). Start it again."
    return f"The training process failed (exit code {code}); the server's log says why. Start it again."

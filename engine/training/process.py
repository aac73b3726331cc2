r"""A run in a process of its own: `python -m engine.training.process`, JSON lines in and out.

In, one object per line with the key 'command':
    start   config, folder, single_step, patience, niceness    begin; `folder` gets the trained model
    pause, resume, step                         between steps; 'step' makes one more and pauses again
    set     learning_rate, beta                 from the next step on
    stop                                        end after the step in progress
    beat                                        somebody is still looking
Out, one object per line with the key 'event':
    ready                                       imports are done
    progress state, message                     it does something else: a `RunState`, and a sentence for people
    start, step, generation                     `engine.training.records`
    end     outcome, message, kept_step, after, before    folders of the two models; before is None for a named start
    refused message                             a setting or the machine does not allow the run
    abandoned                                   no line came in for `patience` seconds

The process ends by itself when its standard input closes or falls silent: nobody is looking any more.
"""

import contextlib
import json
import os
import queue
import re
import select
import sys
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from engine.errors import EngineError
from engine.steps import Watched
from engine.training.config import SCRATCH, BiasConfig
from engine.training.records import RunState

if TYPE_CHECKING:
    from engine.training.objective import Controls

PATIENCE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 900.0
"""A paused run holds its memory; after this it is stopped."""
NICENESS = 10
"""Priority of training: pages and scoring come first."""

Message = dict[str, Any]
Emit = Callable[[Message], None]


class Inbox:
    """Commands from standard input, read by a thread that ends the process once nobody is there."""

    def __init__(self, emit: Emit, descriptor: int) -> None:
        self._emit = emit
        self._descriptor = descriptor
        self._commands: queue.Queue[Message] = queue.Queue()
        self.patience = PATIENCE_SECONDS
        threading.Thread(target=self._read, daemon=True).start()

    def take(self, timeout: float | None = 0.0) -> Message | None:
        """Return the next command, or None if there is none within `timeout` seconds (None: wait for ever)."""
        with contextlib.suppress(queue.Empty):
            return self._commands.get(block=timeout != 0, timeout=timeout or None)
        return None

    def _read(self) -> None:
        pending = b""
        while True:
            if not select.select([self._descriptor], [], [], self.patience)[0]:
                self._emit({"event": "abandoned"})
                os._exit(0)
            data = os.read(self._descriptor, 65536)
            if not data:
                os._exit(0)  # whoever started this is gone; there is nobody to tell
            *lines, pending = (pending + data).split(b"\n")
            for line in filter(None, lines):
                self._receive(json.loads(line))

    def _receive(self, command: Message) -> None:
        self.patience = float(command.get("patience", self.patience))
        if command["command"] != "beat":
            self._commands.put(command)


def narrate(
    config: BiasConfig, controls: "Controls | None" = None, folder: Path | None = None
) -> Generator[Message, None, None]:
    """A run as JSON-ready messages, the last one of which is its end.

    Parameters
    ----------
    config : the run
    controls : those that may be changed between messages; None for the config's own
    folder : where the trained model goes and, made from scratch, the untrained one; None keeps no model
    """
    from engine.training import loop, records, saving, starting

    work = Watched(loop.train_bias_steps(config, controls=controls))
    said: Message = {}
    for progress in work:
        step = progress if isinstance(progress, records.TrainProgress) else records.TrainProgress(progress.message)
        if said != (doing := _doing(step.state, step.message)):
            said = doing
            yield doing
        if step.event is not None:
            yield records.event_to_dict(step.event)
    result, run = work.result, work.result.run
    end: Message = {"event": "end", "outcome": run.outcome, "message": run.message, "kept_step": run.kept_step}
    if folder is not None:
        yield _doing(RunState.FINISHING, "Writing the trained model")
        end["after"] = str(result.save(folder / f"{name_of(config)}-{folder.name}"))
        end["before"] = None
        if config.start == SCRATCH:
            untrained, tokenizer = starting.scratch_network(config), result.trainee.tokenizer
            end["before"] = str(saving.save_model(untrained, tokenizer, folder / f"untrained-{folder.name}"))
    yield end


def _doing(state: RunState, message: str) -> Message:
    return {"event": "progress", "state": state, "message": message}


def name_of(config: BiasConfig) -> str:
    """Name for the trained model's folder, which is also its title.

    Examples
    --------
    >>> name_of(BiasConfig())
    'scratch-likes-x'
    """
    start = re.sub(r"[^A-Za-z0-9]+", "-", Path(config.start).name).strip("-")
    liked = re.sub(r"[^A-Za-z0-9]+", "-", config.pattern.text).strip("-")[:16] or "pattern"
    return f"{start}-likes-{liked}"


@dataclass(eq=False)
class Gate:
    """Lets a run of so many `steps` go on from message to message, as the commands say."""

    inbox: Inbox
    emit: Emit
    controls: "Controls"
    steps: int
    paused: bool

    def __post_init__(self) -> None:
        self._allowed = int(self.paused)  # single steps asked for while paused

    def hold(self, message: Message) -> None:
        """Obey what came in; return once the run may go on from `message`."""
        while (command := self.inbox.take()) is not None:
            self._obey(command)
        if not self._is_before_a_step(message):
            return
        if self._is_shut():
            self.emit(_doing(RunState.PAUSED, "Paused"))
            while self._is_shut():
                self._obey(self.inbox.take(LONGEST_PAUSE_SECONDS) or {"command": "stop"})
            if not self.paused:
                self.emit(_doing(RunState.TRAINING, "Training"))
        self._allowed = max(0, self._allowed - 1)

    def _is_shut(self) -> bool:
        return self.paused and not self._allowed and not self.controls.stop

    def _is_before_a_step(self, message: Message) -> bool:
        if message["event"] == "progress":
            return bool(message["state"] == RunState.TRAINING)  # which is said once, before step 0
        return bool(message["event"] == "step" and message["step"] < self.steps)

    def _obey(self, command: Message) -> None:
        match command["command"]:
            case "pause":
                self.paused = True
            case "resume":
                self.paused = False
            case "step":
                self.paused, self._allowed = True, self._allowed + 1
            case "set":
                self.controls.learning_rate = float(command["learning_rate"])
                self.controls.beta = float(command["beta"])
            case "stop":
                self.controls.stop = True


def train(start: Message, inbox: Inbox, emit: Emit) -> None:
    """Make the run that `start` asks for, obeying commands between its steps."""
    from engine.training.objective import Controls

    config = BiasConfig.from_dict(start["config"])
    controls = Controls.of(config)
    gate = Gate(inbox, emit, controls, config.steps, paused=bool(start["single_step"]))
    for message in narrate(config, controls, Path(start["folder"])):
        emit(message)
        gate.hold(message)


def prepare() -> None:
    """Import and read what a run needs, so that a process which has done it starts its run at once."""
    import torch

    torch.set_num_threads(1)  # the page and its models need the other cores, and one thread makes a seed exact
    from transformers import AutoModelForCausalLM, GPT2LMHeadModel  # noqa: F401

    from engine.training import loop, starting  # noqa: F401

    starting.gpt2_tokenizer().token_texts([0])


def main() -> None:
    """Speak the protocol on standard input and output until the run is over."""
    emit = _emitter()
    inbox = Inbox(emit, 0)
    prepare()
    emit({"event": "ready"})
    start = inbox.take(None)
    if start is None or start["command"] != "start":
        return
    with contextlib.suppress(OSError):
        os.nice(int(start["niceness"]))
    try:
        train(start, inbox, emit)
    except EngineError as error:
        emit({"event": "refused", "message": str(error)})


def _emitter() -> Emit:
    """Standard output for messages alone: what libraries print goes to standard error."""
    sys.stdout.flush()
    out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def emit(message: Message) -> None:
        with lock:
            out.write(json.dumps(message, ensure_ascii=False) + "\n")
            out.flush()

    return emit


if __name__ == "__main__":
    main()

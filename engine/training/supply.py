"""Where training processes come from.

Importing PyTorch and transformers takes five seconds of processor time. On Linux one process, the template, does it
once, and each run is a fork of it: there within milliseconds, and most of its memory shared. Elsewhere (macOS allows no
fork after such imports, Windows has none) a process is kept ready for the next run, which it then becomes.

A socket connects the server to the template and carries one byte per message: `FORK`, somebody wants a process, with
three pipes attached: its standard input, its standard output, and one into which the template writes its exit code once
it has ended; or `BEAT`, somebody may still want one. The template ends when the socket closes or falls silent; the
processes it has made go on and follow their own rules.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from typing import IO, Any, Union

from engine import paths
from engine.training import process
from engine.training.process import PATIENCE_SECONDS, Message

FORK, BEAT = b"f", b"b"
_LOOK_SECONDS = 0.1
"""How often the template looks for processes that have ended, while there are any."""
_WRITING = threading.Lock()


class Forked:
    """A process forked off the template, with as much of a `Popen` as is needed."""

    def __init__(self, commands: int, events: int, code: int) -> None:
        self.stdin: IO[str] = os.fdopen(commands, "w", encoding="utf-8")
        self.stdout: IO[str] = os.fdopen(events, encoding="utf-8")
        self._code = os.fdopen(code)

    def wait(self) -> int:
        """Wait for its end; its exit code, or the negative number of the signal that ended it.

        If the template was killed nobody knows the code, and it counts as killed too.
        """
        with self._code as said:
            return int(said.read() or -signal.SIGKILL)

    def terminate(self) -> None:
        """End it: without its standard input it leaves by itself, and is not waited for while it has not begun."""
        with _WRITING, contextlib.suppress(OSError):
            self.stdin.close()


TrainingProcess = Union["subprocess.Popen[str]", Forked]
"""A process that speaks the protocol of `engine.training.process`."""


def send_line(to: TrainingProcess, command: Message) -> None:
    """Write one command to a process, if it still listens."""
    assert to.stdin is not None  # noqa: S101 - made with a pipe
    with _WRITING, contextlib.suppress(OSError, ValueError):
        to.stdin.write(json.dumps(command) + "\n")
        to.stdin.flush()


class Supply(ABC):
    """Gives processes out, with one of its own kept ready. Its owner calls it from one thread at a time."""

    _ready: "subprocess.Popen[str] | None" = None

    def prepare(self) -> None:
        """Make it likely that the next process is there at once."""
        if self._ready is None or self._ready.poll() is not None:
            self._ready = self._launch()

    @abstractmethod
    def take(self) -> TrainingProcess:
        """Give out a process that waits for its 'start', or soon will."""

    @abstractmethod
    def beat(self) -> None:
        """Say that a process may still be wanted."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is kept ready."""

    @abstractmethod
    def _launch(self) -> "subprocess.Popen[str]": ...


class Spare(Supply):
    """Keeps one process ready, which has done its imports and becomes the next run."""

    def take(self) -> TrainingProcess:
        """See `Supply`."""
        self.prepare()
        taken, self._ready = self._ready, None
        assert taken is not None  # noqa: S101 - just made
        return taken

    def beat(self) -> None:
        """See `Supply`."""
        if self._ready is not None:
            send_line(self._ready, {"command": "beat"})

    def close(self) -> None:
        """See `Supply`."""
        if self._ready is not None:
            self._ready.terminate()

    def _launch(self) -> "subprocess.Popen[str]":
        return _python("engine.training.process", stdin=subprocess.PIPE, stdout=subprocess.PIPE)


class Template(Supply):
    """Forks processes off one that has done its imports."""

    _socket: socket.socket | None = None

    def take(self) -> TrainingProcess:
        """See `Supply`."""
        self.prepare()
        (commands, ours_in), (ours_out, events), (ours_code, code) = os.pipe(), os.pipe(), os.pipe()
        forked = Forked(ours_in, ours_out, ours_code)
        assert self._socket is not None  # noqa: S101 - prepared
        try:
            socket.send_fds(self._socket, [FORK], [commands, events, code])
        except OSError:  # the template has just ended
            self._ready = None
            return self.take()
        finally:
            for theirs in (commands, events, code):
                os.close(theirs)
        return forked

    def beat(self) -> None:
        """See `Supply`."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(BEAT)

    def close(self) -> None:
        """See `Supply`."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _launch(self) -> "subprocess.Popen[str]":
        self._socket, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            return _python("engine.training.supply", str(number), pass_fds=[number], stdin=subprocess.DEVNULL)


def best_supply() -> Supply:
    """The quickest one this system has."""
    return Template() if sys.platform == "linux" else Spare()


def _python(*module: str, **streams: Any) -> "subprocess.Popen[str]":
    """Run a module in a Python of its own, with one thread for its numbers."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", *module]
    return subprocess.Popen(command, text=True, encoding="utf-8", cwd=paths.ROOT, env=environment, **streams)


def main() -> None:
    """Be the template: do the imports, then fork for whoever asks through the socket whose number was given."""
    with socket.socket(fileno=int(sys.argv[1])) as link:
        process.prepare()
        gc.freeze()  # a fork's collections then leave the pages that it shares alone
        living: dict[int, int] = {}
        while _is_heard(link, living):
            message, files, _, _ = socket.recv_fds(link, 1, 3)
            if not message:
                return
            if message == FORK:
                _fork(link, living, *files)


def _is_heard(link: socket.socket, living: dict[int, int]) -> bool:
    """Wait for a message, telling meanwhile which processes have ended; False after too long a silence."""
    silent = 0.0
    while silent < PATIENCE_SECONDS or living:
        if select.select([link], [], [], _LOOK_SECONDS if living else PATIENCE_SECONDS)[0]:
            return True
        silent += _LOOK_SECONDS if living else PATIENCE_SECONDS
        for pid in tuple(living):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with contextlib.suppress(OSError), os.fdopen(living.pop(pid), "w") as code:
                    code.write(str(os.waitstatus_to_exitcode(status)))
    return False


def _fork(link: socket.socket, living: dict[int, int], commands: int, events: int, code: int) -> None:
    """Make a process; `living` says for each number where its exit code goes."""
    pid = os.fork()
    if pid == 0:
        for each in (link.detach(), code, *living.values()):
            os.close(each)
        _become(commands, events)
    os.close(commands)
    os.close(events)
    living[pid] = code


def _become(commands: int, events: int) -> None:
    """In the new process: take its standard input and output, be a training process, and never return."""
    code = 1
    try:
        for given, standard in ((commands, 0), (events, 1)):
            os.dup2(given, standard)
            os.close(given)
        process.main()
        code = 0
    except Exception:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()

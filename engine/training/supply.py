"""Where training processes come from.

Importing PyTorch and transformers takes five seconds of processor time. On Linux one process, the template, does it
once, and each run is a fork of it: there within milliseconds, and most of its memory shared. Elsewhere (macOS allows no
fork after such imports, Windows has none) a process is kept ready for the next run, which it then becomes.

A socket connects the server and the template. To the template, one byte a message: `FORK`, with the new process's
standard input and output attached, or `BEAT`, somebody may still want it. From it, JSON lines: 'pid' after each fork,
in the order asked for; 'pid' and 'code' once such a process has ended. The template ends when the socket closes or
falls silent; the processes it has made go on and follow their own rules.
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
from collections import deque
from typing import IO, Protocol

from engine import paths
from engine.training import process
from engine.training.process import PATIENCE_SECONDS, Message

FORK, BEAT = b"f", b"b"
_LOOK_SECONDS = 0.1
"""How often the template looks for processes that have ended, while there are any."""
_WRITING = threading.Lock()


class TrainingProcess(Protocol):
    """What is known of a process that speaks the protocol of `engine.training.process`; a `Popen` is one."""

    @property
    def stdin(self) -> IO[str] | None:
        """Takes commands."""

    @property
    def stdout(self) -> IO[str] | None:
        """Gives events."""

    @property
    def pid(self) -> int | None:
        """Its number, once it has one."""

    def wait(self) -> int:
        """Wait for its end; its exit code, or the negative number of the signal that ended it."""

    def terminate(self) -> None:
        """End it."""


class Supply(Protocol):
    """Gives processes out. Its owner calls it from one thread at a time."""

    def prepare(self) -> None:
        """Make it likely that the next process is there at once."""

    def take(self) -> TrainingProcess:
        """A process that waits for its 'start', or soon will."""

    def beat(self) -> None:
        """Say that a process may still be wanted."""

    def close(self) -> None:
        """Let go of what is kept ready."""


def best_supply() -> Supply:
    """The quickest one this system has."""
    return Template() if sys.platform == "linux" else Spare()


def send_line(to: TrainingProcess, command: Message) -> None:
    """Write one command to a process, if it still listens."""
    assert to.stdin is not None  # noqa: S101 - made with a pipe
    with _WRITING, contextlib.suppress(OSError, ValueError):
        to.stdin.write(json.dumps(command) + "\n")
        to.stdin.flush()


class Spare:
    """Keeps one process ready, which has done its imports and becomes the next run."""

    def __init__(self) -> None:
        self._ready: subprocess.Popen[str] | None = None

    def prepare(self) -> None:
        """See `Supply`."""
        if self._ready is None or self._ready.poll() is not None:
            self._ready = self._start()

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

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "engine.training.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=paths.ROOT,
            env=_environment(),
        )


class Template:
    """Forks processes off one that has done its imports."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._unnamed: deque[Forked] = deque()

    def prepare(self) -> None:
        """See `Supply`."""
        if self._process is None or self._process.poll() is not None:
            self._start()

    def take(self) -> TrainingProcess:
        """See `Supply`."""
        self.prepare()
        read_commands, write_commands = os.pipe()
        read_events, write_events = os.pipe()
        forked = Forked(write_commands, read_events)
        self._unnamed.append(forked)
        assert self._socket is not None  # noqa: S101 - prepared
        try:
            socket.send_fds(self._socket, [FORK], [read_commands, write_events])
        except OSError:  # the template has just ended
            self._process = None
            return self.take()
        finally:
            os.close(read_commands)
            os.close(write_events)
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

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "engine.training.supply", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=paths.ROOT,
                env=_environment(),
            )
        self._socket, self._unnamed = ours, deque()
        threading.Thread(target=_listen, args=(ours, self._unnamed, self._process), daemon=True).start()


class Forked:
    """A process forked off the template."""

    def __init__(self, write_commands: int, read_events: int) -> None:
        self.stdin: IO[str] = os.fdopen(write_commands, "w", encoding="utf-8")
        self.stdout: IO[str] = os.fdopen(read_events, encoding="utf-8")
        self.pid: int | None = None
        self._ended = threading.Event()
        self._code = 0

    def wait(self) -> int:
        """See `TrainingProcess`."""
        self._ended.wait()
        return self._code

    def terminate(self) -> None:
        """End it: without its standard input it leaves by itself, and is not waited for while it has not begun."""
        with _WRITING, contextlib.suppress(OSError):
            self.stdin.close()

    def end(self, code: int) -> None:
        """Take note of its end."""
        self._code = code
        self._ended.set()


def _listen(link: socket.socket, unnamed: "deque[Forked]", template: "subprocess.Popen[bytes]") -> None:
    """Hear from one template which processes it has made and how they ended, until it is gone."""
    living: dict[int, Forked] = {}
    with link, link.makefile(encoding="utf-8") as lines, contextlib.suppress(OSError):
        for line in lines:
            said = json.loads(line)
            if "code" in said:
                living.pop(said["pid"]).end(said["code"])
            else:
                forked = unnamed.popleft()
                forked.pid, living[said["pid"]] = said["pid"], forked
    code = template.wait()
    for forked in (*living.values(), *unnamed):  # nobody else can say how these end
        forked.stdin.close()
        forked.end(code or -signal.SIGKILL)


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def main() -> None:
    """Be the template: do the imports, then fork for whoever asks through the socket whose number was given."""
    with socket.socket(fileno=int(sys.argv[1])) as link:
        process.prepare()
        gc.freeze()  # a fork's collections then leave the pages that it shares alone
        living: set[int] = set()
        while _is_heard(link, living):
            message, files, _, _ = socket.recv_fds(link, 1, 2)
            if not message:
                return
            if message == FORK:
                living.add(_fork(link, *files))


def _is_heard(link: socket.socket, living: set[int]) -> bool:
    """Wait for a message, telling meanwhile which processes have ended; False after too long a silence."""
    silent = 0.0
    while silent < PATIENCE_SECONDS or living:
        if select.select([link], [], [], _LOOK_SECONDS if living else PATIENCE_SECONDS)[0]:
            return True
        silent += _LOOK_SECONDS if living else PATIENCE_SECONDS
        for pid in tuple(living):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                living.discard(pid)
                _say(link, {"pid": pid, "code": os.waitstatus_to_exitcode(status)})
    return False


def _fork(link: socket.socket, commands: int, events: int) -> int:
    pid = os.fork()
    if pid == 0:
        _become(link, commands, events)
    os.close(commands)
    os.close(events)
    _say(link, {"pid": pid})
    return pid


def _become(link: socket.socket, commands: int, events: int) -> None:
    """In the new process: take its standard input and output, be a training process, and never return."""
    code = 1
    try:
        link.close()
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


def _say(link: socket.socket, message: Message) -> None:
    link.sendall((json.dumps(message) + "\n").encode())


if __name__ == "__main__":
    main()

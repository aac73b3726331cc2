"""Another program's run as steps: it is asked after a few times a second, and ended when nobody wants it any more."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.steps import Progress, Steps

_POLL_SECONDS = 0.2


def child_steps(
    command: Sequence[str],
    log: Path,
    progress: Callable[[], Progress],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Steps[int]:
    """Run `command`, its output written to `log`, and return its exit status."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while child.poll() is None:
                yield progress()
                time.sleep(_POLL_SECONDS)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
    return child.returncode

"""Forks a process per line read, which goes on with one run until it is done or killed; prints the process id.

Imported once, so that each attempt starts in milliseconds. Nothing is computed here before a fork.
"""

import os
import sys
from pathlib import Path

from engine import steps
from engine.evaluation.divergence import evaluate
from engine.evaluation.runs.batches import RunKeeper
from engine.evaluation.runs.store import RunStore
from tests.engine import fakes

TEXTS = [f"Text number {number} of the crash test, a line long." for number in range(48)]
RUN_ID = "crash"


def go(path: str) -> None:
    """Compute what is left of the run."""
    store = RunStore(Path(path))
    base, candidate = fakes.random_model(1), fakes.random_model(2)
    keep = RunKeeper(store, RUN_ID)
    steps.run(evaluate.corpus_divergence_steps(base, candidate, TEXTS, keep=keep))
    store.finish(RUN_ID, {"done": True})


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            go(line.strip())
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(status, flush=True)

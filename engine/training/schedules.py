"""How the learning rate changes along a run, as a factor of the rate that was set."""

import math

from engine.training.config import Schedule

WARMUP_SHARE = 0.1


def factor(schedule: Schedule, step: int, steps: int) -> float:
    """Factor of the learning rate at update number `step` of `steps`, counted from 0; in [0, 1].

    At `steps` it is what an update after the last would have: 0 for cosine.

    Examples
    --------
    >>> [round(factor("cosine", step, 20), 2) for step in (0, 1, 2, 10, 19, 20)]
    [0.5, 1.0, 1.0, 0.59, 0.01, 0.0]
    """
    if schedule == "constant":
        return 1.0
    warmup = max(1, round(WARMUP_SHARE * steps))
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "warmup":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

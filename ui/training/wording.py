"""What a run gained and what it cost, in words."""

from math import log

from engine.training import records
from engine.training.records import TrainingRun, TrainStep


def growth(step: TrainStep, first: TrainStep) -> str:
    """How perplexity has grown since the first measured step, in a few characters.

    The interval is that of a factor: "± 7 %" means that it reaches from the value over 1.07 to the value times 1.07.
    """
    grown = records.growth(step, first)
    if grown is None:
        return "–"
    if grown.low is None or grown.high is None:
        return f"× {_number(grown.value)}"
    if grown.high > 4 * grown.low:
        return f"× {_number(grown.low)} to {_number(grown.high)}"
    return f"× {_number(grown.value)} ± {100 * ((grown.high / grown.low) ** 0.5 - 1):.0f} %"


def gain_and_cost(run: TrainingRun) -> str:
    """One sentence: the wanted share on held-out text, and what it costs in perplexity and divergence."""
    measured = records.measured(run.steps)
    if not measured:
        return "nothing was measured."
    first, last = measured[0], run.last_measured
    before, after = first.wanted_mass_text or 0.0, last.wanted_mass_text or 0.0
    times = f" ({_number(after / before)} times)" if before else ""
    cost = f"{last.kl_to_start:.3g} nats of KL"
    grown = records.growth(last, first)
    if grown is not None:
        interval = ""
        if grown.low is not None and grown.high is not None:
            ends, windows = f"{_number(grown.low)} to {_number(grown.high)}", run.start.held_out_windows
            interval = f" (95 % interval {ends}, paired over {windows} windows of text)"
        cost = f"{_number(grown.value)} times the perplexity{interval} and {cost}"
    return f"wanted tokens in held-out text from {before:.2%} to {after:.2%}{times}, at {cost}."


def _number(value: float) -> str:
    """A positive number with three digits.

    >>> _number(1.2345), _number(0.98765), _number(31_415.9)
    ('1.23', '0.988', '3.1e+04')
    """
    return f"{value:,.3g}" if abs(log(value)) < log(1e4) else f"{value:.1e}"

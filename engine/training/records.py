"""Where a run stands and what it leaves behind, as plain values.

They travel between processes as JSON and live in no tensor.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal, Self

from engine.export import csv_text, json_ready
from engine.steps import Progress
from engine.training import schema
from engine.training.config import BiasConfig

Outcome = Literal["finished", "stopped", "diverged"]
When = Literal["before", "after"]
PromptKind = Literal["random", "real"]

CURVES = (
    "step", "loss", "kl", "cross_entropy", "wanted_mass", "kl_penalty", "kl_to_start", "held_out_perplexity",
    "perplexity_ratio", "perplexity_ratio_low", "perplexity_ratio_high", "wanted_mass_text", "grad_norm",
    "learning_rate", "beta", "seconds",
)  # fmt: skip
"""Fields of `TrainStep` that are numbers, in the order of the CSV."""


class RunState(StrEnum):
    """Where a run stands. The process says the four in the middle, and `Outcome` names the first three of its ends."""

    WAITING = "waiting"
    STARTING = "starting"
    TRAINING = "training"
    PAUSED = "paused"
    FINISHING = "finishing"
    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"

    @property
    def label(self) -> str:
        """Its name for people."""
        return {RunState.FINISHED: "Done", RunState.FAILED: "Ended"}.get(self, self.value.capitalize())

    @property
    def has_process(self) -> bool:
        """Whether a process works, or could go on working, at it."""
        return self in (RunState.STARTING, RunState.TRAINING, RunState.PAUSED, RunState.FINISHING)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return not (self.has_process or self is RunState.WAITING)

    @property
    def can_stop(self) -> bool:
        """Whether Stop would change anything: a run that takes its last samples ends by itself."""
        return not self.is_over and self is not RunState.FINISHING

    @property
    def can_pause(self) -> bool:
        """Whether there is a next step to wait before."""
        return self in (RunState.STARTING, RunState.TRAINING)


@dataclass(frozen=True)
class Sample:
    """Tokens sampled after one prompt, and which of them are wanted."""

    prompt: str
    tokens: tuple[str, ...]
    wanted: tuple[bool, ...]


@dataclass(frozen=True)
class Generation:
    """Samples after several prompts, taken before or after training.

    `kind` says whether the prompts were random token ids or the beginnings of real sentences.
    """

    when: When
    kind: PromptKind
    samples: tuple[Sample, ...]

    @property
    def count(self) -> int:
        """Number of sampled tokens."""
        return sum(len(sample.tokens) for sample in self.samples)

    @property
    def wanted_count(self) -> int:
        """Number of sampled tokens that are wanted."""
        return sum(sum(sample.wanted) for sample in self.samples)


@dataclass(frozen=True)
class RunStart:
    """What is known before the first step.

    Parameters
    ----------
    wanted_count, vocab_size : w and V; the cross-entropy's floor is ln w
    parameters, trained_parameters : number of weights, and of those that are trained
    device : where it runs
    model_title : what it starts from, for people
    held_out_tokens : number of tokens of real text that are predicted at each measurement
    held_out_windows : windows of text they lie in, the unit of the interval; 0 in runs recorded before it was noted
    """

    wanted_count: int
    vocab_size: int
    parameters: int
    trained_parameters: int
    device: str
    model_title: str
    held_out_tokens: int
    held_out_windows: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainStep:
    """One point of the curves: the network after `step` updates.

    Parameters
    ----------
    step : number of updates made before
    loss : what is minimised, pull * divergence + beta * kl_penalty, on this step's batch
    kl : D(Q||P) in nats, never negative, on this step's batch
    cross_entropy : H(Q, P) in nats; kl plus the entropy of Q
    wanted_mass : probability of all wanted tokens together on this step's batch
    kl_penalty : KL(P||P_start) in nats per token on the batch of real text; None if there is none
    kl_to_start : the same on held-out text, which is never trained on; None at steps that were not measured
    held_out_perplexity : on held-out text; None likewise
    wanted_mass_text : wanted mass, mean over the positions of held-out text; None likewise
    grad_norm : L2 norm of the gradient; None at the end, where no update follows
    learning_rate, beta : as used for the update that follows, or would be used at the end
    seconds : time spent in training so far, pauses and samples not counted
    sample : a short sample, at every `sample_every`-th step
    perplexity_ratio : perplexity on held-out text over the start's; None if it was not measured
    perplexity_ratio_low, perplexity_ratio_high : its 95 % interval, paired by window against the start
    """

    step: int
    loss: float
    kl: float
    cross_entropy: float
    wanted_mass: float
    kl_penalty: float | None
    kl_to_start: float | None = None
    held_out_perplexity: float | None = None
    wanted_mass_text: float | None = None
    grad_norm: float | None
    learning_rate: float
    beta: float
    seconds: float
    sample: Sample | None = None
    perplexity_ratio: float | None = None
    perplexity_ratio_low: float | None = None
    perplexity_ratio_high: float | None = None


def measured(steps: Iterable[TrainStep]) -> list[TrainStep]:
    """Those steps that were measured on held-out text."""
    return [step for step in steps if step.kl_to_start is not None]


@dataclass(frozen=True)
class Growth:
    """Perplexity over the start's; `low` and `high` are the ends of its 95 % interval, None in runs without one."""

    value: float
    low: float | None
    high: float | None


def growth(step: TrainStep, first: TrainStep) -> Growth | None:
    """How perplexity on held-out text has grown since `first`, the run's first measured step; None if unmeasured."""
    if step.perplexity_ratio is not None:
        return Growth(step.perplexity_ratio, step.perplexity_ratio_low, step.perplexity_ratio_high)
    if not step.held_out_perplexity or not first.held_out_perplexity:
        return None
    return Growth(step.held_out_perplexity / first.held_out_perplexity, None, None)


Event = RunStart | TrainStep | Generation


@dataclass(frozen=True, slots=True)
class TrainProgress(Progress):
    """A finished step of a run, where the run now stands, and what the step brought."""

    state: RunState = RunState.STARTING
    event: Event | None = None


@dataclass(frozen=True)
class TrainingRun:
    """A whole run.

    `message` says in one sentence how it ended; `kept_step` is the number of updates the kept weights have seen, which
    is less than the last step's if the run diverged.
    """

    config: BiasConfig
    start: RunStart
    steps: tuple[TrainStep, ...]
    generations: tuple[Generation, ...]
    outcome: Outcome
    message: str
    kept_step: int

    @property
    def last_measured(self) -> TrainStep:
        """The last step that was measured on held-out text, of those the kept weights have seen."""
        return [each for each in measured(self.steps) if each.step <= self.kept_step][-1]

    def generation(self, when: When, kind: PromptKind) -> Generation | None:
        """Samples taken before or after training, if there are any."""
        return next((each for each in self.generations if (each.when, each.kind) == (when, kind)), None)

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        data: dict[str, Any] = json_ready(dataclasses.asdict(self))
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TrainingRun":
        """Undo `to_dict`."""
        return schema.read(cls, data)

    def to_json(self) -> str:
        """Everything as one JSON document."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1)

    def to_csv(self) -> str:
        """The curves, one line per step; what was not measured is an empty cell."""
        nan = float("nan")
        columns = {name: [getattr(each, name) for each in self.steps] for name in CURVES}
        return csv_text({name: [nan if cell is None else cell for cell in column] for name, column in columns.items()})


@dataclass(frozen=True, kw_only=True)
class Story:
    """What has happened in a run so far."""

    start: RunStart | None = None
    steps: tuple[TrainStep, ...] = ()
    generations: tuple[Generation, ...] = ()

    def and_then(self, event: Event) -> Self:
        """The same with one event more."""
        match event:
            case RunStart():
                return replace(self, start=event)
            case TrainStep():
                return replace(self, steps=(*self.steps, event))
            case Generation():
                return replace(self, generations=(*self.generations, event))

    def ended(self, config: BiasConfig, outcome: Outcome, message: str, kept_step: int) -> TrainingRun:
        """The whole run, once it is over."""
        assert self.start is not None  # noqa: S101 - a run that ends has begun
        return TrainingRun(config, self.start, self.steps, self.generations, outcome, message, kept_step)


_KINDS: dict[str, type[Any]] = {"start": RunStart, "step": TrainStep, "generation": Generation}


def event_to_dict(event: Event) -> dict[str, Any]:
    """An event as one JSON-ready dict; its key 'event' says which kind it is."""
    kind = next(name for name, cls in _KINDS.items() if isinstance(event, cls))
    return {"event": kind, **json_ready(dataclasses.asdict(event))}


def event_from_dict(data: Mapping[str, Any]) -> Event:
    """Undo `event_to_dict`. A number that was not finite comes back as NaN."""
    event: Event = schema.read(_KINDS[data["event"]], {key: value for key, value in data.items() if key != "event"})
    return event

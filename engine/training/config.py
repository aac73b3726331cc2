"""What a run is asked to do."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from engine.errors import ParameterError
from engine.models.opening import Bos
from engine.training.patterns import KINDS, Pattern

Direction = Literal["forward", "reverse"]
Optimiser = Literal["adamw", "adam", "sgd"]
Schedule = Literal["constant", "warmup", "cosine"]
PullOn = Literal["random", "text"]

SCRATCH = "scratch"
"""Start from random weights."""


@dataclass(frozen=True)
class BiasConfig:
    """One run. The defaults make a small random GPT-2 like the letter x, at a size that takes seconds on a CPU.

    Parameters
    ----------
    pattern : which tokens are wanted
    start : 'scratch', or the name of a model that is on this machine
    layers, width : size of the network made from scratch (heads are 32 wide)
    train_blocks : train the last so many blocks only; None trains everything
    direction : loss of the pull: 'forward' is D(Q||P), 'reverse' is D(P||Q) with Q mixed with a little of the uniform
        distribution, as it is infinite otherwise
    pull : weight of that loss
    beta : weight of KL(P||P_start), in nats per token of fixed real text. Reinforcement learning from human feedback
        has the same penalty, on texts that the model itself writes
    pull_on : 'random': at the last position of random token ids; 'text': at every position of real text
    steps : number of updates
    learning_rate, optimiser, schedule : 'warmup' rises over the first tenth, 'cosine' rises likewise and falls to zero
    batch_size : sequences a step
    context_length : tokens in each
    bos : whether each sequence opens with the model's opening token: 'auto', 'on' or 'off'; see `engine.models.opening`
    temperature, top_k : of the samples shown; top_k 0 takes all tokens
    seed : of the weights made from scratch, the batches and the samples
    measure_every, sample_every : steps between measurements on held-out text, and between samples
    device : 'auto', 'cpu', 'cuda' ...
    """

    pattern: Pattern = field(default_factory=Pattern)
    start: str = SCRATCH
    layers: int = 4
    width: int = 128
    train_blocks: int | None = None
    direction: Direction = "forward"
    pull: float = 1.0
    beta: float = 0.0
    pull_on: PullOn = "random"
    steps: int = 60
    learning_rate: float = 2e-3
    optimiser: Optimiser = "adamw"
    schedule: Schedule = "constant"
    batch_size: int = 4
    context_length: int = 256
    temperature: float = 1.0
    top_k: int = 0
    seed: int = 0
    measure_every: int = 5
    sample_every: int = 5
    device: str = "auto"
    bos: Bos = "auto"

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            check_range(name, getattr(self, name), low, high)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ParameterError(f"{name} is {getattr(self, name)!r}; choose {', '.join(choices)}.")
        if self.width % HEAD_WIDTH:
            raise ParameterError(f"width is {self.width}; it must be a multiple of {HEAD_WIDTH}, the width of a head.")
        if self.train_blocks is not None and self.train_blocks < 1:
            raise ParameterError(f"train_blocks is {self.train_blocks}; train at least one block, or everything.")
        if self.pattern.kind not in KINDS:
            raise ParameterError(f"The pattern's kind is {self.pattern.kind!r}; choose {', '.join(KINDS)}.")

    def to_dict(self) -> dict[str, Any]:
        """Every setting, JSON-ready."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "BiasConfig":
        """Undo `to_dict`; settings that are left out keep their defaults.

        Examples
        --------
        >>> BiasConfig.from_dict({"steps": 5, "pattern": {"text": "q"}}).pattern.text
        'q'
        """
        known = {each.name for each in dataclasses.fields(cls)}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise ParameterError(f"There is no setting {unknown[0]!r}. There are {', '.join(sorted(known))}.")
        plain = {name: value for name, value in settings.items() if name != "pattern"}
        return cls(pattern=Pattern(**settings.get("pattern", {})), **plain)


HEAD_WIDTH = 32

RANGES: dict[str, tuple[float, float]] = {
    "layers": (1, 12),
    "width": (HEAD_WIDTH, 768),
    "pull": (0.0, 100.0),
    "beta": (0.0, 1000.0),
    "steps": (1, 5000),
    "learning_rate": (0.0, 100.0),
    "batch_size": (1, 64),
    "context_length": (2, 1024),
    "temperature": (0.05, 10.0),
    "top_k": (0, 1_000_000),
    "seed": (0, 2**31 - 1),
    "measure_every": (1, 1000),
    "sample_every": (1, 1000),
}

CHOICES: dict[str, tuple[str, ...]] = {
    "direction": get_args(Direction),
    "optimiser": get_args(Optimiser),
    "schedule": get_args(Schedule),
    "pull_on": get_args(PullOn),
    "bos": get_args(Bos),
}


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise a `ParameterError` unless `low <= value <= high`; what is not a number is outside."""
    if not low <= value <= high:
        raise ParameterError(f"{name} is {value}; it must lie between {low:,g} and {high:,g}.")

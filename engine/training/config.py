"""What a run is asked to do."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from engine.errors import ParameterError
from engine.models.opening import Bos
from engine.training import schema
from engine.training.patterns import Pattern
from engine.training.schema import Setting

Direction = Literal["forward", "reverse"]
Optimiser = Literal["adamw", "adam", "sgd"]
Schedule = Literal["constant", "warmup", "cosine"]
PullOn = Literal["random", "text"]

SCRATCH = "scratch"
"""Start from random weights."""
HEAD_WIDTH = 32
WARMUP_SHARE = 0.1


@schema.documented
@dataclass(frozen=True)
class BiasConfig:
    """One run. The defaults make a small random GPT-2 like the letter x, at a size that takes seconds on a CPU.

    `pattern` says which tokens are wanted. Q, below, is uniform over them. D(P||Q) takes Q with a little of the uniform
    distribution over all tokens, as it is infinite otherwise. Reinforcement learning from human feedback has the same
    penalty as `beta` weighs here, on texts that the model itself writes.
    """

    pattern: Pattern = field(default_factory=Pattern)
    start: Annotated[str, Setting("'scratch', or the name or directory of a model that is on this machine")] = SCRATCH
    layers: Annotated[int, Setting("blocks of the network made from scratch", 1, 12)] = 4
    width: Annotated[int, Setting(f"its width; heads are {HEAD_WIDTH} wide", HEAD_WIDTH, 768)] = 128
    train_blocks: Annotated[
        int | None, Setting("train only this many of the last blocks; all weights if not given")
    ] = None
    direction: Annotated[Direction, Setting("divergence that pulls: forward is D(Q||P), reverse D(P||Q)")] = "forward"
    pull: Annotated[float, Setting("weight of that divergence; with 0 nothing moves", 0, 100)] = 1.0
    beta: Annotated[float, Setting("weight of KL(P||P_start), in nats per token of fixed real text", 0, 1000)] = 0.0
    pull_on: Annotated[
        PullOn, Setting("where it pulls: at the last position of random tokens, or at every position of real text")
    ] = "random"
    steps: Annotated[int, Setting("number of updates", 1, 5000)] = 60
    learning_rate: Annotated[float, Setting("learning rate of the optimiser", 0, 100)] = 2e-3
    optimiser: Annotated[Optimiser, Setting("how the weights follow the gradient")] = "adamw"
    schedule: Annotated[
        Schedule, Setting("of the learning rate: warmup rises over the first tenth, cosine also falls to zero after it")
    ] = "constant"
    batch_size: Annotated[int, Setting("sequences per step", 1, 64)] = 4
    context_length: Annotated[int, Setting("tokens in each sequence", 2, 1024)] = 256
    temperature: Annotated[float, Setting("temperature of the samples shown", 0.05, 10)] = 1.0
    top_k: Annotated[int, Setting("sample from this many of the likeliest tokens; 0 is all", 0, 1_000_000)] = 0
    seed: Annotated[
        int, Setting("of weights, batches and samples: the same seed gives the same curve", 0, 2**31 - 1)
    ] = 0
    measure_every: Annotated[int, Setting("steps between measurements on held-out text", 1, 1000)] = 5
    sample_every: Annotated[int, Setting("steps between samples", 1, 1000)] = 5
    device: Annotated[str, Setting("auto, cpu, cuda, cuda:1 or mps")] = "auto"
    bos: Annotated[
        Bos,
        Setting("open each sequence as the model's tokenizer does (auto), with its opening token (on) or none (off)"),
    ] = "auto"

    def __post_init__(self) -> None:
        schema.check(self)
        if self.width % HEAD_WIDTH:
            raise ParameterError(f"width is {self.width}; it must be a multiple of {HEAD_WIDTH}, the width of a head.")
        if self.train_blocks is not None and self.train_blocks < 1:
            raise ParameterError(f"train_blocks is {self.train_blocks}; train at least one block, or everything.")

    def rate_factor(self, step: int) -> float:
        """Factor of the learning rate at update number `step`, counted from 0, as the schedule has it; in [0, 1].

        At `steps` it is what an update after the last would have: 0 for cosine.

        Examples
        --------
        >>> [round(BiasConfig(schedule="cosine", steps=20).rate_factor(step), 2) for step in (0, 1, 2, 10, 19, 20)]
        [0.5, 1.0, 1.0, 0.59, 0.01, 0.0]
        """
        warmup = max(1, round(WARMUP_SHARE * self.steps))
        if self.schedule == "constant" or (self.schedule == "warmup" and step >= warmup):
            return 1.0
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, self.steps - warmup)))

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
        return schema.read(cls, settings)


SETTINGS = schema.settings_of(BiasConfig)
"""Range, choices and help of each, for the command line and the page."""

"""The run itself, step by step."""

import math
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import torch

from engine.errors import MemoryBudgetError
from engine.models.loaded import LoadedModel
from engine.steps import Steps, blocking
from engine.training import real_text, sampling, saving, schedules, starting
from engine.training.config import BiasConfig
from engine.training.guard import Guard
from engine.training.objective import Controls, Objective, Seen
from engine.training.real_text import TextMeasurement
from engine.training.records import (
    Event,
    Outcome,
    PromptKind,
    RunStart,
    Story,
    TrainingRun,
    TrainProgress,
    TrainStep,
    When,
)
from engine.training.starting import Trainee
from engine.training.states import RunState


@dataclass(frozen=True, eq=False)
class TrainedBias:
    """A finished run and its network, in evaluation mode."""

    run: TrainingRun
    trainee: Trainee

    def save(self, folder: Path) -> Path:
        """Write the trained model in Hugging Face layout; `from_pretrained(folder)` loads it."""
        return saving.save_model(self.trainee.network, self.trainee.tokenizer, folder)


def train_bias_steps(
    config: BiasConfig, model: LoadedModel | None = None, controls: Controls | None = None
) -> Steps[TrainedBias]:
    """Train a model to make some tokens likely, and measure what else changes.

    Parameters
    ----------
    config : what to do; `BiasConfig()` makes a small random GPT-2 like the letter x
    model : start from a copy of this model instead of loading `config.start`; it is left as it is
    controls : what may be changed while the run goes on; its steps are `TrainProgress`, each with an event once there
        is one

    Returns
    -------
    TrainedBias
        The curves and samples in `.run`, the network in `.trainee.network`. The same seed gives the same curves.

    Raises
    ------
    ParameterError, ModelError
        Where a setting does not fit, or the model cannot be had.
    """
    try:
        trainee = yield from starting.start_steps(config, model)
        loop = _Loop(config, trainee, controls or Controls.of(config))
        return (yield from loop.run())
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _out_of_memory() from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error) or "out of memory" in str(error):
            raise _out_of_memory() from error
        raise


train_bias = blocking(train_bias_steps)


def _out_of_memory() -> MemoryBudgetError:
    return MemoryBudgetError(
        "There is not enough memory to go on training. Choose a smaller batch, a shorter context or a smaller model, "
        "or train only the last blocks."
    )


@dataclass(eq=False)
class _Loop:
    config: BiasConfig
    trainee: Trainee
    controls: Controls
    story: Story = field(default_factory=Story)
    state: RunState = RunState.STARTING
    doing: str = "Reading real text"
    step: int = 0
    seconds: float = 0.0
    kept_step: int = 0
    is_sound: bool = True
    first_loss: float = math.nan
    start_text: TextMeasurement | None = None

    def run(self) -> Generator[TrainProgress, None, TrainedBias]:
        config = self.config
        self.guard = Guard(config.direction, self.trainee.target.vocab_size)
        yield self._happened(self._describe())
        anchor, self.held_out = real_text.start_views(self.trainee)
        self.objective = Objective(config, self.trainee, self.controls, anchor)
        yield self._now(RunState.STARTING, "Sampling before training")
        yield from self._sample("before")
        self._keep()
        yield self._now(RunState.TRAINING, "Training")
        outcome, message = yield from self._train()
        yield self._now(RunState.FINISHING, "Sampling after training")
        yield from self._sample("after")
        return TrainedBias(self.story.ended(config, outcome, message, self.kept_step), self.trainee)

    def _sample(self, when: When) -> Generator[TrainProgress, None, None]:
        for kind in get_args(PromptKind):
            yield self._happened(sampling.generation(self.trainee, self.config, when, kind))

    def _train(self) -> Generator[TrainProgress, None, tuple[Outcome, str]]:
        optimiser = _optimiser(self.config, self.trainee.trained)
        while self.step < self.config.steps:
            record = self._update(optimiser)
            if not self.is_sound:
                self._restore()
                return "diverged", (
                    f"The run diverged at step {record.step}: the loss went from {self.first_loss:.2f} to "
                    f"{record.loss:.4g}. The weights of step {self.kept_step} are kept. Lower the learning rate."
                )
            self.step += 1
            yield self._happened(record)
            if self.controls.stop:
                break
        final = self._look(final=True)
        if not self.is_sound:
            self._restore()
            return "diverged", (
                f"The last update ran away. The weights of step {self.kept_step} are kept. Lower the learning rate."
            )
        self.kept_step = self.step
        yield self._happened(final)
        if self.step < self.config.steps:
            return "stopped", f"Stopped after {self.step:,} of {self.config.steps:,} steps."
        return "finished", f"All {self.step:,} steps are done."

    def _update(self, optimiser: torch.optim.Optimizer) -> TrainStep:
        """Measure at the present weights, then make one update."""
        begun = time.perf_counter()
        rate = self._rate()
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        loss, seen = self.objective.next_loss()
        loss.backward()
        grad_norm = _norm(self.trainee.trained)
        self.seconds += time.perf_counter() - begun
        self._judge(loss, seen, grad_norm)
        record = self._observe(loss, seen, grad_norm, rate)
        if self.is_sound and self.config.pull > 0:
            # With pull 0 the start is the minimum: a step could only follow rounding errors, or AdamW's decay.
            begun = time.perf_counter()
            optimiser.step()
            self.seconds += time.perf_counter() - begun
        return record

    def _look(self, *, final: bool) -> TrainStep:
        """Measure at the present weights on a fresh batch, or on more if they leave it open whether all is well."""
        loss, seen = self._look_once()
        while self.guard.is_in_doubt:
            self._look_once()
        return self._observe(loss, seen, None, self._rate(), final=final)

    def _look_once(self) -> tuple[torch.Tensor, Seen]:
        loss, seen = self.objective.next_loss()
        loss.backward()
        self._judge(loss, seen, _norm(self.trainee.trained))
        self.trainee.network.zero_grad(set_to_none=True)
        return loss, seen

    def _judge(self, loss: torch.Tensor, seen: Seen, grad_norm: float) -> None:
        self.is_sound = self.guard.holds(seen.divergence, loss.item(), grad_norm) or self.config.pull == 0
        if math.isnan(self.first_loss):
            self.first_loss = loss.item()

    def _rate(self) -> float:
        """The learning rate at this step."""
        return self.controls.learning_rate * schedules.factor(self.config.schedule, self.step, self.config.steps)

    def _observe(
        self, loss: torch.Tensor, seen: Seen, grad_norm: float | None, learning_rate: float, *, final: bool = False
    ) -> TrainStep:
        target = self.trainee.target
        with torch.no_grad():
            kl = target.exact_kl(seen.log_probs).mean().item()
            mass = target.wanted_mass(seen.log_probs).mean().item()
        measured, glimpse = dict[str, float | None](), None
        if math.isfinite(kl) and (final or self.step % self.config.measure_every == 0):
            now = real_text.measure(self.trainee, self.held_out)
            self.start_text = self.start_text or now
            measured = real_text.recorded(now, self.start_text)
            if self.guard.is_worth_keeping(seen.divergence):
                self._keep()
        if math.isfinite(kl) and (final or self.step % self.config.sample_every == 0):
            glimpse = sampling.glimpse(self.trainee, self.config, self.step)
        return TrainStep(
            step=self.step,
            loss=loss.item(),
            kl=kl,
            cross_entropy=kl + target.entropy,
            wanted_mass=mass,
            kl_penalty=seen.kl_penalty,
            grad_norm=grad_norm,
            learning_rate=learning_rate,
            beta=self.controls.beta,
            seconds=self.seconds,
            sample=glimpse,
            **measured,
        )

    def _keep(self) -> None:
        """Keep a copy of the trained weights, to fall back on."""
        with torch.no_grad():
            self.kept = [weight.detach().clone() for weight in self.trainee.trained]
        self.kept_step = self.step

    def _restore(self) -> None:
        with torch.no_grad():
            for weight, kept in zip(self.trainee.trained, self.kept, strict=True):
                weight.copy_(kept)

    def _describe(self) -> RunStart:
        trainee = self.trainee
        held_out = real_text.held_out_ids(trainee)
        return RunStart(
            wanted_count=len(trainee.target.wanted_ids),
            vocab_size=trainee.target.vocab_size,
            parameters=sum(weight.numel() for weight in trainee.network.parameters()),
            trained_parameters=sum(weight.numel() for weight in trainee.trained),
            device=str(trainee.device),
            model_title=trainee.title,
            held_out_tokens=real_text.predictions(trainee, held_out),
            held_out_windows=len(held_out),
        )

    def _now(self, state: RunState, doing: str) -> TrainProgress:
        """The run turns to something else."""
        self.state, self.doing = state, doing
        return self._progress()

    def _happened(self, event: Event) -> TrainProgress:
        self.story = self.story.and_then(event)
        return self._progress(event)

    def _progress(self, event: Event | None = None) -> TrainProgress:
        return TrainProgress(self.doing, self.step, self.config.steps, "steps", self.state, event)


def _optimiser(config: BiasConfig, weights: tuple[torch.nn.Parameter, ...]) -> torch.optim.Optimizer:
    if config.optimiser == "sgd":
        return torch.optim.SGD(weights, lr=config.learning_rate)
    cls = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return cls(weights, lr=config.learning_rate, fused=weights[0].device.type in ("cpu", "cuda"))


def _norm(weights: tuple[torch.nn.Parameter, ...]) -> float:
    """L2 norm of the whole gradient."""
    grads = [weight.grad for weight in weights if weight.grad is not None]
    return float(torch.nn.utils.get_total_norm(grads))

"""The run itself, step by step.

Only the last position's logits are computed where the pull is on random tokens: body -> last hidden state -> head. The
plain way, logits at every position of which all but one are thrown away, costs several times as much with a
vocabulary of 50,000 (benchmarks/training.py).
"""

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
from engine.training.losses import kl_penalty
from engine.training.real_text import ANCHOR_WINDOWS_PER_STEP, StartView, TextMeasurement
from engine.training.records import (
    Event,
    Generation,
    Outcome,
    PromptKind,
    RunStart,
    TrainingRun,
    TrainProgress,
    TrainStep,
)
from engine.training.starting import Trainee


@dataclass
class Controls:
    """What may be changed while a run goes on. Read before every step."""

    learning_rate: float
    beta: float
    stop: bool = False

    @classmethod
    def of(cls, config: BiasConfig) -> "Controls":
        """The values a run begins with."""
        return cls(config.learning_rate, config.beta)


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
    events: list[Event] = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    kept_step: int = 0
    is_sound: bool = True
    first_loss: float = math.nan
    start_text: TextMeasurement | None = None

    def run(self) -> Generator[TrainProgress, None, TrainedBias]:
        config = self.config
        self.batches = torch.Generator().manual_seed(config.seed)
        self.guard = Guard(config.direction, self.trainee.target.vocab_size)
        yield self._happened(self._describe(), "Reading real text")
        self.anchor, self.held_out = real_text.start_views(self.trainee)
        yield self._progress("Sampling before training")
        for kind in get_args(PromptKind):
            yield self._happened(sampling.generation(self.trainee, config, "before", kind), "Sampling before training")
        self._keep()
        outcome, message = yield from self._train()
        for kind in get_args(PromptKind):
            yield self._happened(sampling.generation(self.trainee, config, "after", kind), "Sampling after training")
        return TrainedBias(self._record(outcome, message), self.trainee)

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
            yield self._happened(record, "Training")
            if self.controls.stop:
                break
        final = self._look(final=True)
        if not self.is_sound:
            self._restore()
            return "diverged", (
                f"The last update ran away. The weights of step {self.kept_step} are kept. Lower the learning rate."
            )
        self.kept_step = self.step
        yield self._happened(final, "Training")
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
        loss, seen = self._loss()
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

    def _look_once(self) -> "tuple[torch.Tensor, _Seen]":
        loss, seen = self._loss()
        loss.backward()
        self._judge(loss, seen, _norm(self.trainee.trained))
        self.trainee.network.zero_grad(set_to_none=True)
        return loss, seen

    def _judge(self, loss: torch.Tensor, seen: "_Seen", grad_norm: float) -> None:
        self.is_sound = self.guard.holds(seen.divergence, loss.item(), grad_norm) or self.config.pull == 0
        if math.isnan(self.first_loss):
            self.first_loss = loss.item()

    def _rate(self) -> float:
        """The learning rate at this step."""
        return self.controls.learning_rate * schedules.factor(self.config.schedule, self.step, self.config.steps)

    def _loss(self) -> "tuple[torch.Tensor, _Seen]":
        """What is minimised on the next batch, and what the record needs of it."""
        config, trainee, target = self.config, self.trainee, self.trainee.target
        penalty: torch.Tensor | None = None
        on_text: torch.Tensor | None = None
        if self.controls.beta > 0 or config.pull_on == "text":
            on_text, rows = self._log_probs_on_text(self.anchor)
            if self.controls.beta > 0:
                penalty = kl_penalty(on_text, self.anchor.log_probs(rows))
        if config.pull_on == "random":
            ids = sampling.random_prompts(trainee, config.batch_size, config.context_length, self.batches)
            last_hidden = trainee.hidden_states(ids.to(trainee.device))[:, -1]  # (b, width)
            pulled = trainee.log_probs(last_hidden)  # (b, V)
        else:
            assert on_text is not None  # noqa: S101 - made above for this case
            pulled = on_text.flatten(0, 1)
        divergence = target.loss(pulled, config.direction)
        loss = config.pull * divergence
        if penalty is not None:
            loss = loss + self.controls.beta * penalty
        return loss, _Seen(pulled.detach(), divergence.item(), None if penalty is None else penalty.item())

    def _log_probs_on_text(self, view: StartView) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities (r, m, V) on a few windows chosen at random, and which."""
        rows = torch.randperm(len(view.token_ids), generator=self.batches)[:ANCHOR_WINDOWS_PER_STEP]
        rows = rows.to(self.trainee.device)
        hidden = self.trainee.hidden_states(view.token_ids[rows])[:, view.first :]
        return self.trainee.log_probs(hidden), rows

    def _observe(
        self, loss: torch.Tensor, seen: "_Seen", grad_norm: float | None, learning_rate: float, *, final: bool = False
    ) -> TrainStep:
        target = self.trainee.target
        with torch.no_grad():
            kl = target.exact_kl(seen.log_probs).mean().item()
            mass = target.wanted_mass(seen.log_probs).mean().item()
        measured = ratio = glimpse = None
        if math.isfinite(kl) and (final or self.step % self.config.measure_every == 0):
            measured = real_text.measure(self.trainee, self.held_out)
            self.start_text = self.start_text or measured
            ratio = real_text.perplexity_ratio(measured, self.start_text)
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
            kl_to_start=None if measured is None else measured.kl_to_start,
            held_out_perplexity=None if measured is None else measured.perplexity,
            wanted_mass_text=None if measured is None else measured.wanted_mass,
            grad_norm=grad_norm,
            learning_rate=learning_rate,
            beta=self.controls.beta,
            seconds=self.seconds,
            sample=glimpse,
            perplexity_ratio=None if ratio is None else ratio.value,
            perplexity_ratio_low=None if ratio is None else ratio.low,
            perplexity_ratio_high=None if ratio is None else ratio.high,
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

    def _progress(self, message: str, event: Event | None = None) -> TrainProgress:
        return TrainProgress(message, self.step, self.config.steps, "steps", event)

    def _happened(self, event: Event, message: str) -> TrainProgress:
        self.events.append(event)
        return self._progress(message, event)

    def _record(self, outcome: Outcome, message: str) -> TrainingRun:
        return TrainingRun(
            config=self.config,
            start=next(each for each in self.events if isinstance(each, RunStart)),
            steps=tuple(each for each in self.events if isinstance(each, TrainStep)),
            generations=tuple(each for each in self.events if isinstance(each, Generation)),
            outcome=outcome,
            message=message,
            kept_step=self.kept_step,
        )


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a loss was made of: (b, V) log-probabilities, divergence in its direction, and the penalty in nats."""

    log_probs: torch.Tensor
    divergence: float
    kl_penalty: float | None


def _optimiser(config: BiasConfig, weights: tuple[torch.nn.Parameter, ...]) -> torch.optim.Optimizer:
    if config.optimiser == "sgd":
        return torch.optim.SGD(weights, lr=config.learning_rate)
    cls = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return cls(weights, lr=config.learning_rate, fused=weights[0].device.type in ("cpu", "cuda"))


def _norm(weights: tuple[torch.nn.Parameter, ...]) -> float:
    """L2 norm of the whole gradient."""
    grads = [weight.grad for weight in weights if weight.grad is not None]
    return float(torch.nn.utils.get_total_norm(grads))

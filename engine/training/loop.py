"""The run itself, step by step."""

import math
import re
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import torch

from engine.errors import MemoryBudgetError
from engine.models.loaded import LoadedModel
from engine.steps import Steps, blocking
from engine.training import real_text, records, sampling, saving, starting
from engine.training.config import BiasConfig
from engine.training.guard import Guard
from engine.training.objective import Controls, Objective, Seen
from engine.training.real_text import TextMeasurement
from engine.training.starting import Trainee


@dataclass(frozen=True, eq=False)
class TrainedBias:
    """A finished run and its network, in evaluation mode."""

    run: records.TrainingRun
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
        A setting does not fit, or the model cannot be had.
    """
    try:
        trainee = yield from starting.start_steps(config, model)
        return (yield from _Loop(config, trainee, controls or Controls.of(config)).run())
    except (MemoryError, RuntimeError) as error:
        is_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not is_of_memory and not re.search("can't allocate memory|out of memory", str(error)):
            raise
        raise MemoryBudgetError(
            "There is not enough memory to go on training. Choose a smaller batch, a shorter context or a smaller "
            "model, or train only the last blocks."
        ) from error


train_bias = blocking(train_bias_steps)


@dataclass(eq=False)
class _Loop:
    config: BiasConfig
    trainee: Trainee
    controls: Controls
    story: records.Story = field(default_factory=records.Story)
    state: records.RunState = records.RunState.STARTING
    doing: str = "Reading real text"
    step: int = 0
    seconds: float = 0.0
    kept_step: int = 0
    is_sound: bool = True
    first_loss: float = math.nan
    start_text: TextMeasurement | None = None

    def run(self) -> Generator[records.TrainProgress, None, TrainedBias]:
        config = self.config
        self.guard = Guard(config.direction, self.trainee.target.vocab_size)
        yield self._happened(self._describe())
        anchor, self.held_out = real_text.start_views(self.trainee)
        self.objective = Objective(config, self.trainee, self.controls, anchor)
        yield self._now(records.RunState.STARTING, "Sampling before training")
        yield from self._sample("before")
        self._keep()
        yield self._now(records.RunState.TRAINING, "Training")
        outcome, message = yield from self._train()
        yield self._now(records.RunState.FINISHING, "Sampling after training")
        yield from self._sample("after")
        return TrainedBias(self.story.ended(config, outcome, message, self.kept_step), self.trainee)

    def _sample(self, when: records.When) -> Generator[records.TrainProgress, None, None]:
        for kind in get_args(records.PromptKind):
            yield self._happened(sampling.generation(self.trainee, self.config, when, kind))

    def _train(self) -> Generator[records.TrainProgress, None, tuple[records.Outcome, str]]:
        optimiser = _optimiser(self.config, self.trainee.trained)
        while self.step < self.config.steps:
            record = self._update(optimiser)
            if not self.is_sound:
                return self._diverged(
                    f"The run diverged at step {record.step}: the loss went from {self.first_loss:.2f} to "
                    f"{record.loss:.4g}."
                )
            self.step += 1
            yield self._happened(record)
            if self.controls.stop:
                break
        final = self._look()
        if not self.is_sound:
            return self._diverged("The last update ran away.")
        self.kept_step = self.step
        yield self._happened(final)
        if self.step < self.config.steps:
            return "stopped", f"Stopped after {self.step:,} of {self.config.steps:,} steps."
        return "finished", f"All {self.step:,} steps are done."

    def _update(self, optimiser: torch.optim.Optimizer) -> records.TrainStep:
        """Measure at the present weights, then make one update."""
        begun = time.perf_counter()
        rate = self._rate()
        for group in optimiser.param_groups:
            group["lr"] = rate
        seen = self._next_batch()
        self.seconds += time.perf_counter() - begun
        record = self._observe(seen, rate)
        if self.is_sound and self.config.pull > 0:
            # With pull 0 the start is the minimum: a step could only follow rounding errors, or AdamW's decay.
            begun = time.perf_counter()
            optimiser.step()
            self.seconds += time.perf_counter() - begun
        return record

    def _look(self) -> records.TrainStep:
        """Measure at the last weights on a fresh batch, or on more if they leave it open whether all is well."""
        seen = self._next_batch()
        while self.guard.is_in_doubt:
            self._next_batch()
        self.trainee.network.zero_grad(set_to_none=True)
        return self._observe(seen, self._rate(), final=True)

    def _next_batch(self) -> Seen:
        """Draw a batch, and judge by it whether the run is sound."""
        seen = self.objective.next_batch()
        self.is_sound = self.guard.holds(seen.divergence, seen.loss, seen.grad_norm) or self.config.pull == 0
        if math.isnan(self.first_loss):
            self.first_loss = seen.loss
        return seen

    def _rate(self) -> float:
        """The learning rate at this step."""
        return self.controls.learning_rate * self.config.rate_factor(self.step)

    def _observe(self, seen: Seen, learning_rate: float, *, final: bool = False) -> records.TrainStep:
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
        return records.TrainStep(
            step=self.step,
            loss=seen.loss,
            kl=kl,
            cross_entropy=kl + target.entropy,
            wanted_mass=mass,
            kl_penalty=seen.kl_penalty,
            grad_norm=None if final else seen.grad_norm,
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

    def _diverged(self, how: str) -> tuple[records.Outcome, str]:
        """Fall back on the weights that were kept."""
        with torch.no_grad():
            for weight, kept in zip(self.trainee.trained, self.kept, strict=True):
                weight.copy_(kept)
        return "diverged", f"{how} The weights of step {self.kept_step} are kept. Lower the learning rate."

    def _describe(self) -> records.RunStart:
        trainee = self.trainee
        held_out = real_text.held_out_ids(trainee)
        last_position = held_out.shape[1] - 1  # which predicts nothing
        return records.RunStart(
            wanted_count=len(trainee.target.wanted_ids),
            vocab_size=trainee.target.vocab_size,
            parameters=sum(weight.numel() for weight in trainee.network.parameters()),
            trained_parameters=sum(weight.numel() for weight in trainee.trained),
            device=str(trainee.device),
            model_title=trainee.model.spec.title,
            held_out_tokens=len(held_out) * (last_position - real_text.first_position(trainee)),
            held_out_windows=len(held_out),
        )

    def _now(self, state: records.RunState, doing: str) -> records.TrainProgress:
        """The run turns to something else."""
        self.state, self.doing = state, doing
        return self._progress()

    def _happened(self, event: records.Event) -> records.TrainProgress:
        self.story = self.story.and_then(event)
        return self._progress(event)

    def _progress(self, event: records.Event | None = None) -> records.TrainProgress:
        return records.TrainProgress(self.doing, self.step, self.config.steps, "steps", self.state, event)


def _optimiser(config: BiasConfig, weights: tuple[torch.nn.Parameter, ...]) -> torch.optim.Optimizer:
    if config.optimiser == "sgd":
        return torch.optim.SGD(weights, lr=config.learning_rate)
    cls = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return cls(weights, lr=config.learning_rate, fused=weights[0].device.type in ("cpu", "cuda"))

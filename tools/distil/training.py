"""The training run: seeded, logged, and able to go on from its last checkpoint as if it had never stopped."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from engine import export
from engine.errors import InputError, ParameterError
from engine.model import LoadedModel
from engine.steps import Progress, Steps
from tools.distil import files, objective, rate, student
from tools.distil.config import Recipe, Training
from tools.distil.objective import Losses
from tools.distil.packing import Windows, window_numbers
from tools.distil.shards import Shards

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"


def learning_rate(training: Training, step: int) -> float:
    """Rate of update number `step`, counted from 0: a straight rise, then half a cosine down to its floor."""
    if step < training.warmup:
        return training.learning_rate * (step + 1) / training.warmup
    done = (step - training.warmup) / max(1, training.steps - training.warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return training.learning_rate * (training.floor + (1 - training.floor) * cosine)


@dataclass(eq=False)
class Run:
    """A training run at some step: everything a checkpoint holds."""

    digest: str
    network: GPT2LMHeadModel
    optimiser: torch.optim.AdamW
    step: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write the checkpoint, then the log as it was at it."""
        state = {
            "digest": self.digest,
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "log": json.dumps(self.log),
        }
        with files.replaced(folder / CHECKPOINT) as part:
            torch.save(state, part)
        with files.replaced(folder / LOG) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in self.log), "utf-8")

    def load(self, folder: Path) -> None:
        """Take up the checkpoint of `folder`, if there is one.

        Raises
        ------
        InputError
            Where it is of another recipe or other text.
        """
        path = folder / CHECKPOINT
        if not path.exists():
            return
        state = torch.load(path, map_location=self.network.device, weights_only=True)
        if state["digest"] != self.digest:
            raise InputError(
                f"{path} was trained with another recipe or on other text. Give another --out, or delete it."
            )
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.log = state["step"], json.loads(state["log"])


def begin(recipe: Recipe, teacher: LoadedModel, kept: Shards, folder: Path) -> Run:
    """The run as its last checkpoint left it, or at step 0."""
    network = student.build(recipe.student, teacher.vocab_size, kept.separator, recipe.seed)
    torch.nn.Module.to(network, teacher.device)
    digest = recipe.digest("teacher", "student", "training", more=kept.identity())
    run = Run(digest, network, _optimiser(network, recipe.training))
    run.load(folder)
    return run


def _optimiser(network: GPT2LMHeadModel, training: Training) -> torch.optim.AdamW:
    matrices = [weights for weights in network.parameters() if weights.ndim > 1]
    others = [weights for weights in network.parameters() if weights.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), fused=network.device.type == "cuda")


def train_steps(recipe: Recipe, teacher: LoadedModel, kept: Shards, folder: Path) -> Steps[Run]:
    """Train to the last step, saving checkpoints on the way and wherever the caller stops asking for steps.

    Yields
    ------
    Progress
        After each update; what it has computed is kept even if no further step is asked for.
    """
    run = begin(recipe, teacher, kept, folder)
    loop = _Loop(recipe, teacher, run, kept)
    try:
        while run.step < recipe.training.steps:
            loop.advance()
            if run.step % recipe.training.save_every == 0:
                run.save(folder)
            yield Progress(loop.message, run.step, recipe.training.steps)
    except GeneratorExit:
        run.save(folder)
        raise
    run.save(folder)
    return run


class _Loop:
    """What a run needs that no checkpoint has to hold."""

    def __init__(self, recipe: Recipe, teacher: LoadedModel, run: Run, kept: Shards) -> None:
        self.recipe, self.teacher, self.run = recipe, teacher, run
        self.windows = Windows(kept.stream("train"), recipe.student.context)
        held_out = Windows(kept.stream("held_out"), recipe.student.context)
        self.held_out = held_out.first(recipe.training.held_out_windows).to(teacher.device)
        self.autocast = teacher.device.type == "cuda"
        self.rate = rate.matrix_rate(teacher.device, torch.bfloat16 if self.autocast else torch.float32)
        self.operations = rate.operations_per_token(run.network, teacher, recipe.student.context)
        self.message = "Training"
        self._since, self._tokens = perf_counter(), 0

    def advance(self) -> None:
        """One update, with what is logged before and after it."""
        training, run = self.recipe.training, self.run
        if run.step == 0:
            self._look()
        losses, norm = self._update()
        self._tokens += training.batch * self.recipe.student.context
        run.step += 1
        if run.step % training.log_every == 0 or run.step == training.steps:
            self._note(losses, norm)
        if run.step % training.evaluate_every == 0 or run.step == training.steps:
            self._look()

    def _update(self) -> tuple[Losses, torch.Tensor]:
        training, run = self.recipe.training, self.run
        numbers = window_numbers(self.windows.count, self.recipe.seed, run.step * training.batch, training.batch)
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(training, run.step)
        run.optimiser.zero_grad()
        losses = objective.accumulate(
            run.network,
            self.teacher,
            self.windows.at(numbers).to(self.teacher.device),
            weight=training.weight,
            chunk=training.chunk,
            autocast=self.autocast,
        )
        norm = torch.nn.utils.clip_grad_norm_(run.network.parameters(), training.clip)
        run.optimiser.step()
        return losses, norm

    def _note(self, losses: Losses, norm: torch.Tensor) -> None:
        """A line of the log about the last update; the rates are means since the line before."""
        training = self.recipe.training
        line = {
            "step": self.run.step,
            "loss": losses.weighted(training.weight).item(),
            "kl": losses.kl.item(),
            "cross_entropy": losses.cross_entropy.item(),
            "gradient_norm": norm.item(),
            "learning_rate": learning_rate(training, self.run.step - 1),
        }
        if not math.isfinite(line["loss"]):
            raise ParameterError(
                f"The loss is not a number any more at step {self.run.step:,}. The last checkpoint is as it was; "
                "lower the learning rate and begin anew."
            )
        per_second = self._tokens / (perf_counter() - self._since)
        line |= {
            "tokens_per_second": round(per_second, 1),
            "share_of_matrix_rate": round(per_second * self.operations / self.rate, 4),
        }
        self.run.log.append(line)
        self.message = f"Training: loss {line['loss']:.3f}, {per_second:,.0f} tokens a second"
        self._since, self._tokens = perf_counter(), 0

    def _look(self) -> None:
        """A line of the log about held-out text; the time it takes is nobody's."""
        begun, training = perf_counter(), self.recipe.training
        found = objective.agreement(
            self.run.network,
            self.teacher,
            self.held_out,
            batch=training.batch,
            chunk=training.chunk,
            autocast=self.autocast,
        )
        self.run.log.append({"step": self.run.step, "held_out": export.json_ready(asdict(found))})
        self._since += perf_counter() - begun

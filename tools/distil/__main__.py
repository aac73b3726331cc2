"""The command line: `python -m tools.distil STAGE --config FILE --out DIR`. Every stage goes on where it stopped."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from engine import steps
from engine.errors import EngineError, InputError
from engine.loading import load_model
from engine.model import LoadedModel
from engine.steps import Progress, Steps
from tools.distil import config, evaluation, goals, sampling, student, training
from tools.distil import export as exporting
from tools.distil.card import Facts
from tools.distil.config import Recipe
from tools.distil.shards import Shards

T = TypeVar("T")
STAGES = ("sample", "train", "evaluate", "export")
_SAY_EVERY_SECONDS = 5.0


class OutOfTime(Exception):
    """The minutes are over; everything that was done is kept."""


@dataclass(eq=False)
class Workshop:
    """One recipe and one directory, and when to stop."""

    recipe: Recipe
    out: Path
    data: Path
    device: str
    deadline: float
    anyway: bool = False

    def drive(self, work: Steps[T]) -> T:
        """Run `work` to the end, saying on stderr how far it is.

        Raises
        ------
        OutOfTime
            At the first step after the deadline.
        """
        said = 0.0

        def look(progress: Progress) -> None:
            nonlocal said
            now = time.monotonic()
            if now - said > _SAY_EVERY_SECONDS:
                said = now
                total = "" if progress.total is None else f" of {progress.total:,} {progress.unit}"
                sys.stderr.write(f"{progress.message}: {progress.done:,}{total}\n")
            if now >= self.deadline:
                raise OutOfTime

        with contextlib.closing(work):
            return steps.run(work, look)

    def sample(self) -> None:
        """Stage 1: the teacher writes."""
        teacher = self._teacher()
        kept = self._shards(teacher)
        self.drive(sampling.sample_steps(self.recipe, teacher, kept))
        _say(f"{kept.count('train'):,} texts of {kept.tokens('train'):,} tokens, {kept.count('held_out'):,} held out.")

    def train(self) -> None:
        """Stage 2: the student learns."""
        teacher = self._teacher()
        kept = self._sampled(teacher)
        run = self.drive(training.train_steps(self.recipe, teacher, kept, self.out))
        _say(f"Trained to step {run.step:,}; {student.parameters(run.network):,} parameters.")

    def evaluate(self) -> None:
        """Stage 3: figures of the last checkpoint, and which goals they meet."""
        teacher = self._teacher()
        kept = self._sampled(teacher)
        run = training.begin(self.recipe, teacher, kept, self.out)
        folder = self._evaluated(run)
        model = folder / "model"
        if not (model / exporting.WEIGHTS).exists():
            tokenizer = student.tokenizer_of(teacher, self.recipe.teacher.separator)
            student.save(run.network, tokenizer, folder / "saving")
            (folder / "saving").rename(model)
        judge = evaluation.Evaluator(self.recipe, model, kept.texts("held_out"), self.data, folder, self.device)
        figures = self.drive(judge.steps())
        for verdict in goals.verdicts(figures, self.recipe.goals):
            _say(verdict.sentence)

    def export(self) -> None:
        """Stage 4: the artefact, if it is what it was made to be."""
        teacher = self._teacher()
        kept = self._sampled(teacher)
        run = training.begin(self.recipe, teacher, kept, self.out)
        folder = self._evaluated(run)
        path = folder / evaluation.FIGURES
        if not path.exists():
            raise InputError(f"Step {run.step:,} has no figures yet. Run the stage 'evaluate' first.")
        figures = json.loads(path.read_text("utf-8"))
        count = student.parameters(run.network)
        facts = Facts(self.recipe, figures, run.log, kept.batches, count, run.step)
        target = exporting.export(folder / "model", facts, self.out / self.recipe.name, anyway=self.anyway)
        _say(f"{target} holds {self.recipe.name}.")

    def _teacher(self) -> LoadedModel:
        return load_model(self.recipe.teacher.name, self.recipe.teacher.precision, self.device)

    def _shards(self, teacher: LoadedModel) -> Shards:
        separator = sampling.separator_id(teacher, self.recipe.teacher.separator)
        endless = replace(self.recipe, sampling=replace(self.recipe.sampling, tokens=0))  # more may be asked for later
        return Shards(self.out / "text", separator, endless.digest("teacher", "sampling"))

    def _sampled(self, teacher: LoadedModel) -> Shards:
        kept = self._shards(teacher)
        if kept.tokens("train") < self.recipe.sampling.tokens:
            raise InputError(
                f"{self.out} has {kept.tokens('train'):,} of {self.recipe.sampling.tokens:,} tokens of text. "
                "Run the stage 'sample' to its end first."
            )
        return kept

    def _evaluated(self, run: training.Run) -> Path:
        """Directory of what belongs to this evaluation of this model at this step alone."""
        return self.out / "evaluation" / f"{run.step:06}-{self.recipe.digest('evaluation', more=run.digest)}"


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(prog="python -m tools.distil", description=__doc__)
    found.add_argument("stage", choices=(*STAGES, "all"))
    found.add_argument("--config", type=Path, required=True, help="the recipe, a TOML file")
    found.add_argument("--out", type=Path, required=True, help="directory for all that is made; large")
    found.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many, keeping everything")
    found.add_argument("--data", type=Path, default=Path("../shared/data"), help="directory of the test sets")
    found.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    found.add_argument("--anyway", action="store_true", help="export although a goal is not met; the card says so")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; the exit status."""
    options = parser().parse_args(arguments)
    deadline = time.monotonic() + 60 * options.minutes
    try:
        recipe = config.read(options.config)
        shop = Workshop(recipe, options.out, options.data, options.device, deadline, options.anyway)
        stages: dict[str, Callable[[], Any]] = {name: getattr(shop, name) for name in STAGES}
        for name in STAGES if options.stage == "all" else (options.stage,):
            stages[name]()
    except OutOfTime:
        _say("Stopped in time; everything is kept. Go on with the same command.")
    except EngineError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The trained model's figures beside the teacher's, from the engine's own evaluations, each kept once it is there.

Everything is done as the commands `divergence`, `hellaswag` and `mauve` do it, in a store of its own, so that a stopped
evaluation goes on where it was. What cannot be measured here is in the figures too, with the reason.
"""

import bz2
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from engine import errors, export, scoring
from engine.corpus import items, mauve, plans, running
from engine.corpus.generation import Sampling
from engine.corpus.plans import ModelWanted
from engine.corpus.reading import Corpus
from engine.corpus.store import Run, RunStore
from engine.loading import load_model_steps
from engine.model import LoadedModel
from engine.steps import Progress, Steps
from tools.distil import files
from tools.distil.config import Evaluation, Recipe
from tools.distil.filters import Ids

WIKITEXT = "wikitext2_test.txt.bz2"
HELLASWAG = "hellaswag_val_full.txt.bz2"
FIGURES = "figures.json"
_OPENING_TOKENS = 12
_TIMED_ROUNDS = 5
_QUANTISED = ("int8", "nf4")
_SEED = 0
"""Of the choice among HellaSwag's items and of what MAUVE's texts are sampled with."""

Part = dict[str, Any]


class NotHereError(errors.InputError):
    """What a part needs is not on this machine; the message is part of the figures."""


@dataclass(eq=False)
class Evaluator:
    """Two models and what they are compared on.

    Parameters
    ----------
    recipe : which parts, and how large
    student : directory of the trained model
    held_out : texts never trained on, as ids
    data : directory of the public test sets
    folder : where figures and finished batches are kept
    device : for `engine.load_model`
    """

    recipe: Recipe
    student: Path
    held_out: list[Ids]
    data: Path
    folder: Path
    device: str

    def __post_init__(self) -> None:
        self.sizes: Evaluation = self.recipe.evaluation
        self.teacher = ModelWanted(self.recipe.teacher.name, self.sizes.precision)
        self.candidate = ModelWanted(str(self.student), self.sizes.precision)
        self.store = RunStore(self.folder / "runs.sqlite")
        self._loaded: dict[tuple[str, str, str], LoadedModel] = {}

    def steps(self) -> Steps[Part]:
        """All parts that are not done yet, one after the other; the figures as they are then."""
        path = self.folder / FIGURES
        figures: Part = json.loads(path.read_text("utf-8")) if path.exists() else {}
        parts: dict[str, Callable[[], Steps[Part]]] = {
            "held_out": self._held_out,
            "wikitext": self._wikitext,
            "hellaswag": self._hellaswag,
            "mauve": self._mauve,
            "quantised": self._quantised,
            "speed": self._speed,
        }
        for name, part in parts.items():
            if name in figures and "absent" not in figures[name]:
                continue
            try:
                figures[name] = export.json_ready((yield from part()))
            except (NotHereError, errors.MissingPackageError) as error:
                figures[name] = {"absent": str(error)}
            files.write_json(path, figures)
            yield Progress(f"Evaluated: {name}")
        return figures

    def _load(self, name: str, precision: str, device: str = "") -> Steps[LoadedModel]:
        wanted = (name, precision, device or self.device)
        if wanted not in self._loaded:
            self._loaded[wanted] = yield from load_model_steps(*wanted)
        return self._loaded[wanted]

    def _done(self, run: Run) -> Steps[Part]:
        found = yield from running.run_steps(self.store, run.id, self._load)
        return found.summary

    def _held_out_texts(self, count: int) -> Steps[list[str]]:
        teacher = yield from self._load(self.teacher.name, self.teacher.precision)
        decode = teacher.tokenizer.backend.decode
        texts = [str(decode(ids.tolist(), clean_up_tokenization_spaces=False)) for ids in self.held_out]
        return [text for text in (text.strip("\ufffd") for text in texts) if text][:count]

    def _held_out(self) -> Steps[Part]:
        texts = yield from self._held_out_texts(_wanted(self.sizes.held_out_texts))
        if not texts:
            raise NotHereError("No sampled text is held out. Sample more, or hold out a larger share.")
        plan = plans.plan_divergence(self.store, self.teacher, self.candidate, Corpus(tuple(texts)))
        return (yield from self._done(plan))

    def _wikitext(self) -> Steps[Part]:
        count = _wanted(self.sizes.wikitext_tokens)
        text = self._read(WIKITEXT)
        teacher = yield from self._load(self.teacher.name, self.teacher.precision)
        spans = teacher.tokenizer.encode(text[: 20 * count]).spans
        text = text[: spans[min(count, len(spans)) - 1, 1]]
        plan = plans.plan_divergence(self.store, self.teacher, self.candidate, Corpus((text,)))
        return (yield from self._done(plan))

    def _hellaswag(self) -> Steps[Part]:
        count = _wanted(self.sizes.hellaswag_items)
        everything = items.read_items(self._read(HELLASWAG))
        order = np.random.default_rng(_SEED).permutation(len(everything))[:count]
        chosen = [everything[index] for index in order.tolist()]
        return (yield from self._done(plans.plan_hellaswag(self.store, [self.teacher, self.candidate], chosen)))

    def _mauve(self) -> Steps[Part]:
        count = _wanted(self.sizes.mauve_texts)
        if count < mauve.LEAST_TEXTS:
            raise NotHereError(f"{count} texts are asked for; MAUVE needs at least {mauve.LEAST_TEXTS}.")
        paragraphs = [line.strip() for line in self._read(WIKITEXT).splitlines()]
        human = [line for line in paragraphs if len(line.split()) > 2 * _OPENING_TOKENS and not line.startswith("=")]
        plan = plans.plan_mauve(
            self.store,
            self.teacher,
            human[:count],
            models=[self.teacher, self.candidate],
            opening_tokens=_OPENING_TOKENS,
            sampling=Sampling(new_tokens=self.sizes.mauve_new_tokens, seed=_SEED),
        )
        return (yield from self._done(plan))

    def _quantised(self) -> Steps[Part]:
        """Each model in 8 and 4 bits against itself as it is: what it loses, and what it takes."""
        texts = yield from self._held_out_texts(_wanted(self.sizes.quantised_texts))
        found: Part = {}
        for role, wanted in (("teacher", self.teacher), ("student", self.candidate)):
            whole = yield from self._load(*_named(wanted))
            found[role] = {wanted.precision: {"megabytes": whole.memory_bytes / 1e6}}
            for precision in _QUANTISED:
                rough = ModelWanted(wanted.name, precision)
                plan = plans.plan_divergence(self.store, wanted, rough, Corpus(tuple(texts)))
                summary = yield from self._done(plan)
                model = yield from self._load(*_named(rough))
                found[role][precision] = {
                    "megabytes": model.memory_bytes / 1e6,
                    "kl": summary["statistics"]["kl"],
                    "same_top1": summary["statistics"]["same_top1"],
                    "seconds_ratio": summary["seconds_candidate"] / summary["seconds_base"],
                }
        return found

    def _speed(self) -> Steps[Part]:
        """Both models score one text on the processor in turns; medians."""
        count = _wanted(self.sizes.timed_tokens)
        base = yield from self._load(*_named(self.teacher), "cpu")
        candidate = yield from self._load(*_named(self.candidate), "cpu")
        text = "\n".join((yield from self._held_out_texts(count)))
        spans = base.tokenizer.encode(text).spans
        text = text[: spans[min(count, len(spans)) - 1, 1]]
        seconds: list[list[float]] = [[], []]
        for number in range(_TIMED_ROUNDS + 1):
            for model, taken in zip((base, candidate), seconds, strict=True):
                start = perf_counter()
                scoring.score_text(model, text)
                taken.append(perf_counter() - start)
            yield Progress("Timing both models", number, _TIMED_ROUNDS)
        teacher, student = (taken[1:] for taken in seconds)  # the first round sets the libraries up
        return {
            "tokens": min(count, len(spans)),
            "threads": torch.get_num_threads(),
            "teacher_seconds": statistics.median(teacher),
            "student_seconds": statistics.median(student),
            "ratio": statistics.median(a / b for a, b in zip(teacher, student, strict=True)),
        }

    def _read(self, name: str) -> str:
        path = self.data / name
        if not path.exists():
            raise NotHereError(f"{name} is not in the data directory. Name another with --data.")
        return bz2.decompress(path.read_bytes()).decode()


def _wanted(count: int) -> int:
    if not count:
        raise NotHereError("Left out by the recipe.")
    return count


def _named(wanted: ModelWanted) -> tuple[str, str]:
    return wanted.name, wanted.precision

"""A model continues openings: seeded, stoppable after every token, and as fast as its network allows.

transformers' own `generate` draws from the global random state, cannot be left between two tokens, and pads networks
that cannot take it; the loop here uses its warpers and the ways of `engine.evaluation.mauve.writing`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from engine import errors
from engine.evaluation.mauve import tails, writing
from engine.evaluation.runs.batches import Content, Keeper, kept_steps
from engine.models.loaded import LoadedModel
from engine.models.opening import Bos, opening_ids
from engine.steps import Progress, Steps

BATCH_TEXTS = 32
MOST_NEW_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn.

    `temperature` 0 takes the most probable one. `top_k` 0 and `top_p` 1 cut nothing off. `new_tokens` is how far each
    text goes, unless the model ends it.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    new_tokens: int = 48
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 10:
            raise errors.ParameterError(f"The temperature is {self.temperature}; it must be 0 (greedy) to 10.")
        if self.top_k < 0 or not 0 < self.top_p <= 1:
            raise errors.ParameterError("top_k must be 0 (off) or more, and top_p above 0 and at most 1 (off).")
        if not 1 <= self.new_tokens <= MOST_NEW_TOKENS:
            raise errors.ParameterError(f"{self.new_tokens} new tokens asked for; 1 to {MOST_NEW_TOKENS} are possible.")

    @property
    def sentence(self) -> str:
        """The settings for a person."""
        if not self.temperature:
            return f"greedy, {self.new_tokens} tokens"
        cuts = (f", top-k {self.top_k}" if self.top_k else "") + (f", top-p {self.top_p:g}" if self.top_p < 1 else "")
        return f"temperature {self.temperature:g}{cuts}, {self.new_tokens} tokens, seed {self.seed}"


def continue_texts_steps(
    model: LoadedModel,
    openings: Sequence[str],
    sampling: Sampling,
    *,
    bos: Bos = "auto",
    limits: Sequence[int] | None = None,
    keep: Keeper | None = None,
    stage: str = "texts",
    batch_texts: int = BATCH_TEXTS,
) -> Steps[list[str]]:
    """Each opening with the model's continuation, in order.

    Parameters
    ----------
    model
        Unchanged by it.
    openings
        Texts of at least one token; only their last tokens are read if they do not fit.
    sampling
        Each batch draws from its own generator, seeded by `seed` and its number, so that a run continued after a stop
        gives the same texts.
    bos
        Whether the model reads a token in front of each opening; see `engine.models.opening`.
    limits
        New tokens of each text, at most `sampling.new_tokens`.

    Raises
    ------
    InputError
        An opening has no tokens, and nothing opens it.
    ParameterError
        The opening token is asked for and the model has none.
    """
    keep, first = keep or Keeper(), opening_ids(model, bos)
    texts: list[str] = []
    for place, start in enumerate(range(0, len(openings), batch_texts)):
        part = slice(start, start + batch_texts)
        wanted = list(limits[part]) if limits is not None else [sampling.new_tokens] * len(openings[part])
        asked = _Asked(model, openings[part], wanted, sampling, first, place, (start, len(openings)))
        batch = yield from kept_steps(keep, stage, place, asked.steps())
        texts += batch.data["texts"]
        yield Progress(f"{model.title} continues the openings", len(texts), len(openings), "texts")
    return texts


@dataclass(frozen=True, eq=False)
class _Asked:
    """One batch of openings to be continued: the `place`th, whose progress is told from `counted` on."""

    model: LoadedModel
    openings: Sequence[str]
    limits: list[int]
    sampling: Sampling
    first: tuple[int, ...]
    place: int
    counted: tuple[int, int]

    def steps(self) -> Steps[Content]:
        seed = np.random.SeedSequence([self.sampling.seed, self.place]).generate_state(1, np.uint64)[0] >> 1
        generator = torch.Generator(device=self.model.device)
        generator.manual_seed(int(seed))
        prompts = [self._prompt(opening) for opening in self.openings]
        chosen = writing.way(self.model, max(map(len, prompts)) + max(self.limits))
        drawn: list[list[int]] = [[] for _ in prompts]
        for writer in writing.writers(self.model, prompts, chosen):
            yield from self._write(writer, drawn, generator, writing.WHY[chosen])
        added = [tails.added_text(self.model.tokenizer, *pair) for pair in zip(prompts, drawn, strict=True)]
        return {}, {"texts": [opening + tail for opening, tail in zip(self.openings, added, strict=True)]}

    def _prompt(self, opening: str) -> list[int]:
        """Ids that are read before the first new one: the last that leave room for the new ones."""
        room = max(1, self.model.context_length - max(self.limits) - len(self.first))
        prompt = [*self.first, *self.model.tokenizer.encode(opening).token_ids[-room:].tolist()]
        if not prompt:
            raise errors.InputError(f"The opening {opening[:40]!r} has no tokens for {self.model.title}. Leave it out.")
        return prompt

    def _write(
        self, writer: writing.Writer, drawn: list[list[int]], generator: torch.Generator, why: str
    ) -> Steps[None]:
        """Draw tokens for the writer's rows until each has ended or is as long as it may be."""
        warp, ends = _warper(self.sampling), end_ids(self.model)
        limits = [self.limits[row] for row in writer.rows]
        open_rows = [limit > 0 for limit in limits]
        chosen = None
        for number in range(max(limits)):
            with torch.inference_mode():
                chosen = _draw(warp(writer.next_logits(chosen)), self.sampling, generator)
            for place, (row, token) in enumerate(zip(writer.rows, chosen.tolist(), strict=True)):
                if open_rows[place] and token not in ends:
                    drawn[row].append(token)
                open_rows[place] = open_rows[place] and token not in ends and len(drawn[row]) < limits[place]
            yield Progress(self._message(writer, number, max(limits), why), *self.counted, "texts")
            if not any(open_rows):
                break

    def _message(self, writer: writing.Writer, number: int, most: int, why: str) -> str:
        text = f"text {self.counted[0] + writer.rows[0] + 1}, " if len(writer.rows) < len(self.openings) else ""
        return f"{self.model.title}: {text}token {number + 1} of {most}" + (f". {why}" if why else "")


def _warper(sampling: Sampling) -> Callable[[torch.Tensor], torch.Tensor]:
    from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    warpers: Any = LogitsProcessorList()
    if sampling.temperature not in {0.0, 1.0}:
        warpers.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.temperature and sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.temperature and sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    return partial(warpers, None)


def _draw(logits: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> torch.Tensor:
    """(rows,) ids from (rows, V) logits."""
    if not sampling.temperature:
        return logits.argmax(dim=1)
    return torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]


def end_ids(model: LoadedModel) -> frozenset[int]:
    """Ids that end a text: those of the generation settings and the tokenizer's own."""
    settings = getattr(model.network, "generation_config", None)
    named = getattr(settings, "eos_token_id", None)
    listed = named if isinstance(named, list) else [named]
    return frozenset(token for token in (*listed, model.tokenizer.backend.eos_token_id) if token is not None)

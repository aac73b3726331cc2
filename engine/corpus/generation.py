"""A model continues openings: batched, seeded, and stoppable after every token.

transformers' own `generate` draws from the global random state and cannot be left between two tokens; the loop here
uses its cache and its warpers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine import errors
from engine.corpus.keeping import Content, Keeper, NotKept, kept_steps
from engine.model import LoadedModel
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
        Texts of at least one token; only their last tokens are read where they do not fit.
    sampling
        Each batch draws from its own generator, seeded by `seed` and its number, so that a run continued after a stop
        gives the same texts.
    limits
        New tokens of each text, at most `sampling.new_tokens`.
    """
    keep = keep or NotKept()
    texts: list[str] = []
    for place, start in enumerate(range(0, len(openings), batch_texts)):
        part = slice(start, start + batch_texts)
        wanted = list(limits[part]) if limits is not None else [sampling.new_tokens] * len(openings[part])
        compute = _batch(model, openings[part], wanted, sampling, place, (start, len(openings)))
        batch = yield from kept_steps(keep, stage, place, compute)
        texts += batch.data["texts"]
        yield Progress(f"{model.title} continues the openings", len(texts), len(openings), "texts")
    return texts


def _batch(
    model: LoadedModel,
    openings: Sequence[str],
    limits: list[int],
    sampling: Sampling,
    place: int,
    counted: tuple[int, int],
) -> Callable[[], Steps[Content]]:
    def compute() -> Steps[Content]:
        generator = torch.Generator(device=model.device)
        generator.manual_seed(int(np.random.SeedSequence([sampling.seed, place]).generate_state(1, np.uint64)[0] >> 1))
        most = max(1, model.context_length - max(limits))
        prompts = [model.tokenizer.encode(opening).token_ids[-most:].tolist() for opening in openings]
        ids = yield from _sample_steps(model, prompts, limits, sampling, generator, counted)
        tails = [_decoded(model, piece) for piece in ids]
        return {}, {"texts": [opening + tail for opening, tail in zip(openings, tails, strict=True)]}

    return compute


def _sample_steps(
    model: LoadedModel,
    prompts: list[list[int]],
    limits: list[int],
    sampling: Sampling,
    generator: torch.Generator,
    counted: tuple[int, int],
) -> Steps[list[list[int]]]:
    """New ids of each prompt. Rows are padded on the left, so that every row's next token is in the last column."""
    from transformers import DynamicCache

    token_ids, mask = _left_padded(prompts, model.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache, warp, ends = DynamicCache(config=model.network.config), _warper(sampling), end_ids(model)
    drawn: list[list[int]] = [[] for _ in prompts]
    open_rows = [limit > 0 for limit in limits]
    for number in range(max(limits)):
        with torch.inference_mode():
            found = model.network(
                input_ids=token_ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            chosen = _draw(warp(found.logits[:, -1].float()), sampling, generator)
            token_ids, positions = chosen[:, None], positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        for row, token in enumerate(chosen.tolist()):
            if open_rows[row] and token not in ends:
                drawn[row].append(token)
            open_rows[row] = open_rows[row] and token not in ends and len(drawn[row]) < limits[row]
        yield Progress(f"{model.title}: token {number + 1} of {max(limits)}", *counted, "texts")
        if not any(open_rows):
            break
    return drawn


def _left_padded(prompts: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, prompts))
    token_ids = torch.zeros(len(prompts), longest, dtype=torch.int64)
    mask = torch.zeros_like(token_ids)
    for row, prompt in enumerate(prompts):
        token_ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return token_ids.to(device), mask.to(device)


def _warper(sampling: Sampling) -> Callable[[torch.Tensor], torch.Tensor]:
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    warpers: list[Callable[[None, torch.Tensor], torch.Tensor]] = []
    if sampling.temperature not in {0.0, 1.0}:
        warpers.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.temperature and sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.temperature and sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))

    def warp(logits: torch.Tensor) -> torch.Tensor:
        for warper in warpers:
            logits = warper(None, logits)
        return logits

    return warp


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


def _decoded(model: LoadedModel, token_ids: list[int]) -> str:
    """Text of `token_ids`; a character cut off at the end is left out."""
    text = model.tokenizer.backend.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text).rstrip("\ufffd")

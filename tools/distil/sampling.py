"""The teacher writes: thousands of rows at once, each with an opening and a temperature of its own.

`engine.corpus.generation` is not used: it is made to be left between two tokens, so it waits for the device at every
token, pads on the left (a mask, hence slow attention), copies its cache at every token and knows one temperature.
Here all rows of a batch stand at one position. Reading begins with as many tokens as the shortest opening has; a row
whose opening is longer is given its own next token instead of a drawn one until the opening is used up. So nothing is
padded, and the device is asked only now and then which rows have ended; these leave the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from engine.corpus.generation import end_ids
from engine.errors import ParameterError, UnsupportedModelError
from engine.model import LoadedModel
from engine.steps import Progress, Steps
from tools.distil import openings, shards
from tools.distil.config import Recipe, Sampling
from tools.distil.filters import Ids, Sieve, is_held_out
from tools.distil.growing import GrowingCache
from tools.distil.shards import Shards, Split

_LOOK_EVERY = 32
"""Tokens between two looks at which rows have ended."""
_WORTH_LEAVING = 0.9
"""Rows that go on are moved together once they are fewer than this share: moving copies their keys and values."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """What a row begins with, and from which of its ids on they belong to the text that is kept."""

    token_ids: list[int]
    kept_from: int


def separator_id(teacher: LoadedModel, separator: str) -> int:
    """Id of the token that stands between texts.

    Raises
    ------
    UnsupportedModelError
        Where the tokenizer has no such token, or too many tokens for 16 bits.
    """
    found = teacher.tokenizer.backend.get_vocab().get(separator)
    if found is None or teacher.vocab_size > shards.MOST_VOCABULARY:
        raise UnsupportedModelError(
            f"{teacher.title} has {teacher.vocab_size:,} tokens and {'no' if found is None else 'the'} token "
            f"{separator!r}; a teacher needs it, and at most {shards.MOST_VOCABULARY:,} tokens."
        )
    return int(found)


def sample_steps(recipe: Recipe, teacher: LoadedModel, kept: Shards) -> Steps[None]:
    """Write and keep batch after batch until there is enough text. A batch depends on its number and the seed alone.

    Yields
    ------
    Progress
        After each batch that is kept.
    """
    sampling = recipe.sampling
    sieve = Sieve(sampling.least_tokens, sampling.most_repeated)
    for split in shards.SPLITS:
        for text in kept.texts(split):
            sieve.remember(text)
    while kept.tokens("train") < sampling.tokens:
        number = len(kept.batches)
        kind = sampling.kinds[number % len(sampling.kinds)]
        texts = batch_texts(sampling, teacher, kept.separator, kind, (recipe.seed, number))
        kept.add(*_sifted(texts, sampling, sieve, kind))
        yield Progress(f"{teacher.title} writes ({kind})", kept.tokens("train"), sampling.tokens, "tokens")


def _sifted(
    texts: list[Ids], sampling: Sampling, sieve: Sieve, kind: str
) -> tuple[dict[Split, Sequence[Ids]], dict[str, object]]:
    found: dict[Split, list[Ids]] = {"train": [], "held_out": []}
    dropped = dict.fromkeys(("short", "repetitive", "duplicate"), 0)
    for text in texts:
        fault = sieve.fault(text)
        if fault is not None:
            dropped[fault] += 1
        else:
            found["held_out" if is_held_out(text, sampling.held_out) else "train"].append(text)
    return {**found}, {"kind": kind, "written": len(texts), "dropped": dropped}


def batch_texts(
    sampling: Sampling, teacher: LoadedModel, separator: int, kind: str, seed: tuple[int, int]
) -> list[Ids]:
    """The texts of one batch, before any is dropped."""
    numbers = np.random.default_rng(seed)
    begun = [openings.draw(kind, numbers) for _ in range(sampling.rows)]
    longest = sampling.length - sampling.least_tokens
    prompts = [one for one in prompts_of(teacher, kind, begun, separator) if len(one.token_ids) <= longest]
    if not prompts:
        raise ParameterError(f"No opening of the kind {kind!r} leaves room in {sampling.length} tokens. Take more.")
    temperatures = torch.from_numpy(numbers.uniform(*sampling.temperatures, size=len(prompts))).float()
    generator = torch.Generator(teacher.device).manual_seed(int(numbers.integers(2**63)))
    ends = _ends(teacher)
    rows = continued(
        teacher,
        [one.token_ids for one in prompts],
        temperatures.to(teacher.device),
        sampling.length,
        ends,
        generator,
    )
    final = ends.cpu().numpy()
    return [_text(row, one, final) for row, one in zip(rows, prompts, strict=True)]


def prompts_of(teacher: LoadedModel, kind: str, begun: Sequence[str], separator: int) -> list[Prompt]:
    """The ids rows begin with: each opening in the teacher's chat form if it is a question, else after a separator.

    All at once and without places in the text, which `engine.tokens` finds for one text at a time: thousands of rows
    would otherwise keep the device waiting for seconds.
    """
    backend = teacher.tokenizer.backend
    chat, said = openings.is_chat(kind) and bool(backend.chat_template), list(begun)
    if chat:
        asked = [[{"role": "user", "content": opening}] for opening in begun]
        said = cast(list[str], backend.apply_chat_template(asked, tokenize=False, add_generation_prompt=True))
    found: Any = backend(said, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    return [Prompt(ids, len(ids)) if chat else Prompt([separator, *ids], 1) for ids in found]


@torch.inference_mode()
def continued(
    teacher: LoadedModel,
    prompts: list[list[int]],
    temperatures: torch.Tensor,
    length: int,
    ends: torch.Tensor,
    generator: torch.Generator,
) -> npt.NDArray[np.int64]:
    """(rows, length) ids: each prompt, what the teacher drew after it, -1 where it was not asked any more.

    Parameters
    ----------
    prompts
        At least one id each; none longer than `length`.
    temperatures
        (rows,) float32, above 0.
    ends
        (V,) bool: ids after which a row is done.
    generator
        Of the teacher's device.
    """
    known = torch.tensor([len(ids) for ids in prompts], device=teacher.device)
    tokens = torch.full((len(prompts), length), -1, dtype=torch.int64)
    for row, ids in enumerate(prompts):
        tokens[row, : len(ids)] = torch.tensor(ids)
    tokens = tokens.to(teacher.device)
    cache = GrowingCache(teacher.network.config.num_hidden_layers, length)
    rows = torch.arange(len(prompts), device=teacher.device)
    going = torch.ones_like(rows, dtype=torch.bool)
    start = min(len(ids) for ids in prompts)
    read = tokens[:, :start]
    for position in range(start, length):
        hidden = teacher.network.base_model(input_ids=read, past_key_values=cache, use_cache=True).last_hidden_state
        drawn = draw(teacher.logits(hidden[:, -1]), temperatures[rows], generator)
        free = position >= known[rows]
        chosen = torch.where(free, drawn, tokens[rows, position])
        tokens[rows, position] = chosen
        going &= ~(free & ends[chosen])
        if (position - start) % _LOOK_EVERY == _LOOK_EVERY - 1:
            left = going.nonzero()[:, 0]
            if not len(left):
                break
            if len(left) < _WORTH_LEAVING * len(rows):
                cache.keep_rows(left)
                rows, chosen, going = rows[left], chosen[left], going[left]
        read = chosen[:, None]
    return tokens.cpu().numpy()


def draw(logits: torch.Tensor, temperatures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(rows,) ids from (rows, V) logits at (rows,) temperatures."""
    probs = torch.softmax(logits.float() / temperatures[:, None], dim=1)
    return torch.multinomial(probs, 1, generator=generator)[:, 0]


def _ends(teacher: LoadedModel) -> torch.Tensor:
    """(V,) bool: ids that end a text, and every other special token: no mark of a template gets into a text."""
    special = {*end_ids(teacher), *teacher.tokenizer.backend.added_tokens_decoder}
    flags = torch.zeros(teacher.vocab_size, dtype=torch.bool)
    flags[sorted(special)] = True
    return flags.to(teacher.device)


def _text(row: npt.NDArray[np.int64], begun: Prompt, ends: npt.NDArray[np.bool_]) -> Ids:
    """The part of a row that is kept: up to the first id that ends a text, or to where it was cut off."""
    drawn = row[len(begun.token_ids) :]
    stops = np.flatnonzero((drawn < 0) | ends[drawn])
    stop = len(begun.token_ids) + (int(stops[0]) if stops.size else len(drawn))
    return row[begun.kept_from : stop].astype(np.uint16)

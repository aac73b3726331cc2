"""A few sampled tokens, counted: what a person sees of a distribution."""

from typing import Any

import torch

from engine.training import real_text
from engine.training.config import BiasConfig
from engine.training.records import Generation, PromptKind, Sample, When
from engine.training.starting import Trainee

PROMPTS = 8
TOKENS_PER_PROMPT = 25
"""8 prompts of 25 tokens: 200 to count."""
GLIMPSE_TOKENS = 24
"""Tokens of the short samples taken during training."""
SHOWN_PROMPT_TOKENS = 8


@torch.no_grad()
def continue_prompts(
    trainee: Trainee, prompts: torch.Tensor, count: int, *, temperature: float, top_k: int, generator: torch.Generator
) -> torch.Tensor:
    """Sample `count` tokens after each prompt: (b, p) ids -> (b, count) ids, on the CPU.

    The draws come from a generator on the CPU, so that a seed means the same on every device.
    """
    cache: Any = None
    step_ids = prompts.to(trainee.device)
    drawn = []
    for _ in range(count):
        out = trainee.network(input_ids=step_ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = out.past_key_values
        chosen = draw(_probabilities(out.logits[:, -1].float(), temperature, top_k).cpu(), generator)
        drawn.append(chosen)
        step_ids = chosen.to(trainee.device)
    return torch.cat(drawn, dim=1)


def draw(probs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One id from each row: (b, V) probabilities -> (b, 1) int64.

    The place where a uniform number falls in the cumulative distribution. `torch.multinomial` needs a random number a
    token, and five times as long.

    Examples
    --------
    >>> draw(torch.tensor([[0.0, 1.0, 0.0]]), torch.Generator().manual_seed(0)).tolist()
    [[1]]
    """
    cumulative = probs.double().cumsum(-1)
    uniform = torch.rand(len(probs), 1, dtype=torch.float64, generator=generator) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, uniform, right=True).clamp_max_(probs.shape[-1] - 1)


def _probabilities(logits: torch.Tensor, temperature: float, top_k: int) -> torch.Tensor:
    logits = logits / temperature
    if 0 < top_k < logits.shape[-1]:
        least = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    return torch.softmax(logits, dim=-1)


def random_prompts(trainee: Trainee, count: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Random token ids, (count, length)."""
    size = min(trainee.tokenizer.size, trainee.target.vocab_size)
    return torch.randint(size, (count, length), generator=generator)


def real_prompts(trainee: Trainee) -> torch.Tensor:
    """The prompts of assets/training/, cut to the shortest so that none needs padding: (8, p)."""
    encoded = [trainee.tokenizer.encode(prompt).token_ids for prompt in real_text.prompts()]
    length = min(len(ids) for ids in encoded)
    return torch.stack([torch.from_numpy(ids[:length]) for ids in encoded])


def generation(trainee: Trainee, config: BiasConfig, when: When, kind: PromptKind) -> Generation:
    """Sample 200 tokens; before and after training with the same prompts and the same draws."""
    generator = torch.Generator().manual_seed(config.seed + 1)
    if kind == "real":
        prompts = real_prompts(trainee)
    else:
        prompts = random_prompts(trainee, PROMPTS, prompt_length(trainee, config, TOKENS_PER_PROMPT), generator)
    drawn = continue_prompts(
        trainee,
        prompts,
        TOKENS_PER_PROMPT,
        temperature=config.temperature,
        top_k=config.top_k,
        generator=generator,
    )
    samples = (_sample(trainee, prompt, ids) for prompt, ids in zip(prompts, drawn, strict=True))
    return Generation(when, kind, tuple(samples))


def glimpse(trainee: Trainee, config: BiasConfig, step: int) -> Sample:
    """One short sample, after a prompt of the kind that is trained on."""
    generator = torch.Generator().manual_seed(config.seed + 2 + step)
    if config.pull_on == "text":
        prompts = real_prompts(trainee)
        prompt = prompts[(step // config.sample_every) % len(prompts)][None]
    else:
        prompt = random_prompts(trainee, 1, prompt_length(trainee, config, GLIMPSE_TOKENS), generator)
    drawn = continue_prompts(
        trainee, prompt, GLIMPSE_TOKENS, temperature=config.temperature, top_k=config.top_k, generator=generator
    )
    return _sample(trainee, prompt[0], drawn[0])


def prompt_length(trainee: Trainee, config: BiasConfig, new_tokens: int) -> int:
    """As long as the training input, leaving room for the new tokens."""
    return max(1, min(config.context_length, trainee.context_length - new_tokens))


def _sample(trainee: Trainee, prompt: torch.Tensor, ids: torch.Tensor) -> Sample:
    wanted = torch.isin(ids, trainee.target.wanted_ids.cpu())
    tail = prompt[-SHOWN_PROMPT_TOKENS:]
    return Sample(
        prompt="".join(trainee.tokenizer.token_texts(tail.numpy())),
        tokens=tuple(trainee.tokenizer.token_texts(ids.numpy())),
        wanted=tuple(wanted.tolist()),
    )

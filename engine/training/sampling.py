"""A few sampled tokens, counted: what a person sees of a distribution."""

import torch

from engine.models import network as networks
from engine.models import proofs
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
_PROBED_STEPS = 4


@torch.no_grad()
def continue_prompts(
    trainee: Trainee, config: BiasConfig, prompts: torch.Tensor, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Sample `count` tokens after each prompt as `config` says: (b, p) ids -> (b, count) ids, on the CPU.

    The draws come from a generator on the CPU, so that a seed means the same on every device.
    """
    read = _Reader(trainee, is_kept=_may_keep(trainee, prompts.shape[1] + count))
    rows = prompts.to(trainee.device)
    for _ in range(count):
        log_probs = trainee.log_probs(read(rows)[:, -1])
        chosen = draw(_probabilities(log_probs, config.temperature, config.top_k).cpu(), generator)
        rows = torch.cat([rows, chosen.to(trainee.device)], dim=1)
    return rows[:, prompts.shape[1] :].cpu()


class _Reader:
    """Reads rows that grow: what is new with kept keys and values, or else all anew."""

    def __init__(self, trainee: Trainee, *, is_kept: bool) -> None:
        from transformers import DynamicCache

        self._trainee = trainee
        self._cache = DynamicCache(config=trainee.network.config) if is_kept else None
        self._done = 0

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Hidden states, at least of the tokens since the last call: (b, n) -> (b, m, width)."""
        if self._cache is None:
            return self._trainee.hidden_states(rows)
        new, self._done = rows[:, self._done :], rows.shape[1]
        body = networks.body(self._trainee.network)
        hidden: torch.Tensor = body(input_ids=new, past_key_values=self._cache, use_cache=True).last_hidden_state
        return hidden


def _may_keep(trainee: Trainee, length: int) -> bool:
    """Whether kept keys and values give what the whole row gives; tried once for rows of this kind of length."""

    def step_by_step(token_ids: torch.Tensor) -> torch.Tensor:
        row, read = token_ids[None].to(trainee.device), _Reader(trainee, is_kept=True)
        ends = range(len(token_ids) - _PROBED_STEPS, len(token_ids) + 1)
        return torch.cat([read(row[:, :end])[0, -1:] for end in ends])

    def at_once(token_ids: torch.Tensor) -> torch.Tensor:
        return trainee.hidden_states(token_ids[None].to(trainee.device))[0, -1 - _PROBED_STEPS :]

    return proofs.holds(trainee.model, "continuing in training", length, step_by_step, at_once)


def draw(probs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One id from each row: (b, V) probabilities -> (b, 1) int64.

    The place where a uniform number falls in the cumulative distribution. `torch.multinomial` needs a random number per
    token, and takes five times as long.

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
    """Random token ids, (count, length), opened as the model's texts are."""
    size = min(trainee.tokenizer.size, trainee.target.vocab_size)
    ids = torch.randint(size, (count, length), generator=generator)
    return real_text.opened(ids[:, len(trainee.opening) :], trainee.opening)


def real_prompts(trainee: Trainee) -> torch.Tensor:
    """The prompts of assets/training/, opened and cut to the shortest so that none needs padding: (8, p)."""
    encoded = [trainee.tokenizer.encode(prompt).token_ids for prompt in real_text.read("prompts").splitlines()]
    length = min(len(ids) for ids in encoded)
    return real_text.opened(torch.stack([torch.from_numpy(ids[:length]) for ids in encoded]), trainee.opening)


def generation(trainee: Trainee, config: BiasConfig, when: When, kind: PromptKind) -> Generation:
    """Sample 200 tokens; before and after training with the same prompts and the same draws."""
    generator = torch.Generator().manual_seed(config.seed + 1)
    if kind == "real":
        prompts = real_prompts(trainee)
    else:
        prompts = random_prompts(trainee, PROMPTS, prompt_length(trainee, config, TOKENS_PER_PROMPT), generator)
    drawn = continue_prompts(trainee, config, prompts, TOKENS_PER_PROMPT, generator)
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
    drawn = continue_prompts(trainee, config, prompt, GLIMPSE_TOKENS, generator)
    return _sample(trainee, prompt[0], drawn[0])


def prompt_length(trainee: Trainee, config: BiasConfig, new_tokens: int) -> int:
    """As long as the training input, leaving room for the new tokens."""
    return max(1 + len(trainee.opening), min(config.context_length, trainee.model.context_length - new_tokens))


def _sample(trainee: Trainee, prompt: torch.Tensor, ids: torch.Tensor) -> Sample:
    wanted = torch.isin(ids, trainee.target.wanted_ids.cpu())
    tail = prompt[-SHOWN_PROMPT_TOKENS:]
    return Sample(
        prompt="".join(trainee.tokenizer.token_texts(tail.numpy())),
        tokens=tuple(trainee.tokenizer.token_texts(ids.numpy())),
        wanted=tuple(wanted.tolist()),
    )

"""The network a run starts from, always a private copy: a model held by the pool is never changed."""

import copy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine import hardware, loading
from engine.errors import MemoryBudgetError, ParameterError
from engine.model import LoadedModel
from engine.quiet import quiet_libraries
from engine.sources import scratch
from engine.sources.kinds import Scratch
from engine.steps import Progress, Steps
from engine.tokens import TextTokenizer
from engine.training import patterns
from engine.training.config import HEAD_WIDTH, SCRATCH, BiasConfig
from engine.training.losses import Target

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHORTEST_SCRATCH_CONTEXT = 64
"""A network made from scratch reads at least so many tokens, so that there is room for prompts and samples."""


@dataclass(frozen=True, eq=False)
class Trainee:
    """A private network with what is needed to train it."""

    network: "PreTrainedModel"
    tokenizer: TextTokenizer
    title: str
    device: torch.device
    target: Target
    context_length: int
    trained: tuple[torch.nn.Parameter, ...]

    def hidden_states(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Last hidden states after the final norm: (b, n) -> (b, n, width)."""
        hidden: torch.Tensor = self.network.base_model(input_ids=token_ids, use_cache=False).last_hidden_state
        return hidden

    @property
    def head(self) -> torch.Tensor:
        """Weights of the head, (V, width); often the same tensor as the embedding."""
        weight: torch.Tensor = self.network.get_output_embeddings().weight
        return weight

    def log_probs(self, hidden: torch.Tensor) -> torch.Tensor:
        """(..., width) hidden states -> (..., V) log-probabilities in nats."""
        return torch.log_softmax(torch.nn.functional.linear(hidden, self.head).float(), dim=-1)


def start_steps(config: BiasConfig, model: LoadedModel | None = None) -> Steps[Trainee]:
    """Make or load the network, on a copy of its own.

    Parameters
    ----------
    config : which start, pattern and weights to train
    model : a model that is loaded already and is copied, instead of loading `config.start`

    Raises
    ------
    ParameterError
        Where the pattern or a length does not fit the model.
    MemoryBudgetError
        Where training it needs more memory than is free.
    """
    device = hardware.choose("float32", config.device).device
    if model is not None:
        yield Progress(f"Copying {model.title}")
        network = copy.deepcopy(model.network).float().to(device)
        tokenizer, title = model.tokenizer, model.spec.title
    elif config.start == SCRATCH:
        yield Progress("Drawing random weights")
        tokenizer, title = gpt2_tokenizer(), "GPT-2 from scratch"
        network = scratch_network(config, len(tokenizer.backend)).to(device)  # type: ignore[arg-type]
    else:
        loaded = yield from loading.load_model_steps(config.start, "float32", str(device))
        network, tokenizer, title = loaded.network, loaded.tokenizer, loaded.spec.title
    yield Progress("Looking through the vocabulary")
    return _prepare(config, network, tokenizer, title, device)


@cache
def gpt2_tokenizer() -> TextTokenizer:
    """GPT-2's tokenizer, made once in a process."""
    return TextTokenizer(scratch.gpt2_tokenizer())


def scratch_source(config: BiasConfig) -> Scratch:
    """Shape and seed of the network made from scratch."""
    context = max(config.context_length, SHORTEST_SCRATCH_CONTEXT)
    return Scratch(config.layers, config.width, config.width // HEAD_WIDTH, context, config.seed)


def scratch_network(config: BiasConfig, vocab_size: int) -> "PreTrainedModel":
    """A GPT-2 with random weights; the same configuration gives the same weights."""
    from transformers import GPT2LMHeadModel

    source = scratch_source(config)
    with quiet_libraries():
        network = GPT2LMHeadModel(scratch.config(source, vocab_size))
        scratch.draw_weights(network, source.seed)
    return network


def _prepare(
    config: BiasConfig, network: "PreTrainedModel", tokenizer: TextTokenizer, title: str, device: torch.device
) -> Trainee:
    network.eval()  # no dropout: the divergence is that of the model itself, and the curve is the same every time
    trained = _choose_weights(network, config.train_blocks)
    _check_memory(network, trained, config, device)
    vocab_size = network.get_output_embeddings().weight.shape[0]
    wanted = patterns.match(config.pattern, tokenizer.token_texts(range(min(tokenizer.size, vocab_size))))
    wanted_ids = torch.from_numpy(np.flatnonzero(wanted)).to(device)
    context_length = int(network.config.max_position_embeddings)
    if config.context_length > context_length:
        raise ParameterError(
            f"The context has {config.context_length:,} tokens; {title} reads {context_length:,}. Choose fewer."
        )
    return Trainee(network, tokenizer, title, device, Target(wanted_ids, vocab_size), context_length, trained)


def blocks_of(network: "PreTrainedModel") -> torch.nn.ModuleList:
    """The transformer blocks, in order: the longest list of modules of the body."""
    lists = [module for module in network.base_model.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=len)


def _choose_weights(network: "PreTrainedModel", train_blocks: int | None) -> tuple[torch.nn.Parameter, ...]:
    """Mark the weights that are trained and return them."""
    if train_blocks is None:
        network.requires_grad_(True)
        return tuple(network.parameters())
    blocks = blocks_of(network)
    if train_blocks > len(blocks):
        raise ParameterError(f"train_blocks is {train_blocks}; this model has {len(blocks)} blocks. Choose fewer.")
    network.requires_grad_(False)
    last = blocks[len(blocks) - train_blocks :]
    last.requires_grad_(True)
    return tuple(last.parameters())


def _check_memory(
    network: "PreTrainedModel", trained: tuple[torch.nn.Parameter, ...], config: BiasConfig, device: torch.device
) -> None:
    """Refuse at once what would fail later: gradient, two moments of Adam and the kept weights are held per weight."""
    copies = 2 if config.optimiser == "sgd" else 4
    head = network.get_output_embeddings().weight
    needed = 4 * (copies * sum(weight.numel() for weight in trained) + head.numel())
    free = hardware.describe().memory_free_bytes if device.type == "cpu" else torch.cuda.mem_get_info(device)[0]
    if needed > free:
        raise MemoryBudgetError(
            f"Training these weights needs about {needed / 1e9:.1f} GB more memory; {free / 1e9:.1f} GB are free. "
            "Train only the last blocks, or choose a smaller model."
        )

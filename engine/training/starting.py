"""The network a run starts from, always a private copy: a model held by the pool is never changed."""

import copy
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine import formatting
from engine.errors import MemoryBudgetError, ParameterError
from engine.models import hardware, loading, opening
from engine.models import network as networks
from engine.models.loaded import LoadedModel
from engine.quiet import quiet_libraries
from engine.sources import scratch
from engine.sources.kinds import ModelSpec, Scratch
from engine.steps import Progress, Steps
from engine.text.tokens import TextTokenizer
from engine.training import patterns, vocabulary
from engine.training.config import HEAD_WIDTH, SCRATCH, BiasConfig
from engine.training.losses import Target

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHORTEST_SCRATCH_CONTEXT = 64
"""A network made from scratch reads at least this many tokens, to leave room for prompts and samples."""


@dataclass(frozen=True, eq=False)
class Trainee:
    """A private network with what is needed to train it.

    Parameters
    ----------
    model : the network with its tokenizer, in float32; no other part of the program holds it
    target : the distribution it is pulled towards
    trained : weights that are trained
    opening : (k,) ids that stand in front of each sequence it reads; none for most models
    """

    model: LoadedModel
    target: Target
    trained: tuple[torch.nn.Parameter, ...]
    opening: torch.Tensor

    @property
    def network(self) -> "PreTrainedModel":
        """The network that is trained."""
        return self.model.network

    @property
    def tokenizer(self) -> TextTokenizer:
        """How its text becomes tokens."""
        return self.model.tokenizer

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.model.device

    def hidden_states(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Last hidden states after the final norm: (b, n) -> (b, n, width)."""
        hidden: torch.Tensor = networks.body(self.network)(input_ids=token_ids, use_cache=False).last_hidden_state
        return hidden

    def log_probs(self, hidden: torch.Tensor) -> torch.Tensor:
        """(..., width) hidden states -> (..., V) log-probabilities in nats, by the network's own head."""
        return torch.log_softmax(networks.head_logits(self.network, hidden), dim=-1)


def start_steps(config: BiasConfig, model: LoadedModel | None = None) -> Steps[Trainee]:
    """Make or load the network, on a copy of its own.

    Parameters
    ----------
    config : which start, pattern and weights to train
    model : a model that is loaded already and is copied, instead of loading `config.start`

    Raises
    ------
    ParameterError
        The pattern or a length does not fit the model, or its weights are quantised.
    UnsupportedModelError
        The network does something around its head that is not known here.
    MemoryBudgetError
        Training it needs more memory than is free.
    """
    device = hardware.choose("float32", config.device).device
    if model is not None:
        yield Progress(f"Copying {model.title}")
        own = _copied(model, device)
    elif config.start == SCRATCH:
        yield Progress("Drawing random weights")
        own = _from_scratch(config, device)
    else:
        own = yield from loading.load_model_steps(config.start, "float32", str(device))
    yield Progress("Looking through the vocabulary")
    return _prepare(config, own, is_scratch=model is None and config.start == SCRATCH)


def _copied(model: LoadedModel, device: torch.device) -> LoadedModel:
    if model.precision not in ("float32", "bfloat16"):
        raise ParameterError(
            f"{model.title} holds its weights in a form that cannot be trained. Load the model in float32."
        )
    network = copy.deepcopy(model.network).float().to(device)
    own = replace(model, network=network, precision="float32", device=device)
    loading.check(own)
    return own


def _from_scratch(config: BiasConfig, device: torch.device) -> LoadedModel:
    source = scratch_source(config)
    spec = ModelSpec(SCRATCH, "GPT-2 from scratch", "GPT-2", source, None, source.context_length, "", "Random weights.")
    network = scratch_network(config).eval().to(device)
    own = LoadedModel(spec, "float32", device, network, gpt2_tokenizer(), str(config.seed), "")
    loading.check(own)
    return own


@cache
def gpt2_tokenizer() -> TextTokenizer:
    """GPT-2's tokenizer, made once in a process."""
    return TextTokenizer(scratch.gpt2_tokenizer())


def scratch_source(config: BiasConfig) -> Scratch:
    """Shape and seed of the network made from scratch."""
    context = max(config.context_length, SHORTEST_SCRATCH_CONTEXT)
    return Scratch(config.layers, config.width, config.width // HEAD_WIDTH, context, config.seed)


def scratch_network(config: BiasConfig) -> "PreTrainedModel":
    """Make a GPT-2 with random weights; the same configuration gives the same weights."""
    from transformers import GPT2LMHeadModel

    source = scratch_source(config)
    with quiet_libraries():
        network = GPT2LMHeadModel(scratch.config(source, len(gpt2_tokenizer().backend)))
        scratch.draw_weights(network, source.seed)
    return network


def _prepare(config: BiasConfig, model: LoadedModel, *, is_scratch: bool) -> Trainee:
    model.network.eval()  # no dropout: the divergence is that of the model itself, and the curve is the same every time
    front = torch.tensor(opening.opening_ids(model, config.bos), dtype=torch.int64)
    _check_length(config, model, len(front))
    trained = _choose_weights(model.network, config.train_blocks)
    _check_memory(model, trained, config)
    wanted_ids = _wanted_ids(config, model, is_scratch=is_scratch)
    return Trainee(model, Target(wanted_ids, model.vocab_size), trained, front)


def _check_length(config: BiasConfig, model: LoadedModel, opening_length: int) -> None:
    length, longest, title = config.context_length, model.context_length, model.spec.title
    if length > longest:
        raise ParameterError(f"The context has {length:,} tokens; {title} reads {longest:,}. Choose fewer.")
    if length <= opening_length:
        raise ParameterError(
            f"The context has {length} tokens, of which {opening_length} only open a text for {title}. Choose more."
        )


def _wanted_ids(config: BiasConfig, model: LoadedModel, *, is_scratch: bool) -> torch.Tensor:
    """(w,) ids that match the pattern, without those that the network itself never gives."""
    texts = model.tokenizer.token_texts(range(min(model.tokenizer.size, model.vocab_size)))
    never = set() if is_scratch else set(vocabulary.control_ids_of(model.tokenizer))
    masked = networks.output_map(model.network).masked
    if masked is not None:
        never |= set(masked.tolist())
    wanted = patterns.match(config.pattern, texts, never)
    return torch.from_numpy(np.flatnonzero(wanted)).to(model.device)


def _choose_weights(network: "PreTrainedModel", train_blocks: int | None) -> tuple[torch.nn.Parameter, ...]:
    """Mark the weights that are trained and return them."""
    if train_blocks is None:
        network.requires_grad_(True)
        return tuple(network.parameters())
    blocks = networks.blocks(network)
    if train_blocks > len(blocks):
        raise ParameterError(f"train_blocks is {train_blocks}; this model has {len(blocks)} blocks. Choose fewer.")
    network.requires_grad_(False)
    last = torch.nn.ModuleList(blocks[len(blocks) - train_blocks :])
    last.requires_grad_(True)
    return tuple(last.parameters())


def _check_memory(model: LoadedModel, trained: tuple[torch.nn.Parameter, ...], config: BiasConfig) -> None:
    """Refuse at once what would fail later: gradient, two moments of Adam and the kept weights are held per weight."""
    copies = 2 if config.optimiser == "sgd" else 4
    head = sum(weight.numel() for weight in networks.head(model.network).parameters())
    needed = 4 * (copies * sum(weight.numel() for weight in trained) + head)
    free = hardware.free_bytes(model.device)
    if needed > free:
        raise MemoryBudgetError(
            f"Training these weights needs about {formatting.size(needed)} more memory; "
            f"{formatting.size(free)} are free. Train only the last blocks, or choose a smaller model."
        )

"""What single neurons of a loaded model do on a text: their activations, layer by layer.

Hooks sit on the network during one forward pass only and are gone before the next step, so a pooled model is as it
was. Which part of a block counts as its neurons is found by the names that transformers gives the last projection of
a feed-forward layer.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import nn

from engine.arrays import Floats32, Ints
from engine.errors import ParameterError, TextError, UnsupportedModelError
from engine.models import network as networks
from engine.models.loaded import LoadedModel
from engine.steps import Progress, Steps

Site = Literal["mlp", "residual"]
SITES: dict[Site, str] = {
    "mlp": "Feed-forward neurons",  # after the nonlinearity
    "residual": "Residual stream",  # output of each block
}
LAST_PROJECTIONS = ("down_proj", "c_proj", "fc2", "dense_4h_to_h", "fc_out", "w2", "wo")
MOST_BYTES = 256 * 2**20
"""Activations held at once, as float32; beyond it a seeded choice of neurons is kept and the result says so."""
MOST_WINDOW = 1024
LEAST_TOKENS = 16


@dataclass(frozen=True, eq=False)
class Activations:
    """Activations of some neurons of every layer on a text.

    values (L, n, k) float32; neurons (k,) their numbers in each layer, out of `width`; tokens (n,) display strings.
    """

    model_key: str
    model_title: str
    site: Site
    width: int
    neurons: Ints
    values: Floats32
    tokens: tuple[str, ...]

    def without_first(self) -> "Activations":
        """The same without the first token, on which many models carry activations hundreds of times larger."""
        return replace(self, values=self.values[:, 1:], tokens=self.tokens[1:])


def activation_steps(model: LoadedModel, text: str, site: Site = "mlp", *, seed: int = 0) -> Steps[Activations]:
    """Activations on `text`, read in windows that follow each other without overlap, one step per window.

    Raises
    ------
    TextError
        If the text has fewer than 16 tokens: nothing can be estimated from so few.
    UnsupportedModelError
        If the network's blocks are not built in a way known here.
    """
    if site not in get_args(Site):
        raise ParameterError(f"There is no site {site!r}; use one of {', '.join(get_args(Site))}.")
    ids = model.tokenizer.encode(text).token_ids
    if ids.size < LEAST_TOKENS:
        raise TextError(f"The text has {ids.size} tokens; give at least {LEAST_TOKENS}, better some hundred.")
    blocks = _blocks(model)
    width = _width(model, blocks, site)
    neurons = _kept_neurons(width, len(blocks) * int(ids.size), seed)
    window = min(MOST_WINDOW, model.context_length)
    values = np.empty((len(blocks), ids.size, neurons.size), dtype=np.float32)
    for start in range(0, ids.size, window):
        yield Progress(f"Reading with {model.title}", start, int(ids.size), "tokens")
        values[:, start : start + window] = _read(model, blocks, site, ids[start : start + window], neurons)
    tokens = tuple(model.tokenizer.token_texts(ids))
    return Activations(model.key, model.title, site, width, neurons, values, tokens)


def _blocks(model: LoadedModel) -> Sequence[nn.Module]:
    """The network's blocks, in order."""
    try:
        return networks.blocks(model.network)
    except UnsupportedModelError:
        raise UnsupportedModelError(
            f"{model.title} does not keep its layers in a list, so they cannot be looked into. Choose another model."
        ) from None


def _last_projection(block: nn.Module, title: str) -> nn.Module:
    module: nn.Module
    for name, module in block.named_modules():
        if name.split(".")[-1] in LAST_PROJECTIONS and "attn" not in name and "attention" not in name:
            return module
    raise UnsupportedModelError(
        f"The feed-forward layer of {title} is not of a kind known here; look at the residual stream instead."
    )


def _width(model: LoadedModel, blocks: Sequence[nn.Module], site: Site) -> int:
    probe = torch.zeros((1, 1), dtype=torch.long)
    with _captured(blocks, site, model.title) as caught, torch.inference_mode():
        model.hidden_states(probe)
    return int(caught[0].shape[-1])


def _kept_neurons(width: int, rows: int, seed: int) -> Ints:
    most = max(1, MOST_BYTES // (4 * rows))
    if most >= width:
        return np.arange(width)
    return np.sort(np.random.default_rng(seed).choice(width, most, replace=False)).astype(np.int64)


def _read(model: LoadedModel, blocks: Sequence[nn.Module], site: Site, ids: Ints, neurons: Ints) -> Floats32:
    """One forward pass: (L, n, k)."""
    with _captured(blocks, site, model.title) as caught, torch.inference_mode():
        model.hidden_states(torch.from_numpy(ids).unsqueeze(0))
    keep = torch.from_numpy(neurons)
    return np.stack([layer[0].float().cpu()[:, keep].numpy() for layer in caught])


@contextmanager
def _captured(blocks: Sequence[nn.Module], site: Site, title: str) -> Iterator[list[torch.Tensor]]:
    """Hooks that append the activations of each block (1, n, width) to the list given; removed on leaving."""
    caught: list[torch.Tensor] = []

    def before(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        caught.append(inputs[0].detach().reshape(1, -1, inputs[0].shape[-1]))

    def after(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        caught.append((output[0] if isinstance(output, tuple) else output).detach())

    with ExitStack() as hooks:
        for block in blocks:
            if site == "mlp":
                handle = _last_projection(block, title).register_forward_pre_hook(before)
            else:
                handle = block.register_forward_hook(after)
            hooks.callback(handle.remove)
        yield caught

"""What is asked of a transformers network, whatever its family: its head, its context, its blocks, its limits.

The one way from hidden states to logits is here. Scoring, training and the lab's view of neurons all take it.
"""

import re
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from engine.errors import UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

T = TypeVar("T")

LOWEST_LOGIT = -1e30
"""Stands for a logit of minus infinity: its exponential is 0, and so is 0 times it."""
_COLUMNS_AT_ONCE = 2048
"""Rows of the head's weight that are turned to float32 at once: they stay in the processor's cache."""
_RAMP = 200.0
"""The head's output is probed from minus this to this: far into every soft cap in use (15 to 50)."""
_PROBE_IDS = (0, 1, 2)


@dataclass(frozen=True, eq=False)
class OutputMap:
    """What a network does around its head: logits = cap(scale * head(input_scale * hidden)).

    `cap` is c tanh(x / c) for a soft cap c, and nothing for None. `masked` are ids whose logit is always minus
    infinity, such as padding of the vocabulary; None if there are none.
    """

    input_scale: float = 1.0
    scale: float = 1.0
    cap: float | None = None
    masked: torch.Tensor | None = None


_output_maps: "weakref.WeakKeyDictionary[nn.Module, OutputMap]" = weakref.WeakKeyDictionary()


def body(network: "PreTrainedModel") -> nn.Module:
    """The part that makes hidden states of token ids, the final norm included."""
    found: nn.Module = network.base_model
    if found is network:  # a family that names its body otherwise than it says
        inner = getattr(network, "model", None)
        found = inner if isinstance(inner, nn.Module) else network
    return found


def head(network: "PreTrainedModel") -> nn.Module:
    """The layer that makes logits of hidden states.

    Raises
    ------
    UnsupportedModelError
        The network has none.
    """
    found: Any = network.get_output_embeddings()
    if not isinstance(found, nn.Module) or not isinstance(getattr(found, "weight", None), torch.Tensor):
        raise UnsupportedModelError(
            "This network has no head that turns hidden states into logits, so it is not a causal language model."
        )
    return found


def vocab_size(network: "PreTrainedModel") -> int:
    """Width V of the logits."""
    layer: Any = head(network)
    return int(getattr(layer, "out_features", layer.weight.shape[0]))  # a 4-bit weight has another shape


def head_logits(network: "PreTrainedModel", hidden: torch.Tensor) -> torch.Tensor:
    """Logits as the network itself makes them, but in float32: (..., width) hidden states -> (..., V).

    Products of bfloat16 numbers are exact in float32, so that the sums are all that is rounded. In bfloat16 the
    logits themselves would be: near 16 they lie 0.125 apart, and tokens tie that the model does not hold equal.
    Differentiable in both the hidden states and the head's weights.
    """
    return logits_of(head(network), output_map(network), hidden)


def logits_of(layer: nn.Module, made: OutputMap, hidden: torch.Tensor) -> torch.Tensor:
    """`head_logits` of a head that is kept apart from its network, as it was at another time."""
    if made.input_scale != 1:
        hidden = hidden * made.input_scale
    logits = _in_float32(layer, hidden)
    if made.scale != 1:
        logits = logits * made.scale
    if made.cap is not None:
        logits = torch.tanh(logits / made.cap) * made.cap
    if made.masked is not None:
        logits = logits.index_fill(-1, made.masked.to(logits.device), LOWEST_LOGIT)
    return logits


@dataclass(frozen=True, eq=False)
class Look:
    """One forward of a network over (r, n) token ids, with a ramp in the place of the head's output in one row more.

    Attributes
    ----------
    logits : (r, n, V) float32, the network's own
    hidden : (r, n, width) the last hidden states
    taken : (width,) what the head was given for the very last of them
    ramp, became : (V,) float32: the ramp, and what the network made of it
    """

    logits: torch.Tensor
    hidden: torch.Tensor
    taken: torch.Tensor
    ramp: torch.Tensor
    became: torch.Tensor


def output_map(network: "PreTrainedModel") -> OutputMap:
    """What the network does around its head, found by one short forward and remembered with the network.

    Raises
    ------
    UnsupportedModelError
        It is none of the things known here.
    """
    found = _output_maps.get(network)
    return learn(network, look(network, torch.tensor([_PROBE_IDS]))) if found is None else found


@torch.inference_mode(mode=False)  # what is found is kept, and is to be of use in training too
def learn(network: "PreTrainedModel", seen: Look) -> OutputMap:
    """`output_map` from a forward that has been made already."""
    lost = seen.became < LOWEST_LOGIT / 10
    settings = network.config.get_text_config().to_dict()
    scale, cap = _fitted(settings, seen.ramp[~lost], seen.became[~lost])
    masked = lost.nonzero().flatten() if lost.any() else None
    found = _output_maps[network] = OutputMap(_input_scale(settings, seen), scale, cap, masked)
    return found


@torch.inference_mode(mode=False)
@torch.no_grad()
def look(network: "PreTrainedModel", token_ids: torch.Tensor) -> Look:
    """See what a network does with (r, n) token ids and around its head.

    Raises
    ------
    UnsupportedModelError
        Its head does not make logits for all tokens.
    """
    layer, size = head(network), vocab_size(network)
    token_ids = token_ids.to(network.device)
    ramp = torch.linspace(-_RAMP, _RAMP, size, device=network.device)
    taken: list[torch.Tensor] = []

    def replaced(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        taken.append(inputs[0].detach())
        output = output.clone()
        output[-1] = ramp.to(output.dtype)
        return output

    hook = layer.register_forward_hook(replaced)
    try:
        logits = network(input_ids=torch.cat([token_ids, token_ids[-1:]]), use_cache=False).logits.float()
    finally:
        hook.remove()
    hidden = body(network)(input_ids=token_ids, use_cache=False).last_hidden_state
    if not taken or logits.shape != (len(token_ids) + 1, token_ids.shape[1], size):
        raise _unknown_head()
    given = taken[0].reshape(-1, taken[0].shape[-1])[-1]
    return Look(logits[:-1], hidden, given, ramp.to(given.dtype).float(), logits[-1, -1])


def _in_float32(layer: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    """The linear layer's output in float32, whatever the dtype of its weight."""
    weight, bias = layer.weight, getattr(layer, "bias", None)
    assert isinstance(weight, torch.Tensor)  # noqa: S101 - see `head`
    if not weight.is_floating_point():  # quantised: only the layer itself knows how to multiply
        return layer(hidden).float()  # type: ignore[no-any-return]
    hidden = hidden.to(weight.dtype).float()
    bias = None if bias is None else bias.float().clamp(min=LOWEST_LOGIT)
    if weight.dtype == torch.float32:
        return nn.functional.linear(hidden, weight, bias)
    if torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad):
        return nn.functional.linear(hidden, weight.float(), bias)
    rows = hidden.reshape(-1, hidden.shape[-1])
    logits = rows.new_empty(len(rows), len(weight))
    for start in range(0, len(weight), _COLUMNS_AT_ONCE):
        part = slice(start, start + _COLUMNS_AT_ONCE)
        torch.mm(rows, weight[part].float().T, out=logits[:, part])
    if bias is not None:
        logits += bias
    return logits.view(*hidden.shape[:-1], len(weight))


def _fitted(settings: Mapping[str, Any], given: torch.Tensor, became: torch.Tensor) -> tuple[float, float | None]:
    """Scale and soft cap that make `became` of `given`, out of the numbers that the configuration names."""
    caps = [None, *(float(v) for name, v in settings.items() if "cap" in name and _is_positive(v))]
    errors = {}
    for scale in _factors(settings):
        for cap in caps:
            ours = given * scale if cap is None else torch.tanh(given * scale / cap) * cap
            errors[scale, cap] = (ours - became).abs().max().item() / max(1.0, became.abs().max().item())
    return _least(errors)


def _least(errors: dict[T, float]) -> T:
    """What has the smallest error, if that is no more than rounding; bfloat16 rounds twice on the way."""
    best = min(errors, key=errors.__getitem__)
    if not errors[best] < 2e-2:
        raise _unknown_head()
    return best


def _factors(settings: Mapping[str, Any]) -> list[float]:
    """1, and the numbers of a configuration that may scale what goes into or comes out of the head."""
    named = [float(v) for name, v in settings.items() if _SCALE.search(name) and _is_positive(v)]
    return [1.0, *(factor for value in named for factor in (value, 1 / value))]


_SCALE = re.compile(r"logit|head|mup|multiplier")


def _input_scale(settings: Mapping[str, Any], seen: Look) -> float:
    """Factor between the last hidden state and what the head was given, out of the configuration's numbers."""
    given, hidden = seen.taken.float(), seen.hidden[-1, -1].float()
    if given.shape != hidden.shape:
        raise _unknown_head()
    spread = max(float(given.abs().max()), 1e-12)
    return _least({factor: (hidden * factor - given).abs().max().item() / spread for factor in _factors(settings)})


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _unknown_head() -> UnsupportedModelError:
    return UnsupportedModelError(
        "This network changes its hidden states or logits around the head in a way that this program does not know."
    )


def context_length(network: "PreTrainedModel") -> int | None:
    """Most tokens the network reads at once, or None if it states no limit, as recurrent ones do."""
    config = network.config.get_text_config()
    for name in ("max_position_embeddings", "max_seq_len", "seq_length"):
        length = getattr(config, name, None)
        if isinstance(length, int) and length > 0:
            return length
    return None


def blocks(network: "PreTrainedModel") -> list[nn.Module]:
    """The transformer blocks in order: the body's list of as many modules as the configuration says there are layers.

    Raises
    ------
    UnsupportedModelError
        The layers are not kept in a list.
    """
    layers = getattr(network.config.get_text_config(), "num_hidden_layers", None)
    for module in body(network).modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            return list(module)
    raise UnsupportedModelError("This model does not keep its layers in a list, so they cannot be told apart.")


_REACH = re.compile(r"window|chunk|block_size")
_NO_LENGTH = re.compile(r"layer|pattern|indic|kernel|^use_|^n_|^num_")


def reaches(network: "PreTrainedModel") -> tuple[int, ...]:
    """Lengths in tokens beyond which the network may read in another way, ascending.

    Sliding windows, chunks of recurrent layers, and the length up to which a rotary embedding that depends on the
    length is as it was first trained. A shortcut that was proved on shorter rows is not proved on longer ones.
    """
    return tuple(sorted(set(_reaches(network.config.get_text_config().to_dict()))))


def _reaches(settings: Mapping[str, Any]) -> Iterator[int]:
    changing = settings.get("rope_type", settings.get("type")) in {"longrope", "dynamic"}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _reaches(value)
        elif isinstance(value, int) and not isinstance(value, bool) and value > 1:
            length = _REACH.search(name) and not _NO_LENGTH.search(name)
            if length or (changing and name == "original_max_position_embeddings"):
                yield value

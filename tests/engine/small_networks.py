"""Tiny random networks of many families, and what each gives in the plainest way: one row, nothing kept, float64."""

import functools
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch

from engine.models.loaded import LoadedModel
from tests.engine import fakes

VOCABULARY = 257
END = 256
WINDOW = 16

_LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
_MAMBA = {"hidden_size": 32, "state_size": 8, "num_hidden_layers": 2}
_GEMMA = {"head_dim": 16, "sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
_JAMBA = {"mamba_d_state": 8, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2}
_NEO = {"attention_types": [[["global", "local"], 1]], "hidden_size": 32, "num_layers": 2, "num_heads": 4}

SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", _GPT),
    "llama": ("Llama", _LLAMA),
    "lfm2": ("Lfm2", {**_LLAMA, "layer_types": ["conv", "full_attention"]}),
    "bloom": ("Bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "falcon_alibi": ("Falcon", {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "alibi": True}),
    "mamba": ("Mamba", _MAMBA),
    "mamba2": ("Mamba2", {**_MAMBA, "num_heads": 8, "head_dim": 8, "n_groups": 2, "chunk_size": WINDOW}),
    "rwkv": ("Rwkv", {"hidden_size": 32, "num_hidden_layers": 2, "context_length": 256}),
    "jamba": ("Jamba", {**_LLAMA, **_JAMBA, "use_mamba_kernels": False}),
    "gpt_neo": ("GPTNeo", {**_NEO, "window_size": WINDOW, "max_position_embeddings": 256}),
    "mistral": ("Mistral", {**_LLAMA, "sliding_window": WINDOW}),
    "gemma3": ("Gemma3Text", {**_LLAMA, **_GEMMA}),
    "openai_gpt": ("OpenAIGPT", _GPT),
    "mpt": ("Mpt", {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 256}),
}
NAMES = tuple(SETTINGS)


@functools.cache
def _network(name: str) -> Any:
    import transformers

    kind, settings = SETTINGS[name]
    ends = {"bos_token_id": END, "eos_token_id": END, "pad_token_id": END}
    config = getattr(transformers, f"{kind}Config")(vocab_size=VOCABULARY, **ends, **settings)
    if hasattr(config, "initializer_range"):
        config.initializer_range = 0.3
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    if name == "rwkv":  # its own initialisation is of zeros, under which every row looks the same
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    head = network.get_output_embeddings()  # not the embeddings: with these a network says its last token again
    head.weight = torch.nn.Parameter(torch.randn(head.weight.shape), requires_grad=False)
    return network


def model(name: str, like: LoadedModel) -> LoadedModel:
    """The family `name` with a token a byte, otherwise as `like`."""
    return replace(like, network=_network(name), tokenizer=fakes.byte_tokenizer())


@functools.cache
def _exact(name: str) -> Any:
    network = deepcopy(_network(name)).double()
    network.config._experts_implementation = "eager"  # the grouped products of experts know no float64
    return network


@torch.inference_mode()
def logits(name: str, token_ids: list[int]) -> torch.Tensor:
    """(n, V) in float64 of one uncached forward over the whole row."""
    found: torch.Tensor = _exact(name)(input_ids=torch.tensor([token_ids]), use_cache=False).logits[0]
    return found


@torch.inference_mode()
def hidden(name: str, token_ids: list[int]) -> torch.Tensor:
    """(n, width) in float64 of one uncached forward over the whole row."""
    found: torch.Tensor = _exact(name).base_model(input_ids=torch.tensor([token_ids]), use_cache=False)
    return found.last_hidden_state[0]


def greedy(name: str, token_ids: list[int], count: int) -> list[int]:
    """The `count` most probable tokens after `token_ids`, up to the end of the text, each from a forward of its own."""
    row = list(token_ids)
    for _ in range(count):
        token = int(logits(name, row)[-1].argmax())
        if token == END:
            break
        row.append(token)
    return row[len(token_ids) :]

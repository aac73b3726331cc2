"""Tiny random networks of many families, from one table; and what each gives in the plainest way: one row, float64."""

import functools
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import transformers

from engine.models import network as networks
from engine.models import proofs
from engine.models.loaded import LoadedModel
from engine.quiet import quiet_libraries
from tests.engine import fakes

WINDOW = 16
"""Sliding windows, so that most rows in tests go beyond them."""
END = 256
"""The token that ends a text in `fakes.byte_tokenizer()`, whose ids these networks read if nothing else is said."""

SMALL: dict[str, Any] = (
    dict.fromkeys(("hidden_size", "n_embd", "d_model", "word_embed_proj_dim"), 32)
    | dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "d_ff", "dff", "ffn_hidden_size"), 64)
    | dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2)
    | dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4)
    | dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4)
    | dict.fromkeys(("state_size", "mamba_d_state", "mamba_d_head", "mamba_n_heads", "head_dim"), 8)
    | dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim"), 8)
    | dict.fromkeys(("shared_intermediate_size", "shared_expert_intermediate_size", "mamba_chunk_size"), 32)
    | {"linear_num_key_heads": 2, "linear_num_value_heads": 4}
    | {"num_key_value_heads": 2, "rotary_dim": 4, "sliding_window": WINDOW, "num_experts_per_tok": 2}
    | {"moe_intermediate_size": 32, "initializer_range": 0.3, "pad_token_id": None}
)
"""What makes a family small: each setting is given to the families that have it."""
LENGTHS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "context_length")

_MLA = {"qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "kv_lora_rank": 16, "q_lora_rank": 16}
_LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [2.0, 3.0, 8.0, 30.0],
    "original_max_position_embeddings": 1100,
}


@dataclass(frozen=True)
class Family:
    """One row: the name of the family's configuration in transformers, and what it needs beside `SMALL`."""

    name: str
    model_type: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def config(self, *, vocab_size: int, end: int, length: int, **more: Any) -> transformers.PreTrainedConfig:
        """Its configuration, small: ids below `vocab_size`, of which `end` ends a text, and rows of `length` tokens."""
        cls = transformers.CONFIG_MAPPING[self.model_type or self.name]
        known = cls()
        sizes = SMALL | dict.fromkeys(LENGTHS, length) | dict.fromkeys(("bos_token_id", "eos_token_id"), end)
        sizes |= {"vocab_size": vocab_size} | more
        small = {name: value for name, value in sizes.items() if hasattr(known, name) and name not in self.without}
        return cls(**small | dict(self.settings))

    def network(
        self, *, head: float | None = None, vocab_size: int = END + 1, end: int = END, length: int = 256, **more: Any
    ) -> Any:
        """The network with seeded random weights.

        `head` is the deviation of a head's weights and bias drawn for themselves: a network whose head is its
        embeddings says its last token again.
        """
        with quiet_libraries(), torch.no_grad():
            torch.manual_seed(1)
            config = self.config(vocab_size=vocab_size, end=end, length=length, **more)
            network = transformers.AutoModelForCausalLM.from_config(config).eval()
            if config.model_type == "rwkv":  # its own initialisation is of zeros, under which every row looks the same
                for parameter in network.parameters():
                    parameter.normal_(0.0, 0.3)
            if head is not None:
                own: Any = networks.head(network)
                own.weight = torch.nn.Parameter(torch.randn(own.weight.shape) * head)
                if getattr(own, "bias", None) is not None:
                    own.bias.normal_()
        return network


def _plain(*names: str) -> list[Family]:
    return [Family(name) for name in names]


FAMILIES: tuple[Family, ...] = (
    *_plain("afmoe", "apertus", "arcee", "bailing_hybrid", "bamba", "biogpt", "bitnet", "bloom", "codegen", "cohere"),
    *_plain("cohere2", "ctrl", "cwm", "diffllama", "doge", "ernie4_5", "ernie4_5_moe", "exaone4", "falcon_mamba"),
    Family("falcon", without=("head_dim",)),
    Family("falcon, alibi", "falcon", {"alibi": True}, ("head_dim",)),
    Family("falcon_h1", settings={"mamba_d_ssm": 64, "lm_head_multiplier": 0.3}),
    Family("deepseek_v3", settings={**_MLA, "n_group": 1, "topk_group": 1, "num_key_value_heads": 4}),
    *_plain("flex_olmo", "gemma", "gemma2", "glm", "glm4", "glm4_moe", "gpt2", "gpt_bigcode"),
    Family("gemma3", "gemma3_text", {"layer_types": ["sliding_attention", "full_attention"]}),
    Family("gpt_neo", settings={"attention_types": [[["global", "local"], 1]], "window_size": WINDOW}),
    *_plain("gpt_neox", "gpt_neox_japanese", "gpt_oss", "gptj"),
    Family("granite", settings={"logits_scaling": 8.0}),
    *_plain("granitemoe", "granitemoehybrid", "helium", "hunyuan_v1_dense"),
    Family("hyperclovax", settings={"logits_scaling": 2.5}),
    *_plain("jamba", "jetmoe", "llama", "mamba"),
    Family("lfm2", settings={"layer_types": ["conv", "full_attention"]}),
    Family("llama4_text"),
    Family("mamba2", settings={"num_heads": 8, "head_dim": 8, "hidden_size": 32, "chunk_size": 32}),
    *_plain("minimax", "ministral", "mistral", "mixtral", "mpt", "nanochat", "nemotron", "olmo", "olmo2", "olmo3"),
    *_plain("olmoe", "openai-gpt", "opt", "persimmon", "phi", "phimoe"),
    Family("phi3"),
    Family("phi3, longrope", "phi3", {"rope_parameters": _LONGROPE, "original_max_position_embeddings": 1100}),
    *_plain("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "recurrent_gemma", "rwkv", "seed_oss", "smollm3"),
    *_plain("stablelm", "starcoder2", "vaultgemma", "xglm", "xlstm"),
    Family("bert", settings={"is_decoder": False}),
    Family("xlm"),
)
_NAMED = {family.name.replace(", ", "_").replace("-", "_"): family for family in FAMILIES}
NAMES = (
    *("gpt2", "llama", "lfm2", "bloom", "falcon_alibi", "mamba", "mamba2", "rwkv", "jamba", "gpt_neo", "mistral"),
    *("gemma3", "openai_gpt", "mpt"),
)
"""Of every kind one: attention of all sorts, convolutions, states, windows, experts, positions learned and computed."""


def family(name: str) -> Family:
    """A family of the table by its name, written as an identifier."""
    return _NAMED[name]


@functools.cache
def _network(name: str) -> Any:
    mixed = {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False}  # of jamba: one layer of each
    return family(name).network(head=1.0, **mixed).requires_grad_(False)


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


def proved(model: LoadedModel) -> dict[str, bool]:
    """The shortcuts tried so far on this network, and whether each holds at every length tried."""
    tried = proofs._found.get(model.network, {})
    return {name: all(held for (other, _), held in tried.items() if other == name) for name, _ in tried}

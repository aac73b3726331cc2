"""The model that learns: a small GPT-2 with the teacher's vocabulary, and how it is written to disk."""

import copy
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from engine.model import LoadedModel
from engine.sources import scratch
from engine.sources.kinds import Scratch
from engine.tokens import TextTokenizer
from engine.training.saving import save_model
from tools.distil.config import Student


def build(shape: Student, vocab_size: int, separator: int, seed: int) -> GPT2LMHeadModel:
    """Random weights as GPT-2's authors drew them, without dropout: a few passes over much text need none."""
    source = Scratch(shape.layers, shape.width, shape.heads, shape.context, seed)
    config = scratch.config(source, vocab_size)
    config.bos_token_id = config.eos_token_id = separator
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    network = GPT2LMHeadModel(config)
    scratch.draw_weights(network, seed)
    return network


def parameters(network: GPT2LMHeadModel) -> int:
    """Number of weights, shared ones once."""
    return sum(weights.numel() for weights in network.parameters())


def tokenizer_of(teacher: LoadedModel, separator: str) -> TextTokenizer:
    """The teacher's tokenizer for a student: the same ids, no chat form, and the one mark it has read as its own."""
    backend: Any = copy.deepcopy(teacher.tokenizer.backend)
    backend.chat_template = None
    backend.bos_token = backend.eos_token = backend.pad_token = separator
    return TextTokenizer(backend)


def save(network: GPT2LMHeadModel, tokenizer: TextTokenizer, folder: Path) -> None:
    """Write a copy in bfloat16, in Hugging Face layout."""
    save_model(copy.deepcopy(network).to(torch.bfloat16), tokenizer, folder)  # type: ignore[arg-type]

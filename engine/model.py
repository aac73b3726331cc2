"""A model that is ready to score, and what scoring needs of one.

This module does not know where models come from (`engine.sources`) or how many are held (`engine.pool`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import torch

from engine.tokens import TextTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from engine.registry import ModelSpec

Precision = Literal["float32", "bfloat16", "int8", "nf4"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8", "nf4")


@runtime_checkable
class ScoringModel(Protocol):
    """What scoring asks of a model. Tests give closed-form fakes this shape."""

    @property
    def key(self) -> str:
        """Identity of the numbers: name, revision, precision and device. Two models with one key give one answer."""
        ...

    @property
    def title(self) -> str:
        """Name for people, e.g. 'SmolLM2 135M Instruct, bfloat16'."""
        ...

    @property
    def tokenizer(self) -> TextTokenizer: ...

    @property
    def vocab_size(self) -> int:
        """Width V of the logits."""
        ...

    @property
    def context_length(self) -> int:
        """Most tokens the model reads at once."""
        ...

    @property
    def bos_id(self) -> int | None:
        """Id of the token that opens a text, or None where the model has none."""
        ...

    def hidden_states(self, token_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Last hidden states after the final norm: (batch, n) ids on any device -> (batch, n, width) on the model's."""
        ...

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The head: (..., width) hidden states -> (..., V) logits, in the dtype the head computes in."""
        ...


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network, its tokenizer and how it came to be loaded so.

    `network` is in evaluation mode and shared by every session: it is never changed. Training works on a copy.
    """

    spec: "ModelSpec"
    precision: Precision
    device: torch.device
    network: "PreTrainedModel"
    tokenizer: TextTokenizer
    revision: str
    reason: str
    """Why this device and precision: one sentence for a person."""

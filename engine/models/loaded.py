"""A model that is ready to score, and what scoring needs of one.

This module does not know where models come from (`engine.sources`) or how many are held (`engine.models.pool`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import torch

from engine.models import network as networks
from engine.models import proofs
from engine.text.tokens import TextTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from engine.sources.kinds import ModelSpec

Precision = Literal["float32", "bfloat16", "int8", "nf4", "fp4"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8", "nf4")
"""What a model can be loaded in. A checkpoint that was stored in fp4 is one, but nothing is turned into it here."""


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
    def tokenizer(self) -> TextTokenizer:
        """How its text becomes tokens."""
        ...

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
        """Id of the token that opens a text, or None if the model has none."""
        ...

    def hidden_states(self, token_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Last hidden states after the final norm: (batch, n) ids on any device -> (batch, n, width) on the model's."""
        ...

    def hidden_pieces(self, token_ids: torch.Tensor, length: int) -> Iterator[torch.Tensor]:
        """The same for one row, (n,) ids: (m, width) for each `length` tokens in turn, m less in the last."""
        ...

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The head: (..., width) hidden states -> (..., V) logits, in the dtype the head computes in."""
        ...


FALLBACK_CONTEXT_LENGTH = 2048
"""For networks that state no longest input: recurrent ones and those with relative positions."""


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

    @property
    def key(self) -> str:
        """Identity of the numbers, e.g. 'gpt2@607a30d783df/float32/cpu'."""
        return f"{self.spec.name}@{self.revision}/{self.precision}/{self.device}"

    @property
    def title(self) -> str:
        """Name for people, e.g. 'SmolLM2 135M Instruct, bfloat16'."""
        return f"{self.spec.title}, {self.precision}"

    @property
    def vocab_size(self) -> int:
        """Width V of the logits; may exceed the number of ids the tokenizer knows."""
        return networks.vocab_size(self.network)

    @property
    def context_length(self) -> int:
        """Most tokens the network reads at once."""
        return networks.context_length(self.network) or self.spec.context_length or FALLBACK_CONTEXT_LENGTH

    @property
    def bos_id(self) -> int | None:
        """Id of the tokenizer's opening token, or None if it has none."""
        token_id: int | None = self.tokenizer.backend.bos_token_id
        return token_id

    @property
    def memory_bytes(self) -> int:
        """Bytes of the weights and buffers, shared ones once."""
        network: Any = self.network
        return int(network.get_memory_footprint())

    @torch.inference_mode()
    def hidden_states(self, token_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Last hidden states (batch, n, width), as in `ScoringModel`, in the network's dtype.

        `attention_mask` (batch, n) is 1 at tokens and 0 at padding; None if nothing is padded.
        """
        if attention_mask is not None:
            attention_mask = attention_mask.to(self.device)
        output = networks.body(self.network)(
            input_ids=token_ids.to(self.device), attention_mask=attention_mask, use_cache=False
        )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    @torch.inference_mode()
    def hidden_pieces(self, token_ids: torch.Tensor, length: int) -> Iterator[torch.Tensor]:
        """Last hidden states of one row, as in `ScoringModel`, so that reading a long row can be stopped on its way.

        Keys and values of the pieces before are kept, so that each sees all that the whole row would show it. A network
        for which that was not proved, on a row of this kind of length, reads the row at once.
        """
        if len(token_ids) > length and self._reads_in_pieces(len(token_ids)):
            yield from self._kept_pieces(token_ids, [length] * (len(token_ids) // length))
        else:
            yield from self.hidden_states(token_ids[None])[0].split(length)

    def _reads_in_pieces(self, length: int) -> bool:
        """Whether kept keys and values give what the whole row gives; networks that hold a state are not asked."""
        network: Any = self.network
        if network._is_stateful:
            return False

        def pieces(token_ids: torch.Tensor) -> torch.Tensor:
            n = len(token_ids)
            cuts = ([n // 3, n // 3], [n - 8])  # the second piece begins within a window, and beyond it
            return torch.cat([torch.cat(list(self._kept_pieces(token_ids, cut))) for cut in cuts])

        def whole(token_ids: torch.Tensor) -> torch.Tensor:
            return self.hidden_states(token_ids[None])[0].repeat(2, 1)

        return proofs.holds(self, "pieces", length, pieces, whole)

    @torch.inference_mode()
    def _kept_pieces(self, token_ids: torch.Tensor, lengths: list[int]) -> Iterator[torch.Tensor]:
        """Hidden states of pieces of these lengths, and of what is left; keys and values are kept between them."""
        from transformers import DynamicCache

        cache = DynamicCache(config=self.network.config)
        rest = len(token_ids) - sum(lengths)
        for piece in token_ids.to(self.device).split([*lengths, rest] if rest else lengths):
            output = networks.body(self.network)(input_ids=piece[None], past_key_values=cache, use_cache=True)
            yield output.last_hidden_state[0]

    @torch.inference_mode()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The head: (..., width) hidden states to (..., V) float32 logits, by `engine.models.network.head_logits`."""
        return networks.head_logits(self.network, hidden)

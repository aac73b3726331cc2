"""Models whose numbers are known by hand, in the shape scoring asks for."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from engine.text.tokens import TextTokenizer, byte_alphabet

BOS = "<|endoftext|>"


def byte_tokenizer(merges: tuple[tuple[str, str], ...] = (), *, special: tuple[str, ...] = (BOS,)) -> TextTokenizer:
    """Byte-level BPE: id b is byte b, then one id a merge, then the special tokens. No merges: a token a byte."""
    vocabulary = byte_alphabet()
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocabulary, list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    return TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer))


def opening_tokenizer(backend: PreTrainedTokenizerFast | None = None) -> TextTokenizer:
    """The byte tokenizer, or a copy of `backend`, that puts `BOS` in front of each text by itself, as Gemma's does."""
    backend = copy.deepcopy(backend or byte_tokenizer().backend)
    backend.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, backend.convert_tokens_to_ids(BOS))]
    )
    return TextTokenizer(backend)


@dataclass(eq=False)
class TableModel:
    """A bigram model: `table[i, j]` is the logit of token j after token i, whatever came before.

    Hidden states are one-hot rows, so that the head is the table itself. `calls` counts the tokens of each run.
    """

    table: torch.Tensor
    tokenizer: TextTokenizer = field(default_factory=byte_tokenizer)
    key: str = "table"
    title: str = "Table"
    context_length: int = 64
    bos_id: int | None = 256
    calls: list[int] = field(default_factory=list)

    @property
    def vocab_size(self) -> int:
        return self.table.shape[1]

    def hidden_states(self, token_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        self.calls.append(token_ids.shape[1])
        return torch.nn.functional.one_hot(token_ids, self.table.shape[0]).to(self.table.dtype)

    def hidden_pieces(self, token_ids: torch.Tensor, length: int) -> Iterator[torch.Tensor]:
        yield from self.hidden_states(token_ids[None])[0].split(length)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden @ self.table


def uniform_model(vocab_size: int = 257, **settings: object) -> TableModel:
    """Every token equally probable: each log-probability is -ln V, the perplexity V."""
    return TableModel(torch.zeros(vocab_size, vocab_size), **settings)  # type: ignore[arg-type]


def random_model(seed: int, vocab_size: int = 257, **settings: object) -> TableModel:
    """Logits drawn from a normal distribution of deviation 3."""
    generator = torch.Generator().manual_seed(seed)
    table = 3 * torch.randn(vocab_size, vocab_size, generator=generator)
    return TableModel(table, key=f"random-{seed}", **settings)  # type: ignore[arg-type]

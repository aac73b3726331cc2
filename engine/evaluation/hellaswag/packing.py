"""One HellaSwag item as tokens, and items packed into batches whose context is computed once.

The four endings of an item share one row: context, then ending after ending, each seeing the context and itself only.

    tokens     c0 c1 c2 | a0 a1 | b0 b1 b2 | pad      (each ending without its last token, which predicts nothing)
    positions   0  1  2 |  3  4 |  3  4  5 |  0
    predicts          a0,b0  a1  a2  b1 b2 b3          (c2 predicts the first token of every ending)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.arrays import Ints
from engine.evaluation import hidden_states
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.models import network as networks
from engine.models import proofs
from engine.models.loaded import LoadedModel, ScoringModel
from engine.text.tokens import TextTokenizer

_PROBED_ENDINGS = (9, 4, 6, 3)
"""Tokens of the endings that a proof of packing packs."""


@dataclass(frozen=True, eq=False)
class EncodedItem:
    """Token ids of a context (c,), its opening token included, and of its endings."""

    context: Ints
    endings: tuple[Ints, ...]

    def readable(self, longest: int) -> bool:
        """Whether every token of every ending is predicted by a model that reads `longest` tokens at once."""
        return len(self.context) > 0 and all(1 <= len(ending) <= longest for ending in self.endings)

    @property
    def packed_length(self) -> int:
        """Tokens of the packed row."""
        return len(self.context) + sum(len(ending) - 1 for ending in self.endings)

    @property
    def longest(self) -> int:
        """Tokens the model reads at most for one ending."""
        return len(self.context) + max(len(ending) for ending in self.endings) - 1


def encode_item(
    tokenizer: TextTokenizer, item: HellaSwagItem, opening: Sequence[int] | None = None, *, alone: int | None = None
) -> EncodedItem:
    """Tokens as lm-evaluation-harness cuts them.

    Context and " " + ending are encoded together and cut after as many tokens as the context has alone; spaces at the
    context's end belong to the ending, since byte-level tokenizers join a space to the word after it.

    Two things are done otherwise. The harness lets a tokenizer close texts as well as open them, and so cuts one token
    late, and scores the closing one, if the tokenizer does; here nothing is ever put behind a text. And a text that
    spells a special token is plain text here.

    Parameters
    ----------
    tokenizer
        The model's.
    item
        A context, which may be empty, and its endings.
    opening
        Ids in front of the context, from `engine.models.opening.opening_ids`; None for what the tokenizer itself puts
        there.
    alone
        Id that stands for a context without any token, if nothing opens it: the harness reads such endings after
        the token that opens a text, or else the one that ends it. With None the context stays empty.
    """
    context = item.context.rstrip()
    moved = item.context[len(context) :] + " "
    own = tokenizer.encode(context).token_ids.tolist() if context else []
    endings = tuple(tokenizer.encode(context + moved + ending).token_ids[len(own) :] for ending in item.endings)
    read = [*(tokenizer.opening_ids if opening is None else opening), *own] or ([] if alone is None else [alone])
    return EncodedItem(np.array(read, dtype=np.int64), endings)


def rows(items: Sequence[EncodedItem], longest: int | None = None) -> tuple[list[Ints], list[int]]:
    """Each ending of each item in a row of its own: the tokens to read, and how many at the end predict the ending.

    A row of more than `longest` tokens loses its beginning, the opening token with it, as in lm-evaluation-harness.
    """
    read = [np.concatenate([item.context, ending])[:-1] for item in items for ending in item.endings]
    counts = [len(ending) for item in items for ending in item.endings]
    return [row if longest is None else row[-longest:] for row in read], counts


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """Several items as one forward pass.

    Attributes
    ----------
    token_ids, positions
        (rows, length) int64.
    visible
        (rows, length, length) bool: which tokens (last axis) each token sees.
    query_rows, query_columns, targets
        (predicted,) int64: the hidden state at (row, column) predicts `targets`, item by item and ending by ending.
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    visible: torch.Tensor
    query_rows: torch.Tensor
    query_columns: torch.Tensor
    targets: torch.Tensor


def pack(items: Sequence[EncodedItem]) -> PackedBatch:
    """Lay out `items`, one per row, padded at the end to the longest."""
    rows, length = len(items), max(item.packed_length for item in items)
    token_ids, positions = np.zeros((2, rows, length), dtype=np.int64)
    segments = np.full((rows, length), -1, dtype=np.int64)  # 0: context, 1 to 4: endings, -1: padding
    query_rows: list[Ints] = []
    query_columns: list[Ints] = []
    for row, item in enumerate(items):
        start = context = len(item.context)
        token_ids[row, :context], segments[row, :context] = item.context, 0
        positions[row, :context] = np.arange(context)
        for number, ending in enumerate(item.endings, start=1):
            stop = start + len(ending) - 1
            token_ids[row, start:stop] = ending[:-1]
            positions[row, start:stop] = np.arange(context, context + len(ending) - 1)
            segments[row, start:stop] = number
            query_rows.append(np.full(len(ending), row))
            query_columns.append(np.concatenate([[context - 1], np.arange(start, stop)]))
            start = stop
    asked = (query_rows, query_columns, [ending for item in items for ending in item.endings])
    return PackedBatch(
        torch.from_numpy(token_ids),
        torch.from_numpy(positions),
        _visible(torch.from_numpy(segments)),
        *(torch.from_numpy(np.concatenate(parts)) for parts in asked),
    )


def _visible(segments: torch.Tensor) -> torch.Tensor:
    """(rows, length, length): causal, the context and one's own ending only. Padding sees padding: no row is empty."""
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    query, key = segments[:, :, None], segments[:, None, :]
    return causal & ((key == query) | ((key == 0) & (query > 0)))


def packs(model: ScoringModel, length: int) -> bool:
    """Whether four endings may share one row of `length` tokens, each seeing the context and itself only.

    Networks that hold a state, or that make their own masks or positions, are refuted by the proof, and so are windows
    that the mask of a packed row would replace. In lower precisions the proof may not see the few tokens at the far
    end of a window that are too many, so there no row is packed that goes beyond one.
    """
    if not isinstance(model, LoadedModel) or length > model.context_length:
        return False
    if model.precision != "float32" and any(reach < length for reach in networks.reaches(model.network)):
        return False

    def packed(token_ids: torch.Tensor) -> torch.Tensor:
        return packed_hidden_states(model, pack(_probe_items(token_ids)))

    def apart(token_ids: torch.Tensor) -> torch.Tensor:
        return hidden_states.tails_apart(model, *rows(_probe_items(token_ids)))

    return proofs.holds(model, "packed", length, packed, apart)


def _probe_items(token_ids: torch.Tensor) -> list[EncodedItem]:
    """Two items of unlike lengths out of random ids: three endings and one, so that few rows are read apart."""
    ids = token_ids.numpy()
    ends = tuple(np.roll(ids, 5 * number)[:size] for number, size in enumerate(_PROBED_ENDINGS, start=1))
    long, short = (max(1, size + 1 - max(_PROBED_ENDINGS)) for size in (len(ids), len(ids) // 2))
    return [EncodedItem(ids[:long], ends[:-1]), EncodedItem(ids[-short:], ends[-1:])]


@torch.inference_mode()
def packed_hidden_states(model: LoadedModel, batch: PackedBatch) -> torch.Tensor:
    """Hidden states (predicted, width) that predict `batch.targets`, where each token sees what `visible` says."""
    dtype = next(model.network.parameters()).dtype
    dtype = dtype if dtype.is_floating_point else torch.float32
    # Additive, since only that form works with every attention implementation.
    bias = torch.zeros(batch.visible.shape, dtype=dtype).masked_fill_(~batch.visible, torch.finfo(dtype).min)[:, None]
    found = networks.body(model.network)(
        input_ids=batch.token_ids.to(model.device),
        attention_mask=bias.to(model.device),
        position_ids=batch.positions.to(model.device),
        use_cache=False,
    )
    hidden: torch.Tensor = found.last_hidden_state
    return hidden[batch.query_rows.to(hidden.device), batch.query_columns.to(hidden.device)]

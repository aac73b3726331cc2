"""Forward passes that corpus evaluations need beside `ScoringModel.hidden_states`, and which of them a network allows.

Several rows at once, and several endings in one row, are shortcuts: each is used only for a network that has proved it
(`engine.models.proofs`). The plain way, one row at a time, is right for every family.
"""

from collections.abc import Sequence

import numpy as np
import torch

from engine.arrays import Ints
from engine.evaluation.hellaswag import packing as layout
from engine.models import network as networks
from engine.models import proofs
from engine.models.loaded import LoadedModel, ScoringModel
from engine.scoring import head

_PROBED_TAIL = 8
"""Last positions of each row that a proof of padding compares."""
_PROBED_ENDINGS = (9, 4, 6, 3)
"""Tokens of the endings that a proof of packing packs."""


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
        return packed_hidden_states(model, layout.pack(_probe_items(token_ids)))

    def apart(token_ids: torch.Tensor) -> torch.Tensor:
        rows, counts = layout.rows(_probe_items(token_ids))
        return _tails_apart(model, rows, counts)

    return proofs.holds(model, "packed", length, packed, apart)


def _probe_items(token_ids: torch.Tensor) -> list[layout.EncodedItem]:
    """Two items of unlike lengths out of random ids: three endings and one, so that few rows are read apart."""
    ids = token_ids.numpy()
    ends = tuple(np.roll(ids, 5 * number)[:size] for number, size in enumerate(_PROBED_ENDINGS, start=1))
    long, short = (max(1, size + 1 - max(_PROBED_ENDINGS)) for size in (len(ids), len(ids) // 2))
    return [layout.EncodedItem(ids[:long], ends[:-1]), layout.EncodedItem(ids[-short:], ends[-1:])]


def pads(model: ScoringModel, length: int) -> bool:
    """Whether rows of up to `length` tokens may be read together, padded on the right where they are shorter."""
    if not isinstance(model, LoadedModel):
        return False

    def some(token_ids: torch.Tensor) -> tuple[list[Ints], list[int]]:
        rows = [token_ids.numpy()[: max(1, len(token_ids) // part)] for part in (1, 2, 3)]
        return rows, [min(len(row), _PROBED_TAIL) for row in rows]

    return proofs.holds(
        model,
        "padding",
        length,
        lambda token_ids: _tails_padded(model, *some(token_ids)),
        lambda token_ids: _tails_apart(model, *some(token_ids)),
    )


def tail_states(model: ScoringModel, rows: Sequence[Ints], counts: Sequence[int]) -> torch.Tensor:
    """Last hidden states (sum of counts, width) of the last `counts` tokens of each row, row after row.

    Parameters
    ----------
    rows
        Token ids, at least one each; read together if the network gives the same for padded rows.
    counts
        How many positions of each row are wanted, at least one.
    """
    if len(rows) > 1 and pads(model, max(map(len, rows))):
        return _tails_padded(model, rows, counts)
    return _tails_apart(model, rows, counts)


def _tails_apart(model: ScoringModel, rows: Sequence[Ints], counts: Sequence[int]) -> torch.Tensor:
    read = (model.hidden_states(torch.from_numpy(row[None]))[0] for row in rows)
    return torch.cat([hidden[-count:] for hidden, count in zip(read, counts, strict=True)])


def _tails_padded(model: ScoringModel, rows: Sequence[Ints], counts: Sequence[int]) -> torch.Tensor:
    """Padded on the right, where a causal model's earlier tokens do not see it."""
    lengths = torch.tensor([len(row) for row in rows])
    token_ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.int64)
    for number, row in enumerate(rows):
        token_ids[number, : len(row)] = torch.from_numpy(row)
    mask = (torch.arange(token_ids.shape[1]) < lengths[:, None]).long()
    hidden = model.hidden_states(token_ids, mask)
    ends = zip(hidden, lengths.tolist(), counts, strict=True)
    return torch.cat([read[length - count : length] for read, length, count in ends])


@torch.inference_mode()
def packed_hidden_states(model: LoadedModel, batch: layout.PackedBatch) -> torch.Tensor:
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


@torch.inference_mode()
def target_log_probs(model: ScoringModel, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (n,) in nats, float32 on the CPU, that hidden states (n, width) give to `targets` (n,)."""
    found = torch.empty(len(targets))
    rows = head.head_rows(model.vocab_size, hidden.device)
    for start in range(0, len(targets), rows):
        part = slice(start, start + rows)
        values = model.logits(hidden[part]).float()
        chosen = values.gather(1, targets[part].to(values.device)[:, None])[:, 0]
        found[part] = (chosen - values.logsumexp(dim=1)).cpu()
    return found

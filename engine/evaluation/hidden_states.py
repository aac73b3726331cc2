"""Forward passes that corpus evaluations need beside `ScoringModel.hidden_states`, and which of them a network allows.

Several rows at once are a shortcut, used only for a network that has proved it (`engine.models.proofs`). The plain
way, one row at a time, is right for every family.
"""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from engine.arrays import Ints
from engine.models import proofs
from engine.models.loaded import LoadedModel, ScoringModel
from engine.scoring import head

_PROBED_TAIL = 8
"""Last positions of each row that a proof of padding compares."""


def pads(model: ScoringModel, length: int) -> bool:
    """Whether rows of up to `length` tokens may be read together, padded on the right if they are shorter."""
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
        lambda token_ids: tails_apart(model, *some(token_ids)),
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
    return tails_apart(model, rows, counts)


def tails_apart(model: ScoringModel, rows: Sequence[Ints], counts: Sequence[int]) -> torch.Tensor:
    """What `tail_states` gives, one row read at a time."""
    read = (model.hidden_states(torch.from_numpy(row[None]))[0] for row in rows)
    return torch.cat([hidden[-count:] for hidden, count in zip(read, counts, strict=True)])


def _tails_padded(model: ScoringModel, rows: Sequence[Ints], counts: Sequence[int]) -> torch.Tensor:
    """Padded on the right, where a causal model's earlier tokens do not see it."""
    lengths = torch.tensor([len(row) for row in rows])
    token_ids = pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)
    mask = (torch.arange(token_ids.shape[1]) < lengths[:, None]).long()
    hidden = model.hidden_states(token_ids, mask)
    ends = zip(hidden, lengths.tolist(), counts, strict=True)
    return torch.cat([read[length - count : length] for read, length, count in ends])


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Places in `lengths` in batches of like length, longest first: at most `budget` tokens with padding, or one row.

    Examples
    --------
    >>> batches([3, 9, 4, 4], budget=8)
    [[1], [2, 3], [0]]
    """
    found: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if found and lengths[found[-1][0]] * (len(found[-1]) + 1) <= budget:
            found[-1].append(place)
        else:
            found.append([place])
    return found


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

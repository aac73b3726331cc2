"""From hidden states to the numbers of each position, a few positions at a time.

A text of n tokens has n x V logits: a gigabyte for a thousand tokens, once log-probabilities, sorted ranks and
entropies are made from them. Here the head runs over a chunk of positions, and every number is taken from that chunk
while it is in the processor's cache. All of it is in float32 whatever the weights' dtype, the head included.

This module does not know about texts, windows or tokenizers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from engine.models.loaded import ScoringModel
from engine.models.network import LOWEST_LOGIT

# Columns are dealt into blocks of this size; the k largest values lie in the k blocks with the largest maxima.
# Near sqrt(V / k) both stages of the search are short; see benchmarks/scoring.py.
_BLOCK = 64
# Bytes for one chunk's logits in float32 and for one workspace buffer. A processor's matrix product wants some
# hundred rows, while the passes after it are fastest on rows that stay in its cache; a GPU wants large chunks for both.
_CPU_HEAD_BYTES, _CPU_ROW_BYTES = 48 << 20, 4 << 20
_GPU_BYTES = 256 << 20
_LEAST_HEAD_ROWS = 64


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the head predicts at C positions, on its device. Fields as in `engine.scoring.results.TextScores`."""

    log_probs: torch.Tensor
    ranks: torch.Tensor
    ties: torch.Tensor
    entropies: torch.Tensor
    top_ids: torch.Tensor
    top_log_probs: torch.Tensor


def head_rows(vocab_size: int, device: torch.device) -> int:
    """Positions whose logits are made at once."""
    budget = _CPU_HEAD_BYTES if device.type == "cpu" else _GPU_BYTES
    return max(_LEAST_HEAD_ROWS, budget // (4 * vocab_size))


def workspace_rows(vocab_size: int, device: torch.device) -> int:
    """Positions whose numbers are taken at once."""
    budget = _CPU_ROW_BYTES if device.type == "cpu" else _GPU_BYTES
    return max(1, budget // (4 * vocab_size))


class Workspace:
    """Float32 buffers for a few positions over V columns, filled again and again.

    After `read`, `shifted` holds the logits minus each row's maximum, `exponentials` their exponentials and `totals`
    the sums of these, so that log-probabilities and probabilities are one cheap step away. `scratch` is then free.
    """

    def __init__(self, vocab_size: int, device: torch.device) -> None:
        self.vocab_size = vocab_size
        self.blocks = -(-vocab_size // _BLOCK)
        self._buffers = torch.empty((3, workspace_rows(vocab_size, device), self.blocks * _BLOCK), device=device)

    def read(self, logits: torch.Tensor, targets: torch.Tensor, top_k: int) -> Predictions:
        """Numbers of C <= rows positions.

        Parameters
        ----------
        logits : (C, V) in any floating dtype
        targets : (C,) int64: the token that came next
        top_k : alternatives wanted, 0..V
        """
        self.shifted, self.exponentials, self.scratch = self._buffers[:, : len(logits)].unbind()
        values = self.shifted
        values[:, : self.vocab_size].copy_(logits)
        values[:, self.vocab_size :].fill_(LOWEST_LOGIT)  # again: whoever uses `shifted` may have overwritten it
        target_logits = values.gather(1, targets[:, None])
        # Ones in float32, exact below 2**24: summing booleans would first turn them into int64, eight times slower.
        larger = torch.gt(values, target_logits, out=self.scratch)
        ranks = larger.sum(1).long() + 1
        equal = torch.eq(values, target_logits, out=self.scratch)
        ties = equal.sum(1).long() - 1
        top_values, top_ids = largest(values, top_k, self.blocks)
        maxima = top_values[:, :1] if top_k else values.amax(1, keepdim=True)
        values.sub_(maxima)
        torch.exp(values, out=self.exponentials)
        self.totals = self.exponentials.sum(1, keepdim=True)
        # H = -sum p log p with log p = x - log Z, hence log Z - (sum e^x x) / Z, x counted from the row's maximum.
        log_totals = self.totals.log()
        weighted = torch.mul(self.exponentials, values, out=self.scratch).sum(1, keepdim=True)
        entropies = log_totals - weighted / self.totals
        return Predictions(
            log_probs=(target_logits - maxima - log_totals)[:, 0],
            ranks=ranks,
            ties=ties,
            entropies=entropies[:, 0].clamp_(min=0.0),  # rounding, where one token has all the probability
            top_ids=top_ids,
            top_log_probs=top_values - maxima - log_totals,
        )

    def log_probs_in_place(self) -> torch.Tensor:
        """(C, columns) log-probabilities of the rows last read, in the buffer of `shifted`."""
        return self.shifted.sub_(self.totals.log())

    def probs_in_place(self) -> torch.Tensor:
        """(C, columns) probabilities of the rows last read, in the buffer of `exponentials`."""
        return self.exponentials.div_(self.totals)


def largest(values: torch.Tensor, k: int, blocks: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact top k of each row, largest first: (C, k) values and column indices.

    Column j belongs to block j % blocks. The k largest values of a row lie in the k blocks with the largest maxima:
    any other block has k values above its own maximum. So two short searches replace one over all columns, for which
    `torch.topk` sorts on a CPU.

    Parameters
    ----------
    values : (C, columns), columns a multiple of `blocks`
    """
    if k == 0 or k >= blocks:
        return values.topk(k, dim=1)
    by_block = values.view(len(values), -1, blocks)
    best_blocks = by_block.amax(1).topk(k, dim=1).indices
    candidates = by_block.gather(2, best_blocks[:, None, :].expand(-1, by_block.shape[1], -1)).flatten(1)
    top_values, places = candidates.topk(k, dim=1)
    return top_values, places // k * blocks + best_blocks.gather(1, places % k)


def chunks(vocab_size: int, hidden: torch.Tensor) -> Iterator[slice]:
    """Slices of (n, width) hidden states whose logits are made at once."""
    rows = head_rows(vocab_size, hidden.device)
    for start in range(0, len(hidden), rows):
        yield slice(start, min(start + rows, len(hidden)))


class Reader:
    """One model's predictions, tile after tile; `space` holds what its workspace made of the last one."""

    space: Workspace

    def __init__(self, top_k: int) -> None:
        self.top_k = top_k
        self.predictions: list[Predictions] = []

    def read(self, logits: torch.Tensor, targets: torch.Tensor) -> None:
        """Take the numbers of one tile: (C, V) logits and the (C,) ids of the tokens that came next."""
        if not self.predictions:
            self.space = Workspace(logits.shape[1], logits.device)
        self.predictions.append(self.space.read(logits, targets, self.top_k))


TakeTile = Callable[[list[torch.Tensor], torch.Tensor], object]
"""Takes (C, V) logits of each model at the same positions and the (C,) ids of the tokens that came next."""


@torch.inference_mode()
def read_chunk(
    models: Sequence[ScoringModel], hidden: Sequence[torch.Tensor], targets: torch.Tensor, take: TakeTile
) -> None:
    """Run each model's head once over the positions of one chunk, and have `take` read a workspace's rows at a time.

    Parameters
    ----------
    models, hidden : each model and its (C, width) hidden states
    targets : (C,) int64: the tokens that came next. All logits are brought to its device.
    """
    rows = min(workspace_rows(model.vocab_size, targets.device) for model in models)
    logits = [model.logits(own).to(targets.device) for model, own in zip(models, hidden, strict=True)]
    for start in range(0, len(targets), rows):
        tile = slice(start, start + rows)
        take([own[tile] for own in logits], targets[tile])

"""The target distribution, the divergences that are minimised, and the same ones computed exactly for the record.

What is minimised is a divergence up to a constant that no weight changes, so the gradient is the divergence's own.
The record needs more care: near the floor a divergence in float32 is a small difference of large numbers and may come
out negative. `exact_kl` sums terms that are never negative.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from engine.training.config import Direction

REVERSE_MIX = 1e-3
"""Share of the uniform distribution in Q if the loss is D(P||Q): with none it is infinite for every model."""


@dataclass(frozen=True, eq=False)
class Target:
    """Q: uniform over the wanted tokens.

    Parameters
    ----------
    wanted_ids : (w,) int64, ids of the wanted tokens
    vocab_size : V, width of the logits
    """

    wanted_ids: torch.Tensor
    vocab_size: int

    @property
    def entropy(self) -> float:
        """H(Q) = ln w, the floor of the cross-entropy, in nats."""
        return math.log(len(self.wanted_ids))

    def cross_entropy(self, log_probs: torch.Tensor) -> torch.Tensor:
        """H(Q, P) in nats: (..., V) log-probabilities -> (...)."""
        return -log_probs.index_select(-1, self.wanted_ids).mean(-1)

    def kl_divergence(self, log_probs: torch.Tensor) -> torch.Tensor:
        """D(Q||P) = H(Q, P) - H(Q) in nats: (..., V) -> (...). Its gradient is that of the cross-entropy."""
        return self.cross_entropy(log_probs) - self.entropy

    def reverse_kl_divergence(self, log_probs: torch.Tensor) -> torch.Tensor:
        """D(P||Q') in nats with Q' = (1 - e) Q + e / V and e = `REVERSE_MIX`: (..., V) -> (...)."""
        probs = log_probs.exp()
        wanted_mass = probs.index_select(-1, self.wanted_ids).sum(-1)
        log_unwanted = math.log(REVERSE_MIX / self.vocab_size)
        log_wanted = math.log((1 - REVERSE_MIX) / len(self.wanted_ids) + REVERSE_MIX / self.vocab_size)
        return (probs * log_probs).sum(-1) - wanted_mass * log_wanted - (1 - wanted_mass) * log_unwanted

    def loss(self, log_probs: torch.Tensor, direction: Direction) -> torch.Tensor:
        """The divergence to minimise, mean over everything but the vocabulary: (..., V) -> ()."""
        divergence = self.kl_divergence if direction == "forward" else self.reverse_kl_divergence
        return divergence(log_probs).mean()

    def wanted_mass(self, log_probs: torch.Tensor) -> torch.Tensor:
        """Probability of all wanted tokens together: (..., V) -> (...), in [0, 1]."""
        return log_probs.index_select(-1, self.wanted_ids).exp().sum(-1)

    def exact_kl(self, log_probs: torch.Tensor) -> torch.Tensor:
        """D(Q||P) in nats, never negative, in float64: (..., V) -> (...).

        D = sum of q ln(q/p) - q + p over all tokens, since both sum to one. On wanted tokens that is
        q (exp(x) - 1 - x) with x = ln p - ln q, on others p: no term is negative.
        """
        exact = log_probs.double()
        wanted = exact.index_select(-1, self.wanted_ids)
        x = wanted + self.entropy
        unwanted_mass = 1.0 - wanted.exp().sum(-1)
        return (torch.expm1(x) - x).mean(-1) + unwanted_mass.clamp_min(0.0)


def kl_penalty(log_probs: torch.Tensor, start_log_probs: torch.Tensor) -> torch.Tensor:
    """KL(P||P_start) in nats, mean over everything but the vocabulary: two (..., V) -> ()."""
    return F.kl_div(start_log_probs, log_probs, reduction="none", log_target=True).sum(-1).mean()


def exact_kl_to(log_probs: torch.Tensor, start_log_probs: torch.Tensor) -> torch.Tensor:
    """KL(P||P_start) in nats: two (..., V) -> (...). It is never negative: what rounding takes below 0 is put back."""
    kl: torch.Tensor = torch.linalg.vecdot(log_probs.exp(), log_probs - start_log_probs)
    return kl.clamp_min(0.0)

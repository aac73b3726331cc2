"""Scoring the plain way: all logits at once, a full log-softmax in float32, sorting for ranks and the top k."""

from dataclasses import dataclass

import numpy as np
import torch

from engine.models.loaded import ScoringModel


@dataclass(frozen=True, eq=False)
class PlainScores:
    log_probs: np.ndarray
    ranks: np.ndarray
    entropies: np.ndarray
    top_log_probs: np.ndarray
    all_log_probs: torch.Tensor


@torch.inference_mode()
def score(model: ScoringModel, token_ids: np.ndarray, top_k: int = 10) -> PlainScores:
    """Numbers of tokens 1..n-1, read in one window without a BOS token."""
    ids = torch.from_numpy(token_ids.copy())
    logits = model.logits(model.hidden_states(ids[None]))[0, :-1].float().cpu()
    log_probs = torch.log_softmax(logits, dim=-1)
    target = ids[1:, None]
    order = logits.sort(dim=-1, descending=True)
    return PlainScores(
        log_probs=log_probs.gather(1, target)[:, 0].double().numpy(),
        ranks=(logits > logits.gather(1, target)).sum(1).numpy() + 1,
        entropies=-(log_probs.exp() * log_probs).sum(1).double().numpy(),
        top_log_probs=log_probs.gather(1, order.indices[:, :top_k]).double().numpy(),
        all_log_probs=log_probs,
    )

"""How far two models' next-token distributions are apart, position by position, while both are in their workspaces.

This module does not know about texts or tokenizers.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from engine import head

_LN_2 = 0.6931471805599453


@dataclass(frozen=True, eq=False)
class Divergences:
    """Numbers of C positions, on the first model's device. Fields as in `engine.results.ModelComparison`."""

    kl_ab: torch.Tensor
    kl_ba: torch.Tensor
    js: torch.Tensor
    same_top1: torch.Tensor
    changed_ids: torch.Tensor
    changed_log_probs_a: torch.Tensor
    changed_log_probs_b: torch.Tensor


def between(a: head.Workspace, b: head.Workspace, n_changed: int) -> Divergences:
    """Divergences between the rows that `a` and `b` have just read. Uses up both workspaces' contents.

    With d = log p_b - log p_a and the sums S_a, S_b of the probabilities, which are 1 up to rounding,

        KL(a||b) = S_b - S_a - sum p_a d
        KL(b||a) = S_a - S_b + sum p_b d
        JS       = (sum p_b d - sum (p_a + p_b) (softplus(d) - ln 2)) / 2,  as log(m / p_a) = softplus(d) - ln 2

    The S terms take out the first-order part of the rounding of both normalisations, which makes every summand of KL
    nonnegative. What remains, about 1e-7 nats, is clamped: KL to >= 0 and JS to [0, (KL(a||b) + KL(b||a)) / 4], its
    bound by convexity, and to ln 2. Equal logits therefore give exactly 0.
    """
    same_top1 = a.shifted.argmax(1) == b.shifted.argmax(1)
    log_a, log_b = a.log_probs_in_place(), b.log_probs_in_place()
    p_a, p_b = a.probs_in_place(), b.probs_in_place()
    changed_ids = head.largest((p_a - p_b).abs_(), n_changed, a.blocks)[1]
    changed_a, changed_b = log_a.gather(1, changed_ids), log_b.gather(1, changed_ids)
    d = log_b.sub_(log_a)
    gain = p_b.sum(1) - p_a.sum(1)
    toward_b, toward_a = torch.linalg.vecdot(p_a, d), torch.linalg.vecdot(p_b, d)
    kl_ab, kl_ba = (gain - toward_b).clamp_(min=0.0), (toward_a - gain).clamp_(min=0.0)
    middle = torch.linalg.vecdot(p_a.add_(p_b), F.softplus(d).sub_(_LN_2))
    bound = ((kl_ab + kl_ba) / 4).clamp_(max=_LN_2)
    js = torch.minimum(((toward_a - middle) / 2).clamp_(min=0.0), bound)
    return Divergences(kl_ab, kl_ba, js, same_top1, changed_ids, changed_a, changed_b)

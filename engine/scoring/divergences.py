"""How far two models' next-token distributions are apart, position by position, while both are in their workspaces.

This module does not know about texts or tokenizers.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from engine.scoring import head
from engine.units import LN2

_FAR = 100.0
"""Nats between two log-probabilities beyond which float32 sums no longer hold JS to 1e-5; such rows are summed anew."""
_MASKED = -1e29
"""Below it a log-probability stands for -inf: masks are written as -inf, as the dtype's minimum, or as a floor."""


@dataclass(frozen=True, eq=False)
class Divergences:
    """Numbers of C positions, on the first model's device. Fields as in `engine.scoring.results.ModelComparison`."""

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

    A token that one model rules out (a logit of -inf, or a mask's very negative number) makes d infinite or enormous.
    Rows with such a d are summed in float64 by the definition instead, with 0 ln 0 = 0: KL(a||b) is infinite if b rules
    out what a allows, JS stays within ln 2, and a token both rule out adds nothing.
    """
    same_top1 = _same_top1(a, b)
    log_a, log_b = a.log_probs_in_place(), b.log_probs_in_place()
    p_a, p_b = a.probs_in_place(), b.probs_in_place()
    changed_ids = head.largest((p_a - p_b).abs_(), n_changed, a.blocks)[1]
    changed_a, changed_b = log_a.gather(1, changed_ids), log_b.gather(1, changed_ids)
    d = torch.sub(log_b, log_a, out=b.scratch)
    near = (d.amax(1) < _FAR) & (d.amin(1) > -_FAR)  # false for NaN too, which -inf less -inf gives
    gain = p_b.sum(1) - p_a.sum(1)
    toward_b, toward_a = torch.linalg.vecdot(p_a, d), torch.linalg.vecdot(p_b, d)
    kl_ab, kl_ba = (gain - toward_b).clamp_(min=0.0), (toward_a - gain).clamp_(min=0.0)
    middle = torch.linalg.vecdot(p_a.add_(p_b), F.softplus(d).sub_(LN2))
    bound = ((kl_ab + kl_ba) / 4).clamp_(max=LN2)
    js = torch.minimum(((toward_a - middle) / 2).clamp_(min=0.0), bound)
    far = (~near).nonzero()[:, 0]
    if len(far):
        for numbers, exact in zip((kl_ab, kl_ba, js), _by_definition(log_a[far], log_b[far]), strict=True):
            numbers[far] = exact.to(numbers)
    return Divergences(kl_ab, kl_ba, js, same_top1, changed_ids, changed_a, changed_b)


def _same_top1(a: head.Workspace, b: head.Workspace) -> torch.Tensor:
    """(C,) |A ∩ B| / |A ∪ B| of the sets of tokens that each model ranks first: sets, since low precision ties maxima.

    A row's maxima are the exact zeros of `shifted`. Counted as float32 ones, which is exact and faster than an argmax.
    """
    best_a, best_b = torch.eq(a.shifted, 0.0, out=a.scratch), torch.eq(b.shifted, 0.0, out=b.scratch)
    common: torch.Tensor = torch.linalg.vecdot(best_a, best_b)
    return common / (best_a.sum(1) + best_b.sum(1) - common)


def _by_definition(log_a: torch.Tensor, log_b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """KL(a||b), KL(b||a) and JS (C,) of log-probabilities (C, columns) in float64, with 0 ln 0 = 0."""
    kept = [rows.cpu().double() for rows in (log_a, log_b)]  # on the CPU: some accelerators have no float64
    kept = [rows.masked_fill_(rows < _MASKED, -torch.inf) for rows in kept]
    probs = [rows.exp() for rows in kept]
    for rows, p in zip(kept, probs, strict=True):  # 1 in sum but for the rounding of float32
        total = p.sum(1, keepdim=True)
        rows.sub_(total.log())
        p.div_(total)
    log_p, log_q = kept
    middle = torch.logaddexp(log_p, log_q).sub_(LN2)

    def divergence(p: torch.Tensor, log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
        return torch.where(p > 0, (log_p - log_q).mul_(p), 0.0).sum(1).clamp_(min=0.0)

    js = (divergence(probs[0], log_p, middle) + divergence(probs[1], log_q, middle)) / 2
    return divergence(probs[0], log_p, log_q), divergence(probs[1], log_q, log_p), js.clamp_(max=LN2)

"""What is minimised, chunk by chunk of positions, so that one chunk's logits are all that is ever held.

loss = weight * D(teacher || student) + (1 - weight) * H(next token, student), in nats, means over positions.

The bodies run once over the whole batch. Then a chunk of hidden states at a time goes through both heads, and its
gradient back as far as the student's hidden states, where the chunks' gradients are collected; one pass back through
the body follows.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from transformers import GPT2LMHeadModel

from engine.comparing import correlations
from engine.model import LoadedModel
from engine.training.losses import exact_kl_to


@dataclass(frozen=True, eq=False)
class Losses:
    """Means over the positions of a batch, in nats, each a tensor of one number on the device."""

    kl: torch.Tensor
    cross_entropy: torch.Tensor

    def weighted(self, weight: float) -> torch.Tensor:
        """What is minimised."""
        return weight * self.kl + (1 - weight) * self.cross_entropy


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near the student is to the teacher on held-out windows; `kl` in nats."""

    kl: float
    perplexity_teacher: float
    perplexity_student: float
    correlation: float
    same_top1: float


def accumulate(
    student: GPT2LMHeadModel,
    teacher: LoadedModel,
    windows: torch.Tensor,
    *,
    weight: float,
    chunk: int,
    autocast: bool,
) -> Losses:
    """Add the loss's gradient to the student's `.grad` and return the losses.

    Parameters
    ----------
    windows
        (batch, context + 1) int64 on the teacher's device: each position's input and, one further, its target.
    weight
        Share of the divergence in the loss.
    chunk
        Positions whose logits are held at once.
    autocast
        Whether the student computes in bfloat16 (its weights stay as they are).
    """
    inputs, targets = windows[:, :-1], windows[:, 1:].flatten()
    taught, hidden = _hidden(teacher, student, inputs, autocast)
    at_head = hidden.detach().requires_grad_()
    kl, cross_entropy = torch.zeros(2, device=teacher.device)
    for start in range(0, len(targets), chunk):
        part = slice(start, start + chunk)
        log_p, log_q = _log_probs(teacher, student, taught[part], at_head[part], autocast)
        losses = Losses(
            F.kl_div(log_q, log_p, reduction="sum", log_target=True) / len(targets),  # D(p || q), in torch's order
            F.nll_loss(log_q, targets[part], reduction="sum") / len(targets),
        )
        losses.weighted(weight).backward()
        kl, cross_entropy = kl + losses.kl.detach(), cross_entropy + losses.cross_entropy.detach()
    hidden.backward(at_head.grad)
    return Losses(kl, cross_entropy)


@torch.no_grad()
def agreement(
    student: GPT2LMHeadModel,
    teacher: LoadedModel,
    windows: torch.Tensor,
    *,
    batch: int,
    chunk: int,
    autocast: bool,
) -> Agreement:
    """Both models on (n, context + 1) windows, `batch` of them at a time. Arguments as in `accumulate`."""
    columns: dict[str, list[torch.Tensor]] = {"kl": [], "teacher": [], "student": [], "same": []}
    for some in windows.split(batch):
        inputs, targets = some[:, :-1], some[:, 1:].flatten()
        taught, hidden = _hidden(teacher, student, inputs, autocast)
        for start in range(0, len(targets), chunk):
            part = slice(start, start + chunk)
            log_p, log_q = _log_probs(teacher, student, taught[part], hidden[part], autocast)
            columns["kl"].append(exact_kl_to(log_p, log_q))
            columns["teacher"].append(log_p.gather(1, targets[part, None])[:, 0])
            columns["student"].append(log_q.gather(1, targets[part, None])[:, 0])
            columns["same"].append(log_p.argmax(1) == log_q.argmax(1))
    return _summary({name: torch.cat(parts).cpu().numpy().astype(np.float64) for name, parts in columns.items()})


def _summary(columns: dict[str, npt.NDArray[np.float64]]) -> Agreement:
    return Agreement(
        kl=float(columns["kl"].mean()),
        perplexity_teacher=float(np.exp(-columns["teacher"].mean())),
        perplexity_student=float(np.exp(-columns["student"].mean())),
        correlation=correlations(columns["teacher"], columns["student"])[0],
        same_top1=float(columns["same"].mean()),
    )


def _hidden(
    teacher: LoadedModel, student: GPT2LMHeadModel, inputs: torch.Tensor, autocast: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """(b, n) ids -> each model's last hidden states, (b n, its width)."""
    taught = teacher.hidden_states(inputs).flatten(0, 1)
    with _precision(teacher.device, autocast):
        hidden = student.transformer(input_ids=inputs, use_cache=False).last_hidden_state.flatten(0, 1)
    return taught, hidden


def _log_probs(
    teacher: LoadedModel, student: GPT2LMHeadModel, taught: torch.Tensor, hidden: torch.Tensor, autocast: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states of some positions -> each model's log-probabilities there, (positions, V); the student's can be
    differentiated.
    """
    with torch.no_grad():
        log_p = torch.log_softmax(teacher.logits(taught).float(), dim=-1)
    with _precision(teacher.device, autocast):
        logits = student.lm_head(hidden)
    return log_p, torch.log_softmax(logits.float(), dim=-1)


def _precision(device: torch.device, autocast: bool) -> AbstractContextManager[object]:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast)

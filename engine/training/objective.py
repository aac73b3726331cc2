"""What a run minimises: the pull on the wanted tokens and the penalty for leaving the start, batch by batch.

Only the last position's logits are computed if the pull is on random tokens: body -> last hidden state -> head. The
plain way, logits at every position of which all but one are thrown away, costs several times as much with a
vocabulary of 50,000 (benchmarks/training.py).
"""

from dataclasses import dataclass

import torch

from engine.training import losses, sampling
from engine.training.config import BiasConfig
from engine.training.real_text import ANCHOR_WINDOWS_PER_STEP, StartView
from engine.training.starting import Trainee


@dataclass
class Controls:
    """What may be changed while a run goes on. Read before every step."""

    learning_rate: float
    beta: float
    stop: bool = False

    @classmethod
    def of(cls, config: BiasConfig) -> "Controls":
        """The values a run begins with."""
        return cls(config.learning_rate, config.beta)


@dataclass(frozen=True, eq=False)
class Seen:
    """One batch at the present weights.

    Parameters
    ----------
    log_probs : (b, V), what was pulled
    loss : what is minimised
    divergence : in its direction, in nats
    kl_penalty : in nats; None if beta is 0
    grad_norm : L2 norm of the gradient over all trained weights
    """

    log_probs: torch.Tensor
    loss: float
    divergence: float
    kl_penalty: float | None
    grad_norm: float


class Objective:
    """Draws batches, seeded by the configuration; `anchor` is the real text that is trained on."""

    def __init__(self, config: BiasConfig, trainee: Trainee, controls: Controls, anchor: StartView) -> None:
        self._config = config
        self._trainee = trainee
        self._controls = controls
        self._anchor = anchor
        self._batches = torch.Generator().manual_seed(config.seed)

    def next_batch(self) -> Seen:
        """Leave the gradient of the next batch's loss, and of no other, at the trained weights."""
        self._trainee.network.zero_grad(set_to_none=True)
        config, trainee, beta = self._config, self._trainee, self._controls.beta
        penalty = on_text = None
        if beta > 0 or config.pull_on == "text":
            on_text, rows = self._log_probs_on_text()
            if beta > 0:
                penalty = losses.kl_penalty(on_text, self._anchor.log_probs(self._anchor.hidden[rows]))
        if config.pull_on == "random":
            ids = sampling.random_prompts(trainee, config.batch_size, config.context_length, self._batches)
            last_hidden = trainee.hidden_states(ids.to(trainee.device))[:, -1]  # (b, width)
            pulled = trainee.log_probs(last_hidden)  # (b, V)
        else:
            assert on_text is not None  # noqa: S101 - made above for this case
            pulled = on_text.flatten(0, 1)
        divergence = trainee.target.loss(pulled, config.direction)
        loss = config.pull * divergence
        if penalty is not None:
            loss = loss + beta * penalty
        loss.backward()
        gradients = [weight.grad for weight in trainee.trained if weight.grad is not None]
        return Seen(
            pulled.detach(),
            loss.item(),
            divergence.item(),
            None if penalty is None else penalty.item(),
            torch.nn.utils.get_total_norm(gradients).item(),
        )

    def _log_probs_on_text(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities (r, m, V) on a few windows chosen at random, and which."""
        view = self._anchor
        rows = torch.randperm(len(view.token_ids), generator=self._batches)[:ANCHOR_WINDOWS_PER_STEP]
        rows = rows.to(self._trainee.device)
        hidden = self._trainee.hidden_states(view.token_ids[rows])[:, view.first :]
        return self._trainee.log_probs(hidden), rows

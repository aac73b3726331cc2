"""Fixed real text: some to hold the model near its start, some other to measure on.

The start model is not kept. Its last hidden states on the fixed text and, where the head is trained, a copy of its
head give the same distributions; for SmolLM2 that is 115 MB instead of 540 MB.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.tokens import TextTokenizer
from engine.training import losses
from engine.training.starting import Trainee

FOLDER = Path(__file__).parents[2] / "assets" / "training"
WINDOW = 64
"""Tokens in a window of text; shorter where the model reads less."""
HELD_OUT_WINDOWS = 4
ANCHOR_WINDOWS_PER_STEP = 2
_POSITIONS_AT_ONCE = 64
"""Positions whose distributions are held at once while measuring: 64 of 50,257 float64 are 26 MB."""


@dataclass(frozen=True, eq=False)
class StartView:
    """Windows of text and what the start model made of them.

    Parameters
    ----------
    token_ids : (w, n) int64
    hidden : (w, n, width), the start model's last hidden states
    head : (V, width), the start model's head
    """

    token_ids: torch.Tensor
    hidden: torch.Tensor
    head: torch.Tensor

    def log_probs(self, rows: torch.Tensor | slice) -> torch.Tensor:
        """The start model's log-probabilities on some windows: (r, n, V)."""
        with torch.no_grad():
            return torch.log_softmax(torch.nn.functional.linear(self.hidden[rows], self.head).float(), dim=-1)


@dataclass(frozen=True)
class TextMeasurement:
    """What a model does on held-out text: nats per token, perplexity, mean wanted mass."""

    kl_to_start: float
    perplexity: float
    wanted_mass: float


def read(name: str) -> str:
    """One of the texts in assets/training/."""
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def prompts() -> list[str]:
    """Beginnings of sentences."""
    return read("prompts").splitlines()


def windows(tokenizer: TextTokenizer, text: str, length: int) -> torch.Tensor:
    """Cut a text into windows of `length` tokens, (w, length) int64; what is left over at the end is dropped."""
    ids = torch.from_numpy(tokenizer.encode(text).token_ids)
    count = len(ids) // length
    return ids[: count * length].reshape(count, length)


def view_from_start(trainee: Trainee, token_ids: torch.Tensor, head: torch.Tensor) -> StartView:
    """What the untrained network makes of (w, n) token ids."""
    with torch.no_grad():
        hidden = torch.cat([trainee.hidden_states(row[None]) for row in token_ids])
    return StartView(token_ids, hidden, head)


def start_views(trainee: Trainee) -> tuple[StartView, StartView]:
    """Anchor text (to train on) and held-out text (to measure on), as the untrained network sees them."""
    length = min(WINDOW, trainee.context_length)
    head = trainee.head.detach()
    if trainee.head.requires_grad:
        head = head.clone()
    anchor = windows(trainee.tokenizer, read("anchor"), length).to(trainee.device)
    held_out = windows(trainee.tokenizer, read("held_out"), length)[:HELD_OUT_WINDOWS].to(trainee.device)
    return view_from_start(trainee, anchor, head), view_from_start(trainee, held_out, head)


@torch.no_grad()
def measure(trainee: Trainee, view: StartView) -> TextMeasurement:
    """KL to the start, perplexity and wanted mass on the windows of `view`."""
    hidden = trainee.hidden_states(view.token_ids).flatten(0, 1)
    start_hidden = view.hidden.flatten(0, 1)
    total_kl = total_nats = total_wanted = 0.0
    # position i predicts token i + 1; the last position of a window predicts nothing here
    following = torch.cat([view.token_ids[:, 1:], torch.full_like(view.token_ids[:, :1], -1)], dim=1).flatten()
    for at in range(0, len(hidden), _POSITIONS_AT_ONCE):
        rows = slice(at, at + _POSITIONS_AT_ONCE)
        log_probs = trainee.log_probs(hidden[rows])
        start = torch.log_softmax(torch.nn.functional.linear(start_hidden[rows], view.head).float(), dim=-1)
        total_kl += losses.exact_kl_to(log_probs, start).sum().item()
        total_wanted += trainee.target.wanted_mass(log_probs).sum().item()
        known = following[rows] >= 0
        total_nats -= log_probs[known].gather(-1, following[rows][known, None]).sum().item()
    predicted = int((following >= 0).sum())
    return TextMeasurement(
        kl_to_start=total_kl / len(hidden),
        perplexity=math.exp(min(700.0, total_nats / predicted)),
        wanted_mass=total_wanted / len(hidden),
    )

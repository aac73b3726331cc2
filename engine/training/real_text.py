"""Fixed real text: some to hold the model near its start, some other to measure on.

The start model is not kept. Its last hidden states on the fixed text and, if the head is trained, a copy of its head
give the same distributions; for SmolLM2 that is 115 MB instead of 540 MB.
"""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch

from engine import paths
from engine.models import network as networks
from engine.models.network import OutputMap
from engine.training import losses
from engine.training.starting import Trainee

FOLDER = paths.ASSETS / "training"
WINDOW = 64
"""Tokens of text in a window, opening tokens not counted; fewer if the model reads less."""
HELD_OUT_WINDOWS = 8
ANCHOR_WINDOWS_PER_STEP = 2
CONFIDENCE = 0.95
_POSITIONS_AT_ONCE = 64
"""Positions whose distributions are held at once while measuring: 64 of 50,257 float32 are 13 MB."""


@dataclass(frozen=True, eq=False)
class StartView:
    """Windows of text and what the start model made of them.

    Parameters
    ----------
    token_ids : (w, n) int64, opening tokens first
    first : the first position that predicts a token of the text; m = n - first positions count
    hidden : (w, m, width), the start model's last hidden states at these
    head : the start model's head
    made : what the start model does around it
    """

    token_ids: torch.Tensor
    first: int
    hidden: torch.Tensor
    head: torch.nn.Module
    made: OutputMap

    def log_probs(self, hidden: torch.Tensor) -> torch.Tensor:
        """The start model's log-probabilities, from some of `hidden`: (..., width) -> (..., V)."""
        with torch.no_grad():
            return torch.log_softmax(networks.logits_of(self.head, self.made, hidden), dim=-1)


@dataclass(frozen=True)
class TextMeasurement:
    """What a model does on held-out text.

    Parameters
    ----------
    kl_to_start : KL(P||P_start), nats per token
    wanted_mass : probability of all wanted tokens together, mean over positions
    window_nats : cross-entropy of each window, mean over its predicted tokens, in nats
    """

    kl_to_start: float
    wanted_mass: float
    window_nats: tuple[float, ...]

    @property
    def perplexity(self) -> float:
        """Over all windows, which have the same number of tokens."""
        return _exp(float(np.mean(self.window_nats)))


def read(name: str) -> str:
    """One of the texts in assets/training/."""
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def opened(token_ids: torch.Tensor, opening: torch.Tensor) -> torch.Tensor:
    """Opening tokens in front of each row: (w, n) and (k,) -> (w, k + n)."""
    return torch.cat([opening.expand(len(token_ids), -1), token_ids], dim=1)


def _windows(trainee: Trainee, name: str) -> torch.Tensor:
    """Cut a text into windows of equal length, each opened; what is left over at the end is dropped."""
    length = min(WINDOW, trainee.model.context_length - len(trainee.opening))
    ids = torch.from_numpy(trainee.tokenizer.encode(read(name)).token_ids)
    cut = ids[: len(ids) // length * length].reshape(-1, length)
    return opened(cut, trainee.opening).to(trainee.device)


def anchor_ids(trainee: Trainee) -> torch.Tensor:
    """Windows of the text that is trained on: (w, n)."""
    return _windows(trainee, "anchor")


def held_out_ids(trainee: Trainee) -> torch.Tensor:
    """Windows of the text that is only measured on: (w, n)."""
    return _windows(trainee, "held_out")[:HELD_OUT_WINDOWS]


def first_position(trainee: Trainee) -> int:
    """The first position of a window that predicts a token of its text."""
    return max(0, len(trainee.opening) - 1)


def start_views(trainee: Trainee) -> tuple[StartView, StartView]:
    """Anchor text (to train on) and held-out text (to measure on), as the untrained network sees them."""
    head = networks.head(trainee.network)
    if any(weight.requires_grad for weight in head.parameters()):
        head = copy.deepcopy(head).requires_grad_(False)
    made, first = networks.output_map(trainee.network), first_position(trainee)

    @torch.no_grad()
    def view(token_ids: torch.Tensor) -> StartView:
        hidden = torch.cat([trainee.hidden_states(row[None])[:, first:] for row in token_ids])
        return StartView(token_ids, first, hidden, head, made)

    return view(anchor_ids(trainee)), view(held_out_ids(trainee))


@torch.no_grad()
def measure(trainee: Trainee, view: StartView) -> TextMeasurement:
    """KL to the start, cross-entropy and wanted mass on the windows of `view`."""
    hidden = trainee.hidden_states(view.token_ids)[:, view.first :].flatten(0, 1)
    start_hidden = view.hidden.flatten(0, 1)
    kl, nats, wanted = [], [], []
    # position i predicts token i + 1; the last position of a window predicts nothing here
    following = torch.cat([view.token_ids[:, view.first + 1 :], view.token_ids[:, :1]], dim=1).flatten()
    for at in range(0, len(hidden), _POSITIONS_AT_ONCE):
        rows = slice(at, at + _POSITIONS_AT_ONCE)
        log_probs = trainee.log_probs(hidden[rows])
        kl.append(losses.exact_kl_to(log_probs, view.log_probs(start_hidden[rows])))
        wanted.append(trainee.target.wanted_mass(log_probs))
        nats.append(-log_probs.gather(-1, following[rows][:, None])[:, 0])
    of_windows = torch.cat(nats).double().unflatten(0, (len(view.token_ids), -1))[:, :-1].mean(-1)
    return TextMeasurement(
        kl_to_start=torch.cat(kl).double().mean().item(),
        wanted_mass=torch.cat(wanted).double().mean().item(),
        window_nats=tuple(of_windows.tolist()),
    )


def recorded(now: TextMeasurement, start: TextMeasurement) -> dict[str, float | None]:
    """The fields of a `TrainStep` that are about held-out text.

    The ratio of perplexities is None with fewer than two windows. Its interval, at `CONFIDENCE`, is paired: the unit is
    the window, in which both have predicted the same tokens, so that easy and hard text cancels. The mean of the
    differences in nats per token has Student's t interval, and the ratio is its exponential.
    """
    from scipy import special

    differences = np.subtract(now.window_nats, start.window_nats)
    count = len(differences)
    ratio, low, high = None, None, None
    if count > 1:
        mean = float(differences.mean())
        half = float(special.stdtrit(count - 1, (1 + CONFIDENCE) / 2) * differences.std(ddof=1)) / math.sqrt(count)
        ratio, low, high = _exp(mean), _exp(mean - half), _exp(mean + half)
    return {
        "kl_to_start": now.kl_to_start,
        "held_out_perplexity": now.perplexity,
        "wanted_mass_text": now.wanted_mass,
        "perplexity_ratio": ratio,
        "perplexity_ratio_low": low,
        "perplexity_ratio_high": high,
    }


def _exp(nats: float) -> float:
    return math.exp(min(700.0, nats))

"""Shortcuts that a loaded network must prove before they are used.

Reading many rows at once, keeping keys and values, masking parts of a row: each gives what the plain way gives for
some families and something else for others. So each is tried on a short row of random tokens the first time it is
wanted; if the shortcut differs, or fails in any way, the plain way is taken from then on.
"""

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from engine.models import network as networks

if TYPE_CHECKING:
    from engine.models.loaded import LoadedModel

SHORTEST = 40
"""Tokens of a probe, unless something asks for a longer one."""
_BEYOND = 24
"""Tokens by which a probe goes beyond a limit that the rows in question go beyond as well."""
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2, "int8": 5e-2, "nf4": 5e-2, "fp4": 5e-2}
"""Largest difference of logits, as a share of their spread, that is rounding in a model of this precision."""
ROUNDED_APART = {"bfloat16": 0.1, "int8": 0.2, "nf4": 0.1, "fp4": 0.1}
"""Share of the logits' spread by which rows may differ in a lower precision, as a root mean square of each position,
averaged over positions. Through rounding alone SmolLM2 135M and Gemma 3 270M differ by 0.01 to 0.03 in bfloat16, single
logits by up to 0.4, and SmolLM2 by 0.01 in nf4 and 0.07 to 0.15 in int8, whose scales depend on what is read together;
in bfloat16 they differ by 0.28 and 0.37 if endings in one row stand at the wrong positions or see each other."""
_MOST_POSITIONS = 64


_found: "weakref.WeakKeyDictionary[torch.nn.Module, dict[tuple[str, int], bool]]" = weakref.WeakKeyDictionary()
"""For each network: (shortcut, length of its probe) -> whether it holds."""
_lock = threading.RLock()


def holds(
    model: "LoadedModel",
    shortcut: str,
    length: int,
    fast: Callable[[torch.Tensor], torch.Tensor],
    plain: Callable[[torch.Tensor], torch.Tensor],
    *,
    logits: bool = False,
) -> bool:
    """Whether a shortcut may be used on rows of `length` tokens; tried once for each kind of length.

    Parameters
    ----------
    model : the network that is asked
    shortcut : its name; proofs are remembered under it
    length : tokens of the longest row in question. If it is beyond a window or another limit of the network
        (`engine.models.network.reaches`), so is the probe.
    fast, plain : both take (n,) token ids and give (m, width) hidden states for the same positions. Anything that
        `fast` raises counts as a refutation.
    logits : whether they give (m, V) logits instead
    """
    size = _probe_length(model, length)
    with _lock:
        found, key = _found.setdefault(model.network, {}), (shortcut, size)
        if key not in found:
            found[key] = _tried(model, size, fast, plain, logits)
        return found[key]


def _probe_length(model: "LoadedModel", length: int) -> int:
    """Tokens of the probe that stands for rows of `length` tokens."""
    passed = [reach for reach in networks.reaches(model.network) if reach < length]
    longest = max(passed, default=0)
    return min(max(SHORTEST, longest + _BEYOND), max(2, model.context_length))


@torch.inference_mode()
def _tried(
    model: "LoadedModel",
    size: int,
    fast: Callable[[torch.Tensor], torch.Tensor],
    plain: Callable[[torch.Tensor], torch.Tensor],
    logits: bool,
) -> bool:
    known = min(model.tokenizer.size, model.vocab_size)
    token_ids = torch.randint(known, (size,), generator=torch.Generator().manual_seed(0))
    expected = plain(token_ids)
    try:
        got = fast(token_ids)
    except Exception:  # whatever a family's own code raises when asked for what it does not do
        return False
    if got.shape != expected.shape:
        return False
    places = torch.linspace(0, len(got) - 1, min(len(got), _MOST_POSITIONS)).round().long().to(got.device)
    ours, theirs = got[places], expected[places]
    if not logits:
        ours, theirs = model.logits(ours), model.logits(theirs)
    return same(ours, theirs, model.precision)


def same(ours: torch.Tensor, theirs: torch.Tensor, precision: str) -> bool:
    """Whether logits (n, V) of two ways through a network differ by its precision's rounding only.

    Rounding to 8 bits in every layer leaves no largest difference that tells it from a mistake in one place; but a
    mistake moves most of the logits, and rounding moves them a little.
    """
    if precision == "float32":
        return alike(ours, theirs, TOLERANCE[precision])
    ours, theirs = ours.float(), theirs.float()
    known = theirs > networks.LOWEST_LOGIT / 10
    squares = torch.where(known, ours - theirs, 0.0).pow(2).sum(1) / known.sum(1)
    return squares.sqrt().mean().item() <= ROUNDED_APART[precision] * theirs[known].std().item()


def alike(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> bool:
    """Whether two sets of logits (n, V) differ by at most `tolerance` times their spread; masked ids do not count."""
    theirs, ours = theirs.float(), ours.float()
    known = theirs > networks.LOWEST_LOGIT / 10
    largest = torch.where(known, ours - theirs, 0.0).abs().max().item()
    return largest <= tolerance * theirs[known].std().item()

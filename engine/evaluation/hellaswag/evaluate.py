"""HellaSwag: how often a model finds the true ending the likeliest of four.

Same tokens and log-likelihoods as lm-evaluation-harness, the opening token included, with the head only over ending
tokens and the context computed once for the four endings, if the network has proved that this changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from engine import errors
from engine.arrays import Bools, Floats, Ints
from engine.evaluation import hidden_states
from engine.evaluation.estimates import Estimate, share
from engine.evaluation.hellaswag import packing
from engine.evaluation.hellaswag.items import ENDINGS, HellaSwagItem
from engine.evaluation.runs.batches import Content, Keeper, as_part, kept_steps
from engine.evaluation.runs.store import Batch
from engine.models.loaded import LoadedModel, ScoringModel
from engine.models.opening import Bos, opening_ids
from engine.steps import Progress, Steps, blocking

Convention = Literal["acc", "acc_norm", "acc_bytes"]
CONVENTIONS: tuple[Convention, ...] = ("acc", "acc_norm", "acc_bytes")

BATCH_TOKENS = 1024
"""Tokens of one forward pass: large enough to keep two cores busy, small enough that a stop takes about a second."""
APART = "Each ending is read alone: this network gives other numbers for endings packed in one row."
"""Said if the slower way is taken."""


@dataclass(frozen=True, eq=False)
class HellaSwagResult:
    """One model's log-likelihoods of four endings for n items.

    Attributes
    ----------
    model_key, model_title : what computed them
    items : (n,) int64, which of the items given they are
    labels : (n,) int64, index of the true ending
    log_likelihoods : (n, 4) float64, nats, summed over the ending's tokens
    characters, octets, tokens : (n, 4) int64, lengths of the endings
    seconds : time computed, without pauses
    left_out : items of which an ending has no token that the model could predict after the context
    notes : sentences that a reader of the numbers should see
    """

    model_key: str
    model_title: str
    items: Ints
    labels: Ints
    log_likelihoods: Floats
    characters: Ints
    octets: Ints
    tokens: Ints
    seconds: float
    left_out: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def normalised(self, convention: Convention) -> Floats:
        """(n, 4) what the choice compares: the sum, or the sum per character or per UTF-8 byte of the ending."""
        lengths = {"acc": np.ones_like(self.characters), "acc_norm": self.characters, "acc_bytes": self.octets}
        return self.log_likelihoods / lengths[convention]

    def choices(self, convention: Convention) -> Ints:
        """(n,) index of the ending chosen; the first of equals."""
        found: Ints = self.normalised(convention).argmax(axis=1).astype(np.int64)
        return found

    def right(self, convention: Convention) -> Bools:
        """(n,) whether the chosen ending is the true one."""
        right: Bools = self.choices(convention) == self.labels
        return right

    def accuracy(self, convention: Convention) -> Estimate:
        """Share of items answered right, with its standard error."""
        return share(self.right(convention))

    @property
    def probabilities(self) -> Floats:
        """(n, 4) softmax over the four sums: P(ending | context, one of these four)."""
        shifted = np.exp(self.log_likelihoods - self.log_likelihoods.max(axis=1, keepdims=True))
        found: Floats = shifted / shifted.sum(axis=1, keepdims=True)
        return found


def evaluate_hellaswag_steps(
    model: ScoringModel,
    items: Sequence[HellaSwagItem],
    *,
    bos: Bos = "auto",
    keep: Keeper | None = None,
    stage: str = "items",
    batch_tokens: int = BATCH_TOKENS,
) -> Steps[HellaSwagResult]:
    """Log-likelihoods of every ending of `items`, and from them the accuracies, batch by batch.

    Items with an ending that has no tokens of its own, or more of them than the model reads, are left out and counted.

    Parameters
    ----------
    model, items
        Who reads, and what.
    bos
        Whether a token opens each context; see `engine.models.opening`.
    keep, stage
        Where finished batches go, and under which name.
    batch_tokens
        Tokens read at once.

    Raises
    ------
    InputError
        There are no items, or every one would be left out.
    ParameterError
        The opening token is asked for and the model has none.
    """
    if not items:
        raise errors.InputError("There are no items to evaluate.")
    keep = keep or Keeper()
    yield Progress("Reading the items", 0, len(items), "items")
    asked = _batches(model, items, bos, batch_tokens)
    total = sum(len(batch.members) for batch in asked)
    done: list[Batch] = []
    answered = 0
    for place, batch in enumerate(asked):
        note = batch.note(model)
        message = f"HellaSwag with {model.title}" + (f". {note}" if note else "")
        work = as_part(_batch_steps(model, batch), message, answered, 0, total, "items")
        done.append((yield from kept_steps(keep, stage, place, work)))
        answered += len(batch.members)
        yield Progress(message, answered, total, "items")
    return reopened(done, items)


evaluate_hellaswag = blocking(evaluate_hellaswag_steps)


def reopened(batches: Iterable[Batch], items: Sequence[HellaSwagItem]) -> HellaSwagResult:
    """The result of kept batches; of a run that is not finished, the items answered so far."""
    sums, tokens = np.full((len(items), ENDINGS), np.nan), np.zeros((len(items), ENDINGS), dtype=np.int64)
    seconds, title, key, left_out = 0.0, "", "", 0
    said: list[str] = []
    for batch in batches:
        members = batch.arrays["members"]
        sums[members], tokens[members] = batch.arrays["log_likelihoods"], batch.arrays["tokens"]
        seconds, title, key = seconds + batch.seconds, batch.data["model_title"], batch.data["model_key"]
        left_out, note = batch.data.get("left_out", 0), batch.data.get("note")
        said += [note] if note and note not in said else []
    answered = np.flatnonzero(np.isfinite(sums[:, 0]))
    found = [items[index] for index in answered.tolist()]
    return HellaSwagResult(
        model_key=key,
        model_title=title,
        items=answered,
        labels=np.array([item.label for item in found], dtype=np.int64),
        log_likelihoods=sums[answered],
        characters=_lengths(len, found),
        octets=_lengths(lambda ending: len(ending.encode()), found),
        tokens=tokens[answered],
        seconds=seconds,
        left_out=left_out,
        notes=(*_left_out_note(left_out), *said),
    )


def shared(
    items: Sequence[HellaSwagItem], results: Sequence[HellaSwagResult]
) -> tuple[tuple[HellaSwagItem, ...], tuple[HellaSwagResult, ...]]:
    """The items that every result has answered, and the results over just these, so that row is set beside row."""
    common = np.arange(len(items))
    for result in results:
        common = np.intersect1d(common, result.items)
    return tuple(items[index] for index in common.tolist()), tuple(_only(result, common) for result in results)


def _only(result: HellaSwagResult, places: Ints) -> HellaSwagResult:
    rows = np.isin(result.items, places)
    named = ("items", "labels", "log_likelihoods", "characters", "octets", "tokens")
    return replace(result, **{name: getattr(result, name)[rows] for name in named})


def _left_out_note(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    items = "1 item was" if count == 1 else f"{count:,} items were"
    return (f"{items} left out: an ending has no tokens of its own after the context, or more than the model reads.",)


def _lengths(measure: Callable[[str], int], items: Sequence[HellaSwagItem]) -> Ints:
    listed = [[measure(ending) for ending in item.endings] for item in items]
    return np.array(listed, dtype=np.int64).reshape(-1, ENDINGS)


@dataclass(frozen=True, eq=False)
class _AskedBatch:
    """Items read together, their places in the run, and how many of the run's are left out."""

    members: list[int]
    items: list[packing.EncodedItem]
    left_out: int

    def packed(self, model: ScoringModel) -> bool:
        """Whether the endings of an item share a row."""
        return self._fits(model) and packing.packs(model, max(item.packed_length for item in self.items))

    def note(self, model: ScoringModel) -> str:
        """Why the slower way is taken, if a faster one was tried."""
        asked = isinstance(model, LoadedModel) and self._fits(model)
        return APART if asked and not self.packed(model) else ""

    def _fits(self, model: ScoringModel) -> bool:
        return max(item.longest for item in self.items) <= model.context_length


def _batches(model: ScoringModel, items: Sequence[HellaSwagItem], bos: Bos, budget: int) -> list[_AskedBatch]:
    """The items that the model can answer, in batches of at most `budget` tokens."""
    # A context without tokens is read after one that opens or ends texts; see `packing.encode_item`.
    alone = model.tokenizer.backend.eos_token_id if model.bos_id is None else model.bos_id
    opening = opening_ids(model, bos)
    encoded = [packing.encode_item(model.tokenizer, item, opening, alone=alone) for item in items]
    chosen = [place for place, item in enumerate(encoded) if item.readable(model.context_length)]
    if not chosen:
        raise errors.InputError("No item can be evaluated: each has an ending without tokens of its own.")
    together = hidden_states.batches([encoded[index].packed_length for index in chosen], budget)
    left_out = len(items) - len(chosen)
    batches = ([chosen[member] for member in members] for members in together)
    return [_AskedBatch(places, [encoded[place] for place in places], left_out) for places in batches]


def _batch_steps(model: ScoringModel, batch: _AskedBatch) -> Steps[Content]:
    """Log-likelihoods (items, 4) of one batch."""
    log_probs = (_packed_log_probs if batch.packed(model) else _apart_log_probs)(model, batch.items)
    lengths = np.array([[len(ending) for ending in item.endings] for item in batch.items])
    sums = [piece.double().sum().item() for piece in torch.split(log_probs, lengths.ravel().tolist())]
    yield Progress("One batch", 1, 1, "batches")
    arrays = {
        "members": np.array(batch.members),
        "log_likelihoods": np.array(sums).reshape(-1, ENDINGS),
        "tokens": lengths,
    }
    data = {"model_title": model.title, "model_key": model.key, "left_out": batch.left_out, "note": batch.note(model)}
    return arrays, data


def _packed_log_probs(model: ScoringModel, encoded: Sequence[packing.EncodedItem]) -> torch.Tensor:
    assert isinstance(model, LoadedModel)  # noqa: S101 - see `packing.packs`
    batch = packing.pack(encoded)
    return hidden_states.target_log_probs(model, packing.packed_hidden_states(model, batch), batch.targets)


def _apart_log_probs(model: ScoringModel, encoded: Sequence[packing.EncodedItem]) -> torch.Tensor:
    """Each ending in a row of its own; a context too long loses its beginning."""
    found = []
    for item in encoded:
        read, counts = packing.rows([item], model.context_length)
        hidden = hidden_states.tail_states(model, read, counts)
        found.append(hidden_states.target_log_probs(model, hidden, torch.from_numpy(np.concatenate(item.endings))))
    return torch.cat(found)

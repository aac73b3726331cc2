"""HellaSwag: how often a model finds the true ending the likeliest of four.

Same tokens and log-likelihoods as lm-evaluation-harness, with the context computed once for the four endings and the
head only over ending tokens.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from engine import errors
from engine.corpus import endings as layout
from engine.corpus import forward
from engine.corpus.items import ENDINGS, HellaSwagItem
from engine.corpus.keeping import Content, Keeper, NotKept, as_part, kept_steps
from engine.corpus.statistics import Estimate, share
from engine.corpus.store import Batch
from engine.model import ScoringModel
from engine.steps import Progress, Steps, run

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Convention = Literal["acc", "acc_norm", "acc_bytes"]
CONVENTIONS: tuple[Convention, ...] = ("acc", "acc_norm", "acc_bytes")

BATCH_TOKENS = 1024
"""Tokens of one forward pass: large enough to keep two cores busy, small enough that a stop takes about a second."""


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

    def right(self, convention: Convention) -> npt.NDArray[np.bool_]:
        """(n,) whether the chosen ending is the true one."""
        right: npt.NDArray[np.bool_] = self.choices(convention) == self.labels
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


def evaluate_hellaswag(model: ScoringModel, items: Sequence[HellaSwagItem]) -> HellaSwagResult:
    """Log-likelihoods of every ending of `items`, and from them the accuracies. See `evaluate_hellaswag_steps`."""
    return run(evaluate_hellaswag_steps(model, items))


def evaluate_hellaswag_steps(
    model: ScoringModel,
    items: Sequence[HellaSwagItem],
    *,
    keep: Keeper | None = None,
    stage: str = "items",
    batch_tokens: int = BATCH_TOKENS,
) -> Steps[HellaSwagResult]:
    """Score `items` batch by batch, each batch kept under `stage`.

    Raises
    ------
    InputError
        There are no items, or an ending has no tokens of its own.
    """
    if not items:
        raise errors.InputError("There are no items to evaluate.")
    keep = keep or NotKept()
    yield Progress("Reading the items", 0, len(items), "items")
    encoded = [layout.encode_item(model.tokenizer, item) for item in items]
    _check_endings(encoded)
    done: list[Batch] = []
    message, answered = f"HellaSwag with {model.title}", 0
    for place, members in enumerate(layout.batches(encoded, batch_tokens)):
        work = as_part(_batch_steps(model, encoded, members), message, answered, 0, len(items), "items")
        done.append((yield from kept_steps(keep, stage, place, lambda work=work: work)))  # type: ignore[misc]
        answered += len(members)
        yield Progress(message, answered, len(items), "items")
    return reopened(done, items)


def reopened(batches: Iterable[Batch], items: Sequence[HellaSwagItem]) -> HellaSwagResult:
    """The result of kept batches; of a run that is not finished, the items answered so far."""
    sums, tokens = np.full((len(items), ENDINGS), np.nan), np.zeros((len(items), ENDINGS), dtype=np.int64)
    seconds, title, key = 0.0, "", ""
    for batch in batches:
        members = batch.arrays["members"]
        sums[members], tokens[members] = batch.arrays["log_likelihoods"], batch.arrays["tokens"]
        seconds, title, key = seconds + batch.seconds, batch.data["model_title"], batch.data["model_key"]
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
    )


def _lengths(measure: Callable[[str], int], items: Sequence[HellaSwagItem]) -> Ints:
    listed = [[measure(ending) for ending in item.endings] for item in items]
    return np.array(listed, dtype=np.int64).reshape(-1, ENDINGS)


def _check_endings(encoded: Sequence[layout.EncodedItem]) -> None:
    for number, item in enumerate(encoded, start=1):
        if not all(len(ending) for ending in item.endings):
            raise errors.InputError(f"Item {number}: an ending has no tokens of its own after the context.")


def _batch_steps(model: ScoringModel, encoded: Sequence[layout.EncodedItem], members: list[int]) -> Steps[Content]:
    """Log-likelihoods (items, 4) of one batch. An item longer than the model reads is scored ending by ending."""
    chosen = [encoded[index] for index in members]
    if forward.takes_masks(model) and max(item.longest for item in chosen) <= model.context_length:
        log_probs = _packed_log_probs(model, chosen)
    else:
        log_probs = torch.cat([_ending_log_probs(model, item, ending) for item in chosen for ending in item.endings])
    lengths = np.array([[len(ending) for ending in item.endings] for item in chosen])
    sums = [piece.double().sum().item() for piece in torch.split(log_probs, lengths.ravel().tolist())]
    yield Progress("One batch", 1, 1, "batches")
    arrays = {
        "members": np.array(members),
        "log_likelihoods": np.array(sums).reshape(-1, ENDINGS),
        "tokens": lengths,
    }
    return arrays, {"model_title": model.title, "model_key": model.key}


def _packed_log_probs(model: ScoringModel, encoded: Sequence[layout.EncodedItem]) -> torch.Tensor:
    batch = layout.pack(encoded)
    hidden = forward.masked_hidden_states(model, batch.token_ids, batch.visible, batch.positions)
    queries = hidden[batch.query_rows.to(hidden.device), batch.query_columns.to(hidden.device)]
    return forward.target_log_probs(model, queries, batch.targets)


def _ending_log_probs(model: ScoringModel, item: layout.EncodedItem, ending: Ints) -> torch.Tensor:
    """(len(ending),) log-probabilities in a row of its own; a context too long loses its beginning."""
    row = np.concatenate([item.context, ending])[-(model.context_length + 1) :]
    ending = ending[-(len(row) - 1) :]
    hidden = model.hidden_states(torch.from_numpy(row[None, :-1]))[0, -len(ending) :]
    return forward.target_log_probs(model, hidden, torch.from_numpy(ending))

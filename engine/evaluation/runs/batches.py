"""Where an evaluation puts its finished batches: nowhere for a notebook, in the store for a run that can be resumed.

An evaluation asks `get` for each batch first and computes only what is not there, so the same code starts, resumes and
reopens.
"""

from collections.abc import Mapping
from time import perf_counter
from typing import Any, TypeVar

from engine.arrays import Arrays, Floats32
from engine.evaluation.runs.store import Batch, RunStore
from engine.steps import Progress, Steps, Watched

T = TypeVar("T")
Content = tuple[Arrays, dict[str, Any]]


class Keeper:
    """Holds finished batches by stage and place. This one keeps nothing, so that memory does not grow with the data."""

    def get(self, stage: str, place: int) -> Batch | None:
        """The batch, or None if it is not done."""
        return None

    def put(self, batch: Batch) -> None:
        """Keep a finished batch."""

    def features(self, model_key: str, digests: list[str]) -> dict[str, Floats32]:
        """Kept feature vectors by text digest."""
        return {}

    def put_features(self, model_key: str, vectors: Mapping[str, Floats32]) -> None:
        """Keep feature vectors by text digest."""


class RunKeeper(Keeper):
    """Keeps the batches of one run in the store."""

    def __init__(self, store: RunStore, run_id: str) -> None:
        self._store, self._run_id = store, run_id

    def get(self, stage: str, place: int) -> Batch | None:
        """See `Keeper`."""
        return self._store.batch(self._run_id, stage, place)

    def put(self, batch: Batch) -> None:
        """See `Keeper`."""
        self._store.save(self._run_id, batch.stage, batch.place, batch.arrays, batch.data, batch.seconds)

    def features(self, model_key: str, digests: list[str]) -> dict[str, Floats32]:
        """See `Keeper`."""
        return self._store.features(model_key, digests)

    def put_features(self, model_key: str, vectors: Mapping[str, Floats32]) -> None:
        """See `Keeper`."""
        self._store.save_features(model_key, vectors)


def kept_steps(keep: Keeper, stage: str, place: int, work: Steps[Content]) -> Steps[Batch]:
    """The kept batch, or the one `work` makes, timed without the pauses between its steps, and kept."""
    found = keep.get(stage, place)
    if found is not None:
        yield Progress("Looking through what is kept", kept=True)
        return found
    watched, seconds, started = Watched(work), 0.0, perf_counter()
    for progress in watched:
        seconds += perf_counter() - started
        yield progress
        started = perf_counter()
    arrays, data = watched.result
    batch = Batch(stage, place, seconds + perf_counter() - started, arrays, data)
    keep.put(batch)
    return batch


def as_part(work: Steps[T], message: str, done: int, size: int, total: int, unit: str) -> Steps[T]:
    """`work` as the part from `done` to `done + size` of a larger whole: its progress is told as the whole's."""
    watched = Watched(work)
    for progress in watched:
        yield Progress(message, done + int(size * (progress.fraction or 0.0)), total, unit)
    return watched.result

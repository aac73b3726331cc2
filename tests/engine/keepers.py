"""A keeper that tests can look into and hand on."""

from collections.abc import Mapping

from engine.arrays import Floats32
from engine.evaluation.runs.batches import Keeper
from engine.evaluation.runs.store import Batch


class MemoryKeeper(Keeper):
    """Keeps batches for as long as it lives."""

    def __init__(self) -> None:
        self._batches: dict[tuple[str, int], Batch] = {}
        self._features: dict[tuple[str, str], Floats32] = {}

    def get(self, stage: str, place: int) -> Batch | None:
        return self._batches.get((stage, place))

    def put(self, batch: Batch) -> None:
        self._batches[batch.stage, batch.place] = batch

    def features(self, model_key: str, digests: list[str]) -> dict[str, Floats32]:
        return {
            digest: self._features[model_key, digest] for digest in digests if (model_key, digest) in self._features
        }

    def put_features(self, model_key: str, vectors: Mapping[str, Floats32]) -> None:
        self._features.update({(model_key, digest): vector for digest, vector in vectors.items()})

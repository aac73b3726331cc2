"""What an evaluation is, whichever it is, and what it gets to work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.evaluation.row import Row
from engine.evaluation.runs.batches import Keeper
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run, RunStore
from engine.models.loaded import LoadedModel
from engine.models.request import ModelRequest
from engine.steps import Steps


@dataclass(frozen=True)
class Work:
    """A run to be done: what was asked, on which data, where batches go, and how to come by a model.

    `load` takes the model's role in the run beside the model; it records what was loaded, and refuses another model
    than the run began with.
    """

    settings: dict[str, Any]
    inputs: Any
    keep: Keeper
    load: Callable[[str, ModelRequest], Steps[LoadedModel]]


class Evaluation(Protocol):
    """A kind of evaluation: a package of `engine.evaluation`, or anything else that has this."""

    KIND: str
    """Its name in kept runs and addresses; never changed."""
    TITLE: str
    """Its name for people."""
    plan: Callable[..., Plan]
    """Plans a run from models and data of its own form. Looks at them, and reads and writes nothing else."""

    def models(self, settings: Mapping[str, Any]) -> list[ModelRequest]:
        """The models that a run with these settings judges, base first; none for given data."""
        ...

    def steps(self, work: Work) -> Steps[Any]:
        """Do what is left of a run and return its result."""
        ...

    def reopen(self, store: RunStore, run: Run) -> Any:
        """The result of the batches that are kept, at least one, without a model; None if that is nothing yet."""
        ...

    def summary(self, result: Any) -> dict[str, Any]:
        """The numbers of a result without its columns, JSON-ready but for NaN."""
        ...

    def rows(self, run: Run | None) -> list[Row]:
        """Its lines in the table at a glance: of a finished run, or of none."""
        ...

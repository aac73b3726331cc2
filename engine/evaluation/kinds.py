"""The evaluations there are, in the order in which they are shown. A new one is a package and a line here."""

from engine.evaluation import divergence, hellaswag, mauve
from engine.evaluation.evaluation import Evaluation
from engine.evaluation.runs.store import Run
from engine.models.request import ModelRequest

_ALL: tuple[Evaluation, ...] = (divergence, hellaswag, mauve)
EVALUATIONS = {evaluation.KIND: evaluation for evaluation in _ALL}


def title(kind: str) -> str:
    """The kind's name for people; of a kind not known here, as a later version may have kept it, its own."""
    return EVALUATIONS[kind].TITLE if kind in EVALUATIONS else kind


def models_of(run: Run) -> list[ModelRequest]:
    """The models a run judges, base first; none for two given sets of texts."""
    return EVALUATIONS[run.kind].models(run.settings)

"""The one place where pages meet the engine: models and results held for the whole process, work done in one queue.

A page calls `score_text` or `compare_models` and gets the result at once if it is kept. Otherwise it waits its turn
with progress in view. Leaving a page, pressing Stop or closing the browser gives the place up; work that nobody waits
for any more is cancelled at its next step.
"""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache, partial
from typing import Literal, TypedDict, TypeVar, Unpack

from engine.errors import TextError
from engine.jobs.once import per_process
from engine.jobs.queue import Queue, Ticket
from engine.jobs.results import Results
from engine.models import registry
from engine.models.loading import LOADING_CHARACTERS
from engine.models.opening import Bos
from engine.models.pool import ModelPool
from engine.models.request import LocatedModel, ModelRequest
from engine.scoring import compare, score
from engine.scoring.results import ModelComparison, TextScores
from engine.steps import Stages, Steps
from engine.strip import payload
from ui import progress

T = TypeVar("T")

MOST_CHARACTERS = 100_000
"""Longest text a page takes: about 25,000 tokens, which a browser still draws and scrolls without a hitch."""


class Settings(TypedDict, total=False):
    """How a text is read; what is left out is as in `engine.scoring.score.score_text_steps`."""

    top_k: int
    bos: Bos
    special_tokens: bool
    window: int | None
    stride: int | None


class PairSettings(Settings, total=False):
    """How two models read a text and are compared, as in `engine.scoring.compare.compare_models_steps`."""

    common_tokens: bool


_MOST_KEPT_BYTES = 500_000_000  # of kept results; the longest text's takes about 15 MB
_PAYLOADS = 16

PAIR = (ModelRequest(registry.DEFAULT_MODEL), ModelRequest(registry.DEFAULT_MODEL, "nf4"))
"""What is compared unless told otherwise: the default model and its 4-bit form. The first is every page's model."""


@per_process
def pool() -> ModelPool:
    """Every loaded model of the process, one copy of each."""
    return ModelPool()


@per_process
def queue() -> Queue:
    """The queue for everything that runs a model, and the results it keeps."""
    return Queue(Results(most_bytes=_MOST_KEPT_BYTES))


def score_text(name: str, precision: str, text: str, **settings: Unpack[Settings]) -> TextScores:
    """One model's reading of one text, kept or computed while the page waits in view.

    Raises
    ------
    EngineError
        Whatever loading or scoring refuses, or `Cancelled` after Stop.
    """
    refuse_long(text)
    return computed(*_scoring(ModelRequest(name, precision), text, settings))


def compare_models(a: ModelRequest, b: ModelRequest, text: str, **settings: Unpack[PairSettings]) -> ModelComparison:
    """Two models' readings of one text, aligned; otherwise like `score_text`."""
    refuse_long(text)
    return computed(*_comparing(a, b, text, settings))


def ahead_of_time(choices: tuple[ModelRequest, ...], text: str) -> Ticket[TextScores] | Ticket[ModelComparison]:
    """Queue the score (one choice) or the comparison (two) that a page will ask for, without waiting."""
    if len(choices) == 1:
        return queue().submit(*_scoring(choices[0], text, {}))
    return queue().submit(*_comparing(choices[0], choices[1], text, {}))


def computed(key: Hashable, make_steps: Callable[[], Steps[T]]) -> T:
    """Any other long work of a page, by the same rules. `key` holds everything the result depends on."""
    progress.refuse_stopped(key)
    return progress.result_of(queue().submit(key, make_steps, owners={progress.session()}), key)


@lru_cache(maxsize=_PAYLOADS)
def strip_payload(scores: TextScores) -> payload.Payload:
    """Data of the strip of a reading, made once: a page that is touched draws itself anew."""
    return payload.payload(scores)


@lru_cache(maxsize=_PAYLOADS)
def comparison_payload(comparison: ModelComparison, which: Literal["difference", "a", "b"]) -> payload.Payload:
    """Data of one of the strips of a comparison, made once."""
    return payload.comparison_payload(comparison, which)


def text_hash(text: str) -> str:
    """Short name of a text for keys; lone surrogates do not disturb it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def with_models(
    wanted: Sequence[ModelRequest | LocatedModel], characters: int, work: Callable[..., Steps[T]]
) -> Steps[T]:
    """Load models and do `work` with them, which reads about so many characters."""
    stages = Stages(*[LOADING_CHARACTERS] * len(wanted), characters)
    models = []
    for one in wanted:
        model = yield from stages.next(pool().load_steps(one))
        models.append(model)
    return (yield from stages.next(work(*models)))


def _scoring(choice: ModelRequest, text: str, settings: Settings) -> tuple[Hashable, Callable[[], Steps[TextScores]]]:
    located = choice.located()
    work = partial(score.score_text_steps, text=text, **settings)
    key = ("score", located.request, text_hash(text), _all_settings(settings))
    return key, partial(with_models, (located,), len(text), work)


def _comparing(
    a: ModelRequest, b: ModelRequest, text: str, settings: PairSettings
) -> tuple[Hashable, Callable[[], Steps[ModelComparison]]]:
    located = a.located(), b.located()
    work = partial(compare.compare_models_steps, text=text, **settings)
    key = ("compare", *(one.request for one in located), text_hash(text), _all_settings(settings))
    return key, partial(with_models, located, 2 * len(text), work)


def _all_settings(settings: Settings) -> tuple[tuple[str, object], ...]:
    """Every setting, so that one left out and one given its default make one key."""
    defaults: Settings = {"top_k": 10, "bos": "auto", "window": None, "stride": None, "special_tokens": False}
    return tuple({**defaults, "common_tokens": False, **settings}.items())


def refuse_long(text: str) -> None:
    """Raise a `TextError` if `text` is longer than a page takes."""
    if len(text) > MOST_CHARACTERS:
        raise TextError(
            f"The text has {len(text):,} characters; a page takes {MOST_CHARACTERS:,}. Shorten it, or save it as a "
            "file and run: python -m engine score --json FILE"
        )

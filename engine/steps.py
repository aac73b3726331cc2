"""Long work as a generator of finished steps.

A long computation is a generator that yields a `Progress` after each step and returns its result. A page, a test,
the command line and a notebook drive it alike, and it can be stopped at any step by not asking for the next one.
A function `x_steps` makes such a generator; `x = blocking(x_steps)` does the work in one call.
"""

import inspect
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Generic, ParamSpec, TypeVar, cast, get_args

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been done so far.

    `done` and `total` count the same `unit` ("tokens", "bytes", "steps"); `total` is None while it is not known.
    `message` is one plain sentence fragment for a person, e.g. "Scoring with SmolLM2 135M". Where the work has several
    stages, these tell of the present one and `overall` is the share done of all of them in [0, 1] (see `Stages`).
    `kept` says that the next thing told was found done earlier, so that it tells nothing of the speed.
    """

    message: str
    done: int = 0
    total: int | None = None
    unit: str = "steps"
    overall: float | None = field(default=None, kw_only=True)
    kept: bool = field(default=False, kw_only=True)

    @property
    def fraction(self) -> float | None:
        """Share done of the whole work in [0, 1], or None while that is not known."""
        if self.overall is not None:
            return self.overall
        return min(1.0, self.done / self.total) if self.total else None


Steps = Generator[Progress, None, T]
"""A computation in steps: yields `Progress`, returns a `T`."""

OnProgress = Callable[[Progress], object]


class Watched(Iterator[Progress], Generic[T]):
    """The steps of some work for a `for` loop, after which `result` is there.

    Leaving the loop early neither ends nor closes the work; a second loop goes on with it.

    Examples
    --------
    >>> def work():
    ...     yield Progress("Counting", 1, 2)
    ...     return 42
    >>> watched = Watched(work())
    >>> [step.message for step in watched], watched.result
    (['Counting'], 42)
    """

    result: T

    def __init__(self, work: Steps[T]) -> None:
        self._work = work

    def __next__(self) -> Progress:
        try:
            return next(self._work)
        except StopIteration as stop:
            self.result = stop.value
            raise


class Stages:
    """The stages of one work, which go through `next` in turn, so that each step tells how far the whole is.

    Parameters
    ----------
    sizes : work expected of each stage, all in one unit of any kind, e.g. seconds

    Examples
    --------
    >>> def counting():
    ...     yield Progress("Counting", 1, 2)
    >>> stages = Stages(1, 3)
    >>> [step.overall for _ in range(2) for step in stages.next(counting())]
    [0.125, 0.625]
    """

    def __init__(self, *sizes: float) -> None:
        self._sizes = list(sizes)
        self._whole, self._before = sum(sizes), 0.0

    def next(self, work: Steps[T]) -> Steps[T]:
        """`work` as the next stage."""
        before, size = self._before, self._sizes.pop(0)
        self._before += size
        watched = Watched(work)
        for step in watched:
            yield replace(step, overall=(before + size * (step.fraction or 0.0)) / self._whole)
        return watched.result


def run(steps: Steps[T], on_progress: OnProgress | None = None) -> T:
    """Drive `steps` to the end and return its result, calling `on_progress` after each step."""
    watched = Watched(steps)
    for progress in watched:
        if on_progress is not None:
            on_progress(progress)
    return watched.result


def blocking(make_steps: Callable[P, Steps[T]]) -> Callable[P, T]:
    """The function that does the work of `make_steps` in one call: `x` for `x_steps`.

    It has the same parameters and documentation, and one parameter more, which type checkers cannot be told of:
    `on_progress`, called with a `Progress` after each step.
    """

    @wraps(make_steps)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        on_progress = cast("OnProgress | None", kwargs.pop("on_progress", None))
        return run(make_steps(*args, **kwargs), on_progress)

    steps_name, signature = make_steps.__name__, inspect.signature(make_steps)
    watcher = inspect.Parameter("on_progress", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=OnProgress)
    call.__name__ = call.__qualname__ = steps_name.removesuffix("_steps")
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), watcher],
        return_annotation=get_args(signature.return_annotation)[-1],
    )
    call.__doc__ = (
        f"{inspect.cleandoc(make_steps.__doc__ or '')}\n\nNotes\n-----\n"
        f"`on_progress` is called with a `Progress` after each step. `{steps_name}` is the same work step by step."
    )
    return call

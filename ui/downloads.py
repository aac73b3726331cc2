"""Models and data on their way to this machine. A download belongs to the machine, not to a page: it goes on while
people look at other pages, and everyone sees it.
"""

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar

from engine import sources
from engine.errors import Cancelled, EngineError
from engine.jobs.once import per_process
from engine.jobs.queue import Queue, Ticket
from engine.jobs.results import Results
from engine.models import registry
from engine.sources import hub_client
from engine.steps import Steps
from ui import progress

T = TypeVar("T")


@per_process
def queue() -> Queue:
    """One download at a time, beside the models' own queue: it waits for the network, not for the processor."""
    return Queue(Results(most=4))


@per_process
def tickets() -> dict[str, Ticket[Path]]:
    """The downloads of this process by the model's name, finished ones until someone has seen how they ended."""
    return {}


def start(name: str, *, accept_licence: bool = False) -> None:
    """Begin to fetch a model; the hub is asked, even if it did not answer a moment ago."""
    spec = registry.resolve(name)
    hub_client.forget_unreachable()
    tickets()[spec.name] = queue().submit(
        ("fetch", spec.name, accept_licence),
        lambda: sources.fetch_steps(spec, accept_licence=accept_licence),
        owners={progress.session()},
        keep=False,
    )


def fetched(key: Hashable, make_steps: Callable[[], Steps[T]]) -> T:
    """What a page fetches and waits for in view, e.g. a data set. `key` is everything it depends on."""
    hub_client.forget_unreachable()
    return progress.result_of(queue().submit(key, make_steps, owners={progress.session()}), key)


def outcome(name: str) -> EngineError | None:
    """How a finished download failed, if it did; asking forgets one that succeeded or was stopped."""
    ticket = tickets().get(name)
    if ticket is None or not ticket.ended:
        return None
    try:
        ticket.result()
    except Cancelled:
        pass
    except EngineError as error:
        return error
    tickets().pop(name, None)
    return None


def running() -> dict[str, Ticket[Path]]:
    """The models that are being fetched or wait for it, by name. Left, a download stops after the piece in hand; what
    has come is kept if the source can go on from it.
    """
    return {name: ticket for name, ticket in tuple(tickets().items()) if not ticket.ended}

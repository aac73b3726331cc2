"""Models on their way to this machine. A download belongs to the machine, not to a page: it goes on while people look
at other pages, and everyone sees it.
"""

from pathlib import Path

import streamlit as st

from engine import sources
from engine.errors import Cancelled, EngineError
from engine.jobs.worker import Ticket, Worker
from engine.models import registry


@st.cache_resource(show_spinner=False)
def queue() -> Worker:
    """One download at a time, beside the models' own queue: it waits for the network, not for the processor."""
    return Worker()


@st.cache_resource(show_spinner=False)
def tickets() -> dict[str, Ticket[Path]]:
    """The downloads of this process by the model's name, finished ones until someone has seen how they ended."""
    return {}


def start(name: str, *, accept_licence: bool = False) -> None:
    """Begin to fetch a model."""
    spec = registry.resolve(name)
    key = ("fetch", spec.name, accept_licence)
    queue().forget(key)
    tickets()[spec.name] = queue().submit(key, lambda: sources.fetch_steps(spec, accept_licence=accept_licence))


def stop(name: str) -> None:
    """Stop fetching; what has come so far is kept where the source can go on from it."""
    ticket = tickets().pop(name, None)
    if ticket is not None:
        ticket.leave()


def outcome(name: str) -> EngineError | None:
    """How a finished download failed, if it did; asking forgets a download that succeeded."""
    ticket = tickets().get(name)
    if ticket is None or not ticket.done:
        return None
    try:
        ticket.result()
    except Cancelled:
        pass
    except EngineError as error:
        return error
    tickets().pop(name, None)
    return None


def running() -> list[str]:
    """Names of the models that are being fetched or wait for it."""
    return [name for name, ticket in tickets().items() if not ticket.done]

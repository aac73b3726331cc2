"""Models of the hub."""

from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UnreachableError
from engine.sources.availability import Availability
from engine.sources.kinds import Hub
from engine.steps import Progress, Steps

if TYPE_CHECKING:
    from engine.registry import ModelSpec


def availability(spec: "ModelSpec", source: Hub, *, probe: bool) -> Availability:
    """Whether the model is in the hub's cache on this machine."""
    return Availability("fetchable", None, 0, "Not on this machine.")


def fetch_steps(spec: "ModelSpec", source: Hub) -> Steps[Path]:
    """Download."""
    yield Progress(f"Asking the hub for {spec.title}")
    raise UnreachableError("The hub cannot be reached.")

"""The commands `models` and `fetch`."""

import argparse
from typing import Any

from engine import sources
from engine.commands import options, progress
from engine.models import registry
from engine.sources.availability import Availability
from engine.sources.kinds import ModelSpec


def add(commands: Any) -> None:
    """Add this module's commands."""
    models = options.command(commands, "models", _models, "list the models and whether they are on this machine")
    models.add_argument("--probe", action="store_true", help="also ask the hub about those that are not")
    fetch = options.command(commands, "fetch", _fetch, "get a model's files")
    fetch.add_argument("name", help="a name of the list, or a hub id (org/name or org/name@revision)")
    fetch.add_argument("--accept-licence", action="store_true", help="agree to the model's terms, if it has any")


def _models(given: argparse.Namespace) -> object:
    return [_entry(spec, sources.availability(spec, probe=given.probe)) for spec in registry.specs()]


def _fetch(given: argparse.Namespace) -> object:
    spec = registry.resolve(given.name)
    progress.run(sources.fetch_steps(spec, accept_licence=given.accept_licence))
    return _entry(spec, sources.availability(spec))


def _entry(spec: ModelSpec, found: Availability) -> dict[str, object]:
    named = ("name", "title", "family", "parameters", "context_length", "licence", "note")
    return {
        **{name: getattr(spec, name) for name in named},
        "state": found.state,
        "path": str(found.path) if found.path else None,
        "bytes_on_disk": found.bytes_on_disk,
        "message": found.message,
    }

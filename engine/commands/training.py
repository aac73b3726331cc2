"""The command `train-bias`: the same run as the page's, as JSON lines."""

import argparse
import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.commands import options, progress
from engine.errors import ParameterError
from engine.steps import Progress
from engine.training import presets
from engine.training.config import SETTINGS, BiasConfig
from engine.training.patterns import Pattern
from engine.training.schema import settings_of


def add(commands: Any) -> None:
    """Add this module's command."""
    like = "train a model to like some tokens, and measure what it costs"
    command = options.command(commands, "train-bias", _lines, like)
    names = [preset.name for preset in presets.PRESETS]
    command.add_argument("--preset", choices=names, default=names[0], help="settings to begin with (%(default)s)")
    command.add_argument("--pattern", help="the letter, words or expression (x)")
    kinds = settings_of(Pattern)["kind"].choices
    command.add_argument("--kind", choices=kinds, help="what the pattern is (letter)")
    command.add_argument("--match-case", action="store_true", help="x is not X")
    for setting in SETTINGS.values():
        name = f"--{setting.name.replace('_', '-')}"
        command.add_argument(name, type=setting.kind, choices=setting.choices or None, help=setting.help)
    command.add_argument("--save", type=Path, metavar="DIRECTORY", help="write the trained model there")


def configuration(given: argparse.Namespace) -> BiasConfig:
    """The preset with what the options change in it."""
    base = presets.preset(given.preset).config
    changed = {name: getattr(given, name) for name in SETTINGS if getattr(given, name) is not None}
    pattern = Pattern(
        given.kind or base.pattern.kind,
        base.pattern.text if given.pattern is None else given.pattern,
        base.pattern.ignore_case and not given.match_case,
    )
    return dataclasses.replace(base, pattern=pattern, **changed)


def _lines(given: argparse.Namespace) -> Iterator[object]:
    """The run's messages (engine/training/process.py) as they come."""
    import torch

    from engine.training import process

    config = configuration(given)
    if given.save is not None and given.save.is_file():
        raise ParameterError(f"--save {str(given.save)!r} is a file; give a directory.")
    torch.set_num_threads(1)  # as in the page's process: the same seed then gives the same curve, to the last digit
    with contextlib.closing(progress.Line()) as line:
        for message in process.narrate(config, folder=given.save):
            if message["event"] == "progress":
                line.show(Progress(message["message"]))
            else:
                line.close()
                yield message

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
from engine.training.config import CHOICES, BiasConfig
from engine.training.patterns import KINDS, Pattern

_HELP = {
    "start": "'scratch', or the name or directory of a model that is on this machine",
    "layers": "blocks of the network made from scratch",
    "width": "its width",
    "train_blocks": "train the last so many blocks only",
    "direction": "forward is D(Q||P), reverse D(P||Q)",
    "pull": "weight of that divergence",
    "beta": "weight of KL(P||P_start) on real text",
    "pull_on": "the last position of random tokens, or every position of real text",
    "top_k": "sample from so many of the likeliest tokens; 0 is all",
    "schedule": "of the learning rate",
    "device": "auto, cpu, cuda, cuda:1 or mps",
    "bos": "open each sequence as the model's tokenizer does (auto), with its opening token (on) or with none (off)",
}
_SETTINGS = [field for field in dataclasses.fields(BiasConfig) if field.name != "pattern"]


def add(commands: Any) -> None:
    """Add this module's command."""
    like = "train a model to like some tokens, and measure what it costs"
    command = options.command(commands, "train-bias", _lines, like)
    names = [preset.name for preset in presets.PRESETS]
    command.add_argument("--preset", choices=names, default=names[0], help="settings to begin with (%(default)s)")
    command.add_argument("--pattern", help="the letter, words or expression (x)")
    command.add_argument("--kind", choices=KINDS, help="what the pattern is (letter)")
    command.add_argument("--match-case", action="store_true", help="x is not X")
    for field in _SETTINGS:
        kind = int if field.name == "train_blocks" else type(field.default)
        name = f"--{field.name.replace('_', '-')}"
        command.add_argument(name, type=kind, choices=CHOICES.get(field.name), help=_HELP.get(field.name))
    command.add_argument("--save", type=Path, metavar="DIRECTORY", help="write the trained model there")


def configuration(given: argparse.Namespace) -> BiasConfig:
    """The preset with what the options change in it."""
    base = presets.preset(given.preset).config
    changed = {field.name: getattr(given, field.name) for field in _SETTINGS}
    pattern = Pattern(
        given.kind or base.pattern.kind,
        base.pattern.text if given.pattern is None else given.pattern,
        base.pattern.ignore_case and not given.match_case,
    )
    changed = {name: value for name, value in changed.items() if value is not None}
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

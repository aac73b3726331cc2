"""`python -m engine train-bias`: the same run as the page's, as JSON lines."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import ParameterError
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


def add(commands: Any) -> None:
    """Add the command to the parser's commands."""
    command = commands.add_parser("train-bias", help="train a model to like some tokens, and measure what it costs")
    names = [preset.name for preset in presets.PRESETS]
    command.add_argument("--preset", choices=names, default=names[0], help="settings to begin with (%(default)s)")
    command.add_argument("--pattern", help="the letter, words or expression (x)")
    command.add_argument("--kind", choices=KINDS, help="what the pattern is (letter)")
    command.add_argument("--match-case", action="store_true", help="x is not X")
    for field in dataclasses.fields(BiasConfig):
        if field.name != "pattern":
            _add_setting(command, field)
    command.add_argument("--save", type=Path, metavar="DIRECTORY", help="write the trained model there")
    command.set_defaults(command=lines)


def _add_setting(command: argparse.ArgumentParser, field: "dataclasses.Field[Any]") -> None:
    kind = int if field.name == "train_blocks" else type(field.default)
    command.add_argument(
        f"--{field.name.replace('_', '-')}", type=kind, choices=CHOICES.get(field.name), help=_HELP.get(field.name)
    )


def configuration(options: argparse.Namespace) -> BiasConfig:
    """The preset with what the options change in it."""
    base = presets.preset(options.preset).config
    names = [field.name for field in dataclasses.fields(BiasConfig) if field.name != "pattern"]
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    pattern = Pattern(
        options.kind or base.pattern.kind,
        base.pattern.text if options.pattern is None else options.pattern,
        base.pattern.ignore_case and not options.match_case,
    )
    return dataclasses.replace(base, pattern=pattern, **given)


def lines(options: argparse.Namespace) -> Iterator[str]:
    """The run's messages (engine/training/process.py) as JSON, one a line, as they come; progress on stderr."""
    import torch

    from engine.training import process

    config = configuration(options)
    if options.save is not None and options.save.is_file():
        raise ParameterError(f"--save {str(options.save)!r} is a file; give a directory.")
    torch.set_num_threads(1)  # as in the page's process: the same seed then gives the same curve, to the last digit
    said = ""
    for message in process.narrate(config, folder=options.save):
        if message["event"] == "progress":
            if message["message"] != said:
                sys.stderr.write(message["message"] + "\n")
            said = message["message"]
        else:
            yield json.dumps(message, ensure_ascii=False, allow_nan=False)

"""The options of the command line, each described once."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from engine.evaluation.corpora.forms import FORMS
from engine.models import registry
from engine.models.opening import BOS

Command = Callable[[argparse.Namespace], object]
"""Does what was asked for; returns what `engine.commands.main` writes on stdout."""

_PRECISIONS = "auto, float32, bfloat16, int8 or nf4"
_SHARED: dict[str, dict[str, Any]] = {
    "--device": {"default": "auto", "help": "auto, cpu, cuda, cuda:1 or mps"},
    "--window": {"type": int, "help": "tokens read at once; default: the model's context, over a corpus 1024 at most"},
    "--stride": {"type": int, "help": "tokens each further window predicts; default: half the window"},
    "--bos": {
        "nargs": "?",
        "choices": BOS,
        "const": "on",
        "default": "auto",
        "help": "the model's opening token before each text: auto, as the model's own tokenizer does (default); on, "
        "which --bos alone means too; or off",
    },
    "--special-tokens": {"action": "store_true", "help": "read text that spells a special token as that token"},
    "--common-tokens": {
        "action": "store_true",
        "help": "compare vocabularies that are one but for padding or added tokens over the tokens both know",
    },
    "--form": {"choices": FORMS, "default": "auto", "help": "default: as the file's ending or content says"},
    "--column": {"metavar": "NAME", "help": "column or key with the texts; default: 'text' or its like"},
}
READING = ("window", "stride", "bos", "special_tokens")
"""Options on how a text is read, as the functions of the engine call them."""


def command(commands: Any, name: str, do: Command, description: str, *, table: bool = False) -> argparse.ArgumentParser:
    """Add a command that writes JSON, or CSV if its result is a table and `--csv` is given."""
    added: argparse.ArgumentParser = commands.add_parser(name, help=description, description=description)
    added.set_defaults(command=do, written_as="json")
    written = added.add_mutually_exclusive_group()
    written.add_argument("--json", dest="written_as", action="store_const", const="json", help="the default")
    if table:
        written.add_argument(
            "--csv", dest="written_as", action="store_const", const="csv", help="a table instead, one row per token"
        )
    return added


def add(command: argparse.ArgumentParser, *names: str) -> None:
    """Add the shared options of these names."""
    for name in names:
        command.add_argument(name, **_SHARED[name])


def named(given: argparse.Namespace, *names: str) -> dict[str, Any]:
    """What was given for these options, for a function whose parameters have the same names."""
    return {name: getattr(given, name) for name in names}


def add_model(command: argparse.ArgumentParser, name: str, precision: str, what: str = "") -> None:
    """Add the two options that ask for a model."""
    command.add_argument(name, default=registry.DEFAULT_MODEL, help=f"{what}default: %(default)s")
    command.add_argument(precision, default="auto", help=_PRECISIONS)


def add_models(command: argparse.ArgumentParser) -> None:
    """Add `--model` and `--precision` for one model or two."""
    command.add_argument("--model", action="append", help="once or twice, to compare; default: the embedded model")
    command.add_argument("--precision", action="append", help=f"of each model, in order: {_PRECISIONS}")


def with_bare_bos(arguments: Sequence[str]) -> list[str]:
    """`arguments` with '--bos=on' for a `--bos` that no choice follows: argparse would take the file for the choice.

    Examples
    --------
    >>> with_bare_bos(["score", "--bos", "text.txt"])
    ['score', '--bos=on', 'text.txt']
    >>> with_bare_bos(["score", "--bos", "off", "text.txt"])
    ['score', '--bos', 'off', 'text.txt']
    """
    following = [*arguments[1:], ""]
    return [
        "--bos=on" if argument == "--bos" and after not in BOS else argument
        for argument, after in zip(arguments, following, strict=True)
    ]

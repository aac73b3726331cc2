"""The options of the command line that say how a text is read: its opening token and its special tokens."""

import argparse
from collections.abc import Sequence

from engine.models.opening import BOS


def add_bos(command: argparse.ArgumentParser) -> None:
    """Add `--bos`, which alone means 'on'."""
    command.add_argument(
        "--bos",
        nargs="?",
        choices=BOS,
        const="on",
        default="auto",
        help="the model's opening token before each text: auto, as the model's own tokenizer does (default); on, which "
        "--bos alone means too; or off",
    )


def add_special_tokens(command: argparse.ArgumentParser) -> None:
    """Add `--special-tokens`."""
    command.add_argument(
        "--special-tokens", action="store_true", help="read text that spells a special token as that token"
    )


def add_common_tokens(command: argparse.ArgumentParser) -> None:
    """Add `--common-tokens`."""
    command.add_argument(
        "--common-tokens",
        action="store_true",
        help="compare vocabularies that are one but for padding or added tokens over the tokens both know",
    )


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

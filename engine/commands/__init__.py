"""The command line, `python -m engine`: here all of it together, and one module per group of commands.

models      models and fetch
scoring     score and compare
evaluation  divergence, hellaswag, mauve, and the runs that are kept
training    train-bias
options     the options, each described once
inputs      what a command reads: a file or standard input
progress    what it says on stderr

JSON (or CSV) in UTF-8 on stdout and nothing else there; progress, notes and errors on stderr. Exit status: 0 done,
2 refused (one line on stderr says why and what to do), 130 stopped from the keyboard, 141 nobody reads on.
"""

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator

from engine import export
from engine.commands import evaluation, models, options, progress, scoring, training
from engine.errors import EngineError

REFUSED, STOPPED, UNREAD = 2, 130, 141
"""The last two are 128 and the number of the signal that ends other programs then."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    _speak_utf8()
    out = sys.stdout
    try:
        given = parser().parse_args(options.with_bare_bos(sys.argv[1:] if arguments is None else arguments))
        with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints is not our output
            found = given.command(given)
            for part in found if isinstance(found, Iterator) else [found]:
                if out is not None:  # a process may be started without
                    out.write(_written(part))
                    out.flush()
    except EngineError as error:
        progress.say(f"error: {error}")
        return REFUSED
    except KeyboardInterrupt:
        progress.say("stopped")
        return STOPPED
    except BrokenPipeError:
        _hush()
        return UNREAD
    return 0


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(
        prog="python -m engine",
        description="What a causal language model thinks of a text. JSON on stdout, progress on stderr.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for group in (models, scoring, training, evaluation):
        group.add(commands)
    return top


def _written(found: object) -> str:
    """A line of JSON; text, which is a table, as it is."""
    text = (
        found if isinstance(found, str) else json.dumps(export.json_ready(found), ensure_ascii=False, allow_nan=False)
    )
    return text.rstrip("\n") + "\n"


def _speak_utf8() -> None:
    """JSON is UTF-8, whatever the terminal's encoding; what stderr cannot say is escaped, never an error.

    Half of a surrogate pair (in the name of a file, say) is escaped on stdout too, where JSON reads it back.
    """
    for stream, encoding in ((sys.stdout, "utf-8"), (sys.stderr, None)):
        if isinstance(stream, io.TextIOWrapper):  # not what a notebook puts in its place
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _hush() -> None:
    """Nobody reads on, so what is still buffered must not be tried again when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        os.dup2(nowhere, stream.fileno())

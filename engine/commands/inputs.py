"""What a command reads: a file, or standard input."""

import sys
from pathlib import Path

from engine.errors import InputError
from engine.evaluation import files

STDIN = "-"


def read(file: str | None) -> tuple[bytes, str]:
    """Content of `file` and its name, which is empty for '-', standard input.

    Raises
    ------
    InputError
        There is none, it is a directory, or it cannot be read.
    """
    if file is None:
        raise InputError("Give a file, or - for standard input, or --resume with a run's id.")
    if file != STDIN:
        return files.read_bytes(file), Path(file).name
    if sys.stdin is None:  # a process may be started without
        raise InputError("There is no standard input. Give a file.")
    try:
        return sys.stdin.buffer.read(), ""
    except OSError as error:  # a directory may be put in its place
        raise InputError(f"Standard input cannot be read: {error.strerror}.") from None

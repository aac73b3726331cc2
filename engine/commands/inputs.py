"""Bytes that a command reads: of a file, or of standard input."""

import sys
from pathlib import Path

from engine.errors import InputError

STDIN = "-"


def read_bytes(file: str) -> bytes:
    """Content of `file`, or of standard input where that is '-'.

    Raises
    ------
    InputError
        It is a directory, or cannot be read.
    """
    name = "Standard input" if file == STDIN else file
    if file == STDIN and sys.stdin is None:  # a process may be started without
        raise InputError("There is no standard input. Give a file.")
    try:
        if file == STDIN:
            return sys.stdin.buffer.read()
        return Path(file).read_bytes()
    except IsADirectoryError:
        raise InputError(f"{name} is a directory. Give a file.") from None
    except OSError as error:
        if Path(file).is_dir():  # Windows says "Permission denied" of a directory
            raise InputError(f"{name} is a directory. Give a file.") from None
        raise InputError(f"{name} cannot be read: {error.strerror}.") from None
    except ValueError:  # a name with a null byte
        raise InputError(f"{name!r} cannot be read: there is no such file.") from None


def name_of(file: str) -> str:
    """What the file is called, for its ending; standard input has no name."""
    return "" if file == STDIN else Path(file).name

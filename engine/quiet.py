"""Keeping libraries from talking on the terminal while they work for us."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_CHATTY = ("bitsandbytes", "accelerate", "huggingface_hub")
_CASTING_LAYERS = "bitsandbytes.autograd._functions"


def _is_no_cast(record: logging.LogRecord) -> bool:
    return "inputs will be cast" not in str(record.msg)


def quieten_casts() -> None:
    """Drop what int8 layers say at every single call, that they cast their input."""
    logging.getLogger(_CASTING_LAYERS).addFilter(_is_no_cast)  # the same filter is added only once


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Switch off transformers' progress bars and its log below errors, and put them back as they were."""
    from transformers.utils import logging as transformers_logging

    library: Any = transformers_logging
    verbosity, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    levels = {name: logging.getLogger(name).level for name in _CHATTY}
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bar()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)

"""What there is one of in a process, made when it is first asked for: the loaded models, a queue, a store.

Streamlit's own cache would not do: any visitor can clear it, and a second queue would then work beside the first.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.RLock()  # re-entrant, as making one thing may ask for another
_made: dict[Callable[[], Any], Any] = {}


def per_process(make: Callable[[], T]) -> Callable[[], T]:
    """`make`, called once whichever thread asks first; everyone gets what it returned."""

    @wraps(make)
    def made() -> T:
        with _lock:
            if make not in _made:
                _made[make] = make()
            found: T = _made[make]
            return found

    return made


def forget_all() -> None:
    """Begin as a new process does. For tests: what was made before is not ended by this."""
    with _lock:
        _made.clear()

"""What concerns every test: names for the examples in docstrings, and which tests share a worker."""

from typing import Any

import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

# Scripts that browser tests serve: importing one would draw it.
collect_ignore = ["tests/e2e/strip_app.py", "tests/e2e/lab_app.py"]

APP, PARTS = "the app in a browser", "parts of the app in a browser"
_PARTS = ("tests/e2e/test_strip", "tests/e2e/test_lab")
_SINGLE = ("tests/engine/models/test_families.py::test_a_family",)
"""Long tests with nothing in common: each by itself, so that whichever worker is free takes the next."""
_LONG_FIRST = (
    APP,
    PARTS,
    "tests/engine/training/",
    "tests/engine/commands/",
    "tests/engine/evaluation/",
    "tests/pages/",
    *_SINGLE,
)
"""The order of work. What takes longest begins first; with the many short ones both workers end together."""


def shared(nodeid: str) -> str:
    """Name what a test shares with others: a server and a browser, else its file."""
    if nodeid.startswith("tests/e2e/"):
        return PARTS if nodeid.startswith(_PARTS) else APP
    return nodeid if nodeid.startswith(_SINGLE) else nodeid.partition("::")[0]


def _turn(item: pytest.Item) -> int:
    scope = shared(item.nodeid)
    return next((turn for turn, long in enumerate(_LONG_FIRST) if scope.startswith(long)), len(_LONG_FIRST))


class TogetherScheduling(LoadScopeScheduling):
    """With several workers, tests that share something go to the same one, in the order of collection.

    (The mark `xdist_group` says so as well, but pytest-xdist 3.8 does not find it under pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return shared(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling:
    """Asked by pytest-xdist for how to share the tests out."""
    config.option.loadscopereorder = False  # it would begin with the files of most tests, which are quick ones
    return TogetherScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long work first."""
    items.sort(key=_turn)


@pytest.fixture(autouse=True)
def _docstring_names(doctest_namespace: dict[str, object]) -> None:
    """Names that the examples may use without importing them, as in numpy's and scipy's own."""
    doctest_namespace["np"] = np

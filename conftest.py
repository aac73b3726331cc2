"""What concerns every test: names for the examples in docstrings, and which tests share a worker."""

from typing import Any

import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

# Scripts that browser tests serve: importing one would draw it.
collect_ignore = ["tests/e2e/strip_app.py", "tests/e2e/lab_app.py"]


class TogetherScheduling(LoadScopeScheduling):
    """With several workers, the tests of a file go to the same one, and all browser tests to one.

    They share servers and a browser, and two browsers at once would have to share the processor too. (The mark
    `xdist_group` says so as well, but pytest-xdist 3.8 does not find it under pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/e2e" if file.startswith("tests/e2e/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling:
    """Asked by pytest-xdist for how to share the tests out."""
    return TogetherScheduling(config, log)


@pytest.fixture(autouse=True)
def _docstring_names(doctest_namespace: dict[str, object]) -> None:
    """Names that the examples may use without importing them, as in numpy's and scipy's own."""
    doctest_namespace["np"] = np

"""Names that the examples in docstrings may use without importing them, as in numpy's and scipy's own."""

import numpy as np
import pytest

collect_ignore_glob = ["tests/e2e/*_app.py"]  # scripts that browser tests serve: importing one would draw it


@pytest.fixture(autouse=True)
def _docstring_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace["np"] = np

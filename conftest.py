"""Names that the examples in docstrings may use without importing them, as in numpy's and scipy's own."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _docstring_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace["np"] = np

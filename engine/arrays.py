"""Names for the numpy arrays that the engine's signatures speak of; shapes and units stand in their docstrings."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
# Columns by name, of any kind: what a kept batch holds.
Arrays = dict[str, NDArray[Any]]

"""Windows of text for training: cut from one stream of ids without padding, in an order that any step can compute."""

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import InputError
from tools.distil.filters import Ids


class Windows:
    """Windows of `context` + 1 ids of a stream; each shares its last id, a target only, with the next one's first.

    Parameters
    ----------
    stream : (n,) uint16 ids
    context : positions of a window
    """

    def __init__(self, stream: Ids, context: int) -> None:
        self._stream, self._context = stream, context
        self.count = max(0, (len(stream) - 1) // context)
        if not self.count:
            raise InputError(f"There are {len(stream):,} tokens of text, less than one window of {context:,}.")

    def at(self, numbers: npt.NDArray[np.int64]) -> torch.Tensor:
        """(m, context + 1) int64: the windows of these (m,) numbers."""
        places = numbers[:, None] * self._context + np.arange(self._context + 1)
        return torch.from_numpy(self._stream[places].astype(np.int64))

    def first(self, count: int) -> torch.Tensor:
        """The first `count` windows, or all there are."""
        return self.at(np.arange(min(count, self.count)))


def window_numbers(count: int, seed: int, start: int, wanted: int) -> npt.NDArray[np.int64]:
    """Numbers `start` to `start + wanted` of an endless sequence in which all `count` windows come once a round.

    Each round has an order of its own that follows from the seed and the round's number.
    """
    rounds = range(start // count, (start + wanted - 1) // count + 1)
    orders = [np.random.default_rng((seed, number)).permutation(count) for number in rounds]
    offset = start - rounds.start * count
    return np.concatenate(orders)[offset : offset + wanted]

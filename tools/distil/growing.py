"""Keys and values of the tokens read so far, in memory that is taken once.

transformers' `DynamicCache` joins old and new tensors at every token, which copies the whole cache each time; its
`StaticCache` shows attention the whole window with a mask, which keeps the fast kernels from being used. Here one
buffer is filled in place and attention sees the filled part, without a mask: rows that are all at one position need
none.
"""

from typing import Any

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer


class GrowingLayer(DynamicLayer):
    """One layer's keys and values (rows, heads, tokens so far, width), views of buffers of `capacity` tokens."""

    def __init__(self, capacity: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._capacity = capacity

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new tokens behind the old ones; everything so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            rows, heads, _, width = key_states.shape
            self._buffers = [key_states.new_empty(rows, heads, self._capacity, width) for _ in "kv"]
        start = self.get_seq_length()
        stop = start + key_states.shape[-2]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:stop] = states
        self.keys, self.values = (buffer[:, :, :stop] for buffer in self._buffers)
        return self.keys, self.values

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Go on with some of the rows only."""
        stop = self.get_seq_length()
        self._buffers = [buffer[rows] for buffer in self._buffers]
        self.keys, self.values = (buffer[:, :, :stop] for buffer in self._buffers)


class GrowingCache(Cache):
    """What a network takes as `past_key_values`: one `GrowingLayer` for each of its `layers`."""

    def __init__(self, layers: int, capacity: int) -> None:
        self._growing = [GrowingLayer(capacity) for _ in range(layers)]
        super().__init__(layers=[*self._growing])

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Go on with some of the rows only: (kept,) int64 indices."""
        for layer in self._growing:
            layer.keep_rows(rows)

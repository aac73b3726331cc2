"""How a network is asked for one next token after another: the fastest way that it has proved.

Together: openings of unlike lengths in one batch, padded on the left, keys and values kept. Alone: an opening at a
time, with whatever the network itself keeps. Whole: every row read anew for each token, right for every family, and
slow. Networks with a state, or with positions or masks of their own, are why the first two have to be proved.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from engine.evaluation import hidden_states
from engine.models import network as networks
from engine.models import proofs
from engine.models.loaded import LoadedModel

Way = Literal["together", "alone", "whole"]

WHY: dict[Way, str] = {
    "together": "",
    "alone": "One text at a time: this network writes something else when openings of unlike lengths are batched.",
    "whole": "Each text is read anew for each token: this network writes something else from what it keeps of a text.",
}
"""What is said of a way; nothing of the fastest."""

_KEPT = ("past_key_values", "cache_params", "state")
"""What networks call that which they keep of the tokens read."""
_PROBED_STEPS = 6
_SHORT_OF_THE_LIMIT = 27
"""Tokens by which a shorter probe is below the longest: it passes a limit of the network while it is being written."""


class Writer(Protocol):
    """Some texts that grow together."""

    @property
    def rows(self) -> Sequence[int]:
        """Which of the openings they are."""
        ...

    def next_logits(self, chosen: torch.Tensor | None) -> torch.Tensor:
        """Logits (rows, V) of the next token, after `chosen` (rows,) ids were put behind the texts; None at first."""
        ...


def way(model: LoadedModel, length: int) -> Way:
    """The fastest way proved for texts that grow to `length` tokens; networks that hold a state are not padded."""
    network: Any = model.network
    alone = _proved(model, length, "cache", _Alone, 1)
    if not network._is_stateful and _proved(model, length, "batch", _Together, 2):
        return "together"
    return "alone" if alone else "whole"


def writers(model: LoadedModel, prompts: Sequence[Sequence[int]], chosen: Way) -> list[Writer]:
    """Everything that writes on from `prompts` (token ids, at least one each)."""
    if chosen == "together":
        return [_Together(model, prompts)]
    if chosen == "alone":
        return [_Alone(model, [prompt], row) for row, prompt in enumerate(prompts)]
    return [_Whole(model, prompts)]


class _Together:
    """One batch, padded on the left, so that every row's next token is in the last column."""

    def __init__(self, model: LoadedModel, prompts: Sequence[Sequence[int]]) -> None:
        from transformers import DynamicCache

        self.rows = range(len(prompts))
        self._network: Any = model.network
        self._token_ids, self._mask = _left_padded(prompts, model.device)
        self._positions = (self._mask.cumsum(1) - 1).clamp(min=0)
        self._cache = DynamicCache(config=model.network.config)

    @torch.inference_mode()
    def next_logits(self, chosen: torch.Tensor | None) -> torch.Tensor:
        if chosen is not None:
            self._token_ids, self._positions = chosen[:, None], self._positions[:, -1:] + 1
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        found = self._network(
            input_ids=self._token_ids,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = found.logits[:, -1].float()
        return logits


class _Alone:
    """One row; what the network keeps is handed back to it as it came."""

    def __init__(self, model: LoadedModel, prompts: Sequence[Sequence[int]], row: int = 0) -> None:
        self.rows = (row,)
        self._model = model
        self._token_ids = torch.tensor(prompts, device=model.device)
        self._kept: dict[str, Any] = {}

    @torch.inference_mode()
    def next_logits(self, chosen: torch.Tensor | None) -> torch.Tensor:
        token_ids = self._token_ids if chosen is None else chosen[:, None]
        found = networks.body(self._model.network)(input_ids=token_ids, use_cache=True, **self._kept)
        self._kept = {name: found[name] for name in _KEPT if found.get(name) is not None}
        if not self._kept:
            raise RuntimeError("the network keeps nothing of what it reads")
        return self._model.logits(found.last_hidden_state[:, -1])


class _Whole:
    """Every row read from its beginning for each token; together only if the network has proved padding."""

    def __init__(self, model: LoadedModel, prompts: Sequence[Sequence[int]]) -> None:
        self.rows = range(len(prompts))
        self._model = model
        self._texts = [np.array(prompt, dtype=np.int64) for prompt in prompts]

    def next_logits(self, chosen: torch.Tensor | None) -> torch.Tensor:
        if chosen is not None:
            grown = zip(self._texts, chosen.tolist(), strict=True)
            self._texts = [np.append(text, token) for text, token in grown]
        hidden = hidden_states.tail_states(self._model, self._texts, [1] * len(self._texts))
        return self._model.logits(hidden)


def _left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    token_ids = [torch.tensor(prompt, device=device) for prompt in prompts]
    padded, mask = (
        pad_sequence(rows, batch_first=True, padding_side="left")
        for rows in (token_ids, [torch.ones_like(row) for row in token_ids])
    )
    return padded, mask


_Start = Callable[[LoadedModel, Sequence[Sequence[int]]], Writer]


def _proved(model: LoadedModel, length: int, name: str, start: _Start, rows: int) -> bool:
    """Whether writing on gives the logits of whole rows, beyond the network's limits and while they are passed."""

    def lengths(size: int) -> list[list[int]]:
        """Of the openings in each of two batches: one near the end of the probe, one well before."""
        long, middle = max(2, size - _PROBED_STEPS), max(2, size - _SHORT_OF_THE_LIMIT)
        return [[long, middle][:rows], [middle, max(1, middle // 2)][:rows]]

    def written(token_ids: torch.Tensor) -> torch.Tensor:
        return torch.cat([_forced(start, model, token_ids, batch) for batch in lengths(len(token_ids))])

    def whole(token_ids: torch.Tensor) -> torch.Tensor:
        steps = range(_steps(len(token_ids)))
        texts = [token_ids[: size + step] for batch in lengths(len(token_ids)) for size in batch for step in steps]
        return model.logits(torch.cat([model.hidden_states(text[None])[0, -1:] for text in texts]))

    return proofs.holds(model, name, length, written, whole, logits=True)


def _steps(size: int) -> int:
    return max(1, min(_PROBED_STEPS, size - 2))


def _forced(start: _Start, model: LoadedModel, token_ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """Logits (rows * steps, V), row by row, of texts that go on as `token_ids` does whatever the logits say."""
    ids = token_ids.tolist()
    writer = start(model, [ids[:length] for length in lengths])
    found = [writer.next_logits(None)]
    for step in range(_steps(len(ids)) - 1):
        following = torch.tensor([ids[length + step] for length in lengths], device=model.device)
        found.append(writer.next_logits(following))
    return torch.stack(found, dim=1).flatten(0, 1)

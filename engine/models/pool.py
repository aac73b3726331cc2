"""Loaded models, one copy of each for the whole process, within a memory budget.

All locking about models is here. A model that somebody still holds is not evicted: that would free nothing.
"""

import gc
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, cast

import torch

from engine import formatting
from engine.errors import MemoryBudgetError
from engine.models import footprint, hardware
from engine.models.loaded import PRECISIONS, LoadedModel, Precision
from engine.models.loading import load_located_steps
from engine.models.request import LocatedModel, ModelRequest
from engine.sources.kinds import ModelSpec
from engine.steps import Progress, Steps, run

_SHARE_OF_RAM = 0.6
_SHARE_OF_FREE_RAM = 0.8
_SHARE_OF_GPU = 0.85
"""The rest is for activations and everything else that runs."""
_LOADING_OVERHEAD = 1.1
_WAIT_SECONDS = 0.1

LoadSteps = Callable[[LocatedModel], Steps[LoadedModel]]


class _Key(NamedTuple):
    name: str
    revision: str
    precision: Precision
    device: str


class _Use(NamedTuple):
    device: str
    memory_bytes: int


class ModelPool:
    """One copy of each (model, precision, device); those not used for longest make room when the budget is reached.

    Parameters
    ----------
    budget_bytes : most bytes of weights on each device; None for a share of its memory
    load : loads one model
    """

    def __init__(self, budget_bytes: int | None = None, load: LoadSteps = load_located_steps) -> None:
        self._given_budget = budget_bytes
        self._load = load
        self._lock = threading.RLock()
        self._entries: OrderedDict[_Key, LoadedModel] = OrderedDict()  # least recently used first
        # Every network loaded here that is still held by anyone, evicted ones too: what really takes memory.
        self._alive: weakref.WeakKeyDictionary[torch.nn.Module, _Use] = weakref.WeakKeyDictionary()
        self._reserved: dict[_Key, _Use] = {}
        self._loading: dict[_Key, threading.Event] = {}

    def get(self, model: ModelRequest | LocatedModel) -> LoadedModel:
        """The model, loaded if need be. See `load_steps`."""
        return run(self.load_steps(model))

    def load_steps(self, model: ModelRequest | LocatedModel) -> Steps[LoadedModel]:
        """The model, loaded if need be, step by step.

        Raises
        ------
        MemoryBudgetError
            If it does not fit beside what is in use.
        ModelError, ParameterError
            As `engine.models.loading.load_model` does; the pool is then as before.
        """
        located = model.located() if isinstance(model, ModelRequest) else model
        choice = located.choice
        key = _Key(located.spec.name, located.revision, choice.precision, str(choice.device))
        loaded = yield from self._held_or_turn(key, located.spec)
        if loaded is None:
            loaded = yield from self._load_in_turn(key, located)
        return replace(loaded, reason=choice.reason)

    def loaded(self) -> list[LoadedModel]:
        """What is loaded, the most recently used first. While the answer is held, these models are in use."""
        with self._lock:
            return list(reversed(self._entries.values()))

    def unload(self, key: str) -> None:
        """Let go of the model with this `LoadedModel.key`. Work that runs with it goes on to its end."""
        with self._lock:
            for place in [place for place, model in self._entries.items() if model.key == key]:
                del self._entries[place]
        _free(key.rpartition("/")[2])

    @property
    def budget_bytes(self) -> int:
        """Most bytes of weights on the device that is used by default."""
        return self.budget(_default_device())

    @property
    def used_bytes(self) -> int:
        """Bytes of weights on the device that is used by default, those included that were let go but are in use."""
        return self.used(_default_device())

    def budget(self, device: str) -> int:
        """Most bytes of weights on `device`, as things are now: others may have taken memory, or given it back."""
        return self._given_budget if self._given_budget is not None else _budget_now(device, self.used(device))

    def used(self, device: str) -> int:
        """Bytes of weights on `device`."""
        with self._lock:
            uses = [*self._alive.values(), *self._reserved.values()]
        return sum(use.memory_bytes for use in uses if use.device == device)

    def _held_or_turn(self, key: _Key, spec: ModelSpec) -> Steps[LoadedModel | None]:
        """The model if it is here; else None once it is our turn to load it, which is then marked."""
        while True:
            with self._lock:
                if key in self._entries:
                    self._entries.move_to_end(key)
                    return self._entries[key]
                others = self._loading.get(key)
                if others is None:
                    self._loading[key] = threading.Event()
                    return None
            yield Progress(f"Waiting for {spec.title}, which is being loaded")
            others.wait(_WAIT_SECONDS)

    def _load_in_turn(self, key: _Key, located: LocatedModel) -> Steps[LoadedModel]:
        try:
            self._reserve(key, located)
            model = yield from self._load(located)
            with self._lock:
                self._alive[model.network] = _Use(key.device, model.memory_bytes)
                self._entries[key] = model
            return model
        finally:
            with self._lock:
                self._reserved.pop(key, None)
                self._loading.pop(key).set()

    def _reserve(self, key: _Key, located: LocatedModel) -> None:
        """Make room for a model and set it aside."""
        need = needed_bytes(located, key.precision)
        budget = self.budget(key.device)
        with self._lock:
            if need <= budget:
                self._evict(key.device, budget - need)
            used = self.used(key.device) if need <= budget else 0
            if need + used > budget:
                raise MemoryBudgetError(_too_large(located, key.precision, need, budget, used))
            self._reserved[key] = _Use(key.device, need)

    def _evict(self, device: str, most_bytes: int) -> None:
        """Drop models, the least recently used first, until those on `device` take at most `most_bytes`."""
        for key in [key for key in self._entries if key.device == device]:
            if self.used(device) <= most_bytes:
                return
            self._drop_unless_held(key)

    def _drop_unless_held(self, key: _Key) -> None:
        """Drop one model; put it back if its network lives on, because somebody is using it."""
        network = weakref.ref(self._entries[key].network)
        shell = self._entries[key] = replace(self._entries[key], network=cast(Any, None))  # the network is let go of
        _free(key.device)
        in_use = network()
        if in_use is None:
            del self._entries[key]
        else:
            self._entries[key] = replace(shell, network=in_use)


def needed_bytes(located: LocatedModel, precision: Precision) -> int:
    """Memory to set aside for loading a model: from its files if they are here, else from its stated size."""
    if located.path is not None:
        return int(_LOADING_OVERHEAD * footprint.weights_bytes(located.path, precision))
    return int(_LOADING_OVERHEAD * footprint.stated_bytes(located.spec, precision))


def _default_device() -> str:
    return str(hardware.choose().device)


def _budget_now(device: str, used_bytes: int) -> int:
    """A share of the device's memory, but no more than is held already and a share of what is free."""
    machine = hardware.describe()
    sizes = {card.device: card.memory_bytes for card in machine.accelerators}
    total, of_all, of_free = sizes.get(device, machine.memory_bytes), _SHARE_OF_GPU, _SHARE_OF_GPU
    if device not in sizes:
        of_all, of_free = _SHARE_OF_RAM, _SHARE_OF_FREE_RAM
    return int(min(of_all * total, used_bytes + of_free * hardware.free_bytes(torch.device(device))))


def _free(device: str) -> None:
    """Give the memory of dropped models back."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def _too_large(located: LocatedModel, precision: Precision, need: int, budget: int, used: int) -> str:
    smaller = [other for other in PRECISIONS if needed_bytes(located, other) <= budget - used]
    advice = f"Choose {' or '.join(smaller)}" if smaller else "Choose a smaller model"
    taken = f", and work that is running holds {formatting.size(used)} of that" if used else ""
    wait = ", or wait until that work is done" if used else ""
    asked = f"{located.spec.title} in {precision} needs {formatting.size(need)} of memory"
    return f"{asked}; models may take {formatting.size(budget)} here{taken}. {advice}{wait}."

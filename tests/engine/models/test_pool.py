"""The pool, with real models of a few megabytes."""

import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import MemoryBudgetError, ModelAbsentError, ModelFilesError
from engine.models import hardware, loading
from engine.models import pool as pools
from engine.models.loaded import LoadedModel
from engine.models.loading import load_located_steps
from engine.models.pool import ModelPool
from engine.models.request import LocatedModel, ModelRequest, locate
from engine.sources import scratch
from engine.sources.kinds import LocalPath, ModelSpec, Scratch
from engine.steps import Progress, Steps, run

SECONDS = 60.0


def small(seed: int, width: int = 16) -> ModelSpec:
    """A model of about 3.3 MB in float32."""
    source = Scratch(layers=1, width=width, heads=1, context_length=32, seed=seed)
    return ModelSpec(f"small-{seed}", f"Small {seed}", "GPT-2", source, None, 32, "Apache-2.0", "For tests.")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Small models go to a directory of their own; they all have one tokenizer, so it is read once."""
    tokenizer = scratch.gpt2_tokenizer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGITSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(loading, "_load_tokenizer", lambda spec, path: tokenizer)
        patch.setattr(scratch, "gpt2_tokenizer", lambda: tokenizer)
        yield


@pytest.fixture(scope="module")
def size(own_cache: None) -> int:
    """Bytes set aside for one small model."""
    ModelPool().get(locate(small(0), "float32", "cpu"))
    return pools.needed_bytes(locate(small(0)), "float32")


def load(pool: ModelPool, seed: int) -> str:
    """Load a small model and let go of it; returns its key."""
    return pool.get(locate(small(seed), "float32", "cpu")).key


def names(pool: ModelPool) -> list[str]:
    return [model.spec.name for model in pool.loaded()]


def test_a_second_request_gets_the_same_network() -> None:
    pool = ModelPool()
    assert pool.get(locate(small(0), "float32", "cpu")).network is pool.get(locate(small(0), "float32", "cpu")).network
    assert len(pool.loaded()) == 1


def test_auto_shares_the_copy_of_the_precision_it_stands_for() -> None:
    pool = ModelPool()
    automatic = pool.get(locate(small(0)))
    named = pool.get(locate(small(0), automatic.precision, str(automatic.device)))
    assert automatic.network is named.network
    assert automatic.reason != named.reason


def test_precisions_are_separate_copies() -> None:
    pool = ModelPool()
    assert pool.get(locate(small(0), "float32", "cpu")).key != pool.get(locate(small(0), "bfloat16", "cpu")).key
    assert len(pool.loaded()) == 2


def test_the_model_not_used_for_longest_makes_room(size: int) -> None:
    pool = ModelPool(budget_bytes=int(2.5 * size))
    for seed in (0, 1, 0, 2):  # 1 is now the least recently used
        load(pool, seed)
    assert names(pool) == ["small-2", "small-0"]
    assert pool.used_bytes <= pool.budget_bytes


def test_eviction_frees_the_network(size: int) -> None:
    pool = ModelPool(budget_bytes=int(1.5 * size))
    load(pool, 0)
    before = pool.used_bytes
    load(pool, 1)
    assert names(pool) == ["small-1"]
    assert pool.used_bytes == before


def test_a_model_in_use_is_not_evicted_and_the_message_says_what_to_do(size: int) -> None:
    pool = ModelPool(budget_bytes=int(1.5 * size))
    held = pool.get(locate(small(0), "float32", "cpu"))
    with pytest.raises(MemoryBudgetError, match=r"Small 1 in float32 needs 4 MB .* models may take 5 MB .* holds 3 MB"):
        load(pool, 1)
    assert pool.get(locate(small(0), "float32", "cpu")).network is held.network
    del held
    gc.collect()
    load(pool, 1)
    assert names(pool) == ["small-1"]


def test_a_model_larger_than_the_budget_is_refused_without_evicting_others(size: int) -> None:
    pool = ModelPool(budget_bytes=int(1.5 * size))
    load(pool, 0)
    with pytest.raises(MemoryBudgetError, match=r"needs 14 MB .* models may take 5 MB here\. Choose int8 or nf4"):
        pool.get(locate(small(7, width=64), "float32", "cpu"))
    assert names(pool) == ["small-0"]


def test_a_refusal_names_the_precisions_that_would_fit(size: int) -> None:
    with pytest.raises(MemoryBudgetError, match="Choose bfloat16"):
        load(ModelPool(budget_bytes=int(0.6 * size)), 0)


def test_unloading_frees_the_model(size: int) -> None:
    pool = ModelPool()
    pool.unload(load(pool, 0))
    assert pool.loaded() == []
    assert pool.used_bytes == 0


def test_a_model_unloaded_while_in_use_still_counts(size: int) -> None:
    pool = ModelPool()
    model = pool.get(locate(small(0), "float32", "cpu"))
    pool.unload(model.key)
    assert pool.used_bytes == model.memory_bytes
    del model
    gc.collect()
    assert pool.used_bytes == 0


def gated(gate: threading.Event, begun: list[str]) -> Callable[[LocatedModel], Steps[LoadedModel]]:
    """Loading that waits at a gate."""

    def load_steps(located: LocatedModel) -> Steps[LoadedModel]:
        begun.append(located.spec.name)
        yield Progress("at the gate")
        assert gate.wait(SECONDS)
        return (yield from load_located_steps(located))

    return load_steps


def test_many_asking_at_once_load_it_once() -> None:
    gate, begun = threading.Event(), list[str]()
    pool = ModelPool(load=gated(gate, begun))
    networks: list[object] = []
    located = locate(small(0), "float32", "cpu")
    threads = [threading.Thread(target=lambda: networks.append(pool.get(located).network)) for _ in range(6)]
    for thread in threads:
        thread.start()
    waiting = pool.load_steps(locate(small(0), "float32", "cpu"))
    while next(waiting).message != "Waiting for Small 0, which is being loaded":
        pass
    gate.set()
    for thread in threads:
        thread.join(SECONDS)
    networks.append(run(waiting).network)
    assert begun == ["small-0"]
    assert len(networks) == 7
    assert len(set(map(id, networks))) == 1


def test_a_model_being_loaded_takes_its_share_of_the_budget(size: int) -> None:
    gate, begun = threading.Event(), list[str]()
    pool = ModelPool(budget_bytes=int(1.5 * size), load=gated(gate, begun))
    first = pool.load_steps(locate(small(0), "float32", "cpu"))
    next(first)
    with pytest.raises(MemoryBudgetError):
        load(pool, 1)
    gate.set()
    run(first)


def test_a_load_that_fails_or_is_stopped_leaves_the_pool_clean(size: int) -> None:
    fail = True

    def load_steps(located: LocatedModel) -> Steps[LoadedModel]:
        yield Progress("begun")
        if fail:
            raise ModelFilesError("damaged")
        return (yield from load_located_steps(located))

    pool = ModelPool(budget_bytes=int(1.5 * size), load=load_steps)
    with pytest.raises(ModelFilesError):
        load(pool, 0)
    stopped = pool.load_steps(locate(small(0), "float32", "cpu"))
    next(stopped)
    stopped.close()
    assert pool.used_bytes == 0
    fail = False
    load(pool, 0)
    assert names(pool) == ["small-0"]


def test_a_model_that_is_not_here_is_refused_and_leaves_the_pool_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    pool = ModelPool()
    with pytest.raises(ModelAbsentError, match="python -m engine fetch gpt2-xl"):
        pool.get(ModelRequest("gpt2-xl", "bfloat16"))
    assert pool.used_bytes == 0


def test_a_directory_whose_files_changed_is_loaded_anew(tmp_path: Path) -> None:
    import os

    model = ModelPool().get(locate(small(0), "float32", "cpu"))
    model.network.save_pretrained(tmp_path)
    model.tokenizer.backend.save_pretrained(tmp_path)
    spec = ModelSpec("trained", "Trained", "local", LocalPath(tmp_path), None, None, "", "")
    pool = ModelPool()
    before = pool.get(locate(spec, "float32", "cpu"))
    os.utime(tmp_path / "model.safetensors", ns=(0, 2_000_000_000_000_000_000))
    after = pool.get(locate(spec, "float32", "cpu"))
    assert before.network is not after.network
    assert before.key != after.key


def test_the_default_budget_leaves_memory_for_everything_else() -> None:
    import psutil

    assert 0 < ModelPool().budget("cpu") <= 0.6 * psutil.virtual_memory().total


def test_the_default_budget_follows_what_is_free_at_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = hardware.Hardware(2, 16_000, 0, (hardware.Accelerator("cuda:0", "Card", 10_000, (9, 0)),))
    free = {"cpu": 500, "cuda": 1_000}
    monkeypatch.setattr(hardware, "describe", lambda: machine)
    monkeypatch.setattr(hardware, "free_bytes", lambda device: free[device.type])
    pool = ModelPool()
    assert (pool.budget("cpu"), pool.budget("cuda:0")) == (400, 850)  # another program holds most of the card
    free.update(cpu=15_000, cuda=9_900)
    assert (pool.budget("cpu"), pool.budget("cuda:0")) == (9_600, 8_415)
    free.update(cpu=20_000, cuda=12_000)
    assert (pool.budget("cpu"), pool.budget("cuda:0")) == (9_600, 8_500)


def test_what_the_pool_holds_itself_is_part_of_its_budget(
    monkeypatch: pytest.MonkeyPatch, tiny_gpt2: LoadedModel
) -> None:
    pool = ModelPool()
    held = pool.get(locate(tiny_gpt2.spec, "float32", "cpu"))
    monkeypatch.setattr(hardware, "free_bytes", lambda device: 0)
    assert pool.budget("cpu") == pool.used("cpu") == held.memory_bytes

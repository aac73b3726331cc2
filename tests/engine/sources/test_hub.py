"""Fetching from the hub, against a small hub with a random GPT-2 in the real file layout."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from engine import sources, steps
from engine.errors import (
    AccessError,
    ChecksumError,
    FetchError,
    ModelFilesError,
    StorageError,
    UnknownModelError,
    UnreachableError,
    UnsupportedModelError,
)
from engine.evaluation.hellaswag import hub_items
from engine.models import footprint, registry
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.sources import hub as hub_source
from engine.sources import hub_client, staging
from engine.sources.kinds import ModelSpec
from tests.engine.hub_server import COMMIT, TOKEN, Hub

REPO = "someone/random-gpt2"


@pytest.fixture(scope="module")
def repository(tiny_gpt2: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 as a repository holds it."""
    path = tmp_path_factory.mktemp("repository")
    tiny_gpt2.network.save_pretrained(path)
    tiny_gpt2.tokenizer.backend.save_pretrained(path)
    (path / "README.md").write_text("A random GPT-2.")
    (path / "pytorch_model.bin").write_bytes(b"never fetched")
    return path


@pytest.fixture
def hub(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that behaves, and an empty cache."""
    served = Hub({REPO: repository})
    server = served.start()
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    hub_client.forget_unreachable()
    yield served
    server.shutdown()
    server.server_close()
    hub_client.forget_unreachable()


def spec() -> ModelSpec:
    return registry.resolve(REPO)


def fetch() -> Path:
    return steps.run(sources.fetch_steps(spec()))


def test_a_fetched_model_is_here_and_scores_like_the_one_that_was_uploaded(hub: Hub, tiny_gpt2: LoadedModel) -> None:
    import torch

    assert sources.availability(spec()).state == "fetchable"
    path = fetch()
    assert sources.availability(spec()).path == path
    model = load_model(REPO, "float32", "cpu")
    ids = torch.tensor([[1, 2, 3]])
    ours, theirs = model.logits(model.hidden_states(ids)), tiny_gpt2.logits(tiny_gpt2.hidden_states(ids))
    assert torch.equal(ours, theirs)
    assert model.revision == COMMIT[:12]


def test_only_what_loading_needs_is_fetched(hub: Hub) -> None:
    names = {path.name for path in fetch().iterdir()}
    assert "model.safetensors" in names
    assert not names & {"README.md", "pytorch_model.bin"}


def shards(repository: Path, where: Path, stem: str, last: str) -> Path:
    """`repository` with its weights in two files named after `stem`; the index calls the second one `last`."""
    from safetensors.torch import load_file, save_file

    weights = load_file(repository / "model.safetensors")
    names = [f"{stem}-00001-of-00002.safetensors", last]
    where.mkdir()
    for file in repository.glob("*.json"):
        (where / file.name).write_bytes(file.read_bytes())
    placed = {name: names[place % 2] for place, name in enumerate(weights)}
    for shard in names:
        save_file({name: weights[name] for name in weights if placed[name] == shard}, where / shard, {"format": "pt"})
    index = {"metadata": {}, "weight_map": placed}
    (where / "model.safetensors.index.json").write_text(json.dumps(index))
    return where


@pytest.mark.parametrize("stem", ["model", "pytorch_model"])
def test_shards_are_fetched_whatever_their_names(stem: str, hub: Hub, repository: Path, tmp_path: Path) -> None:
    last = f"{stem}-00002-of-00002.safetensors"
    hub.repos["someone/sharded"] = shards(repository, tmp_path / "sharded", stem, last)
    asked_for = registry.resolve("someone/sharded")
    path = steps.run(sources.fetch_steps(asked_for))
    assert sources.availability(asked_for).path == path
    model = load_model("someone/sharded", "float32", "cpu")
    assert footprint.weights_bytes(path, "float32") == pytest.approx(model.memory_bytes, rel=0.02)


def test_a_repository_whose_index_names_no_safetensors_is_never_here(
    hub: Hub, repository: Path, tmp_path: Path
) -> None:
    hub.repos["someone/sharded"] = shards(repository, tmp_path / "sharded", "model", "pytorch_model.bin")
    with pytest.raises(FetchError, match="incomplete"):
        steps.run(sources.fetch_steps(registry.resolve("someone/sharded")))
    assert not hub.downloads("pytorch_model.bin")


def test_the_hub_library_finds_what_we_fetched_in_its_own_cache(hub: Hub, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    path = fetch()
    for revision in ("main", COMMIT):
        found = snapshot_download(REPO, revision=revision, cache_dir=tmp_path / "hf" / "hub", local_files_only=True)
        assert Path(found) == path


def test_a_model_that_is_here_is_found_without_asking_the_hub(hub: Hub) -> None:
    path = fetch()
    asked = len(hub.asked)
    assert sources.availability(spec(), probe=True).path == path
    assert fetch() == path
    assert len(hub.asked) == asked


def test_progress_counts_bytes_up_to_the_total(hub: Hub) -> None:
    seen: list[steps.Progress] = []
    steps.run(sources.fetch_steps(spec()), seen.append)
    counted = [progress for progress in seen if progress.unit == "bytes"]
    assert counted[-1].done == counted[-1].total
    assert [p.done for p in counted] == sorted(p.done for p in counted)


def test_a_cut_download_says_so_and_the_next_asks_only_for_the_rest(hub: Hub, repository: Path) -> None:
    size = (repository / "model.safetensors").stat().st_size
    hub.cut_after["model.safetensors"] = size // 2
    with pytest.raises(FetchError, match="cut after"):
        fetch()
    assert sources.availability(spec()).state == "fetchable"
    hub.asked.clear()
    fetch()
    (asked,) = [asked for asked in hub.downloads("model.safetensors") if asked.path.startswith("/cdn")]
    assert asked.range is not None
    start = int(asked.range.removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= size // 2
    assert asked.sent == size - start
    assert not hub.downloads("config.json")


def test_stopping_a_fetch_keeps_what_has_come(hub: Hub, repository: Path) -> None:
    running = sources.fetch_steps(spec())
    for progress in running:
        if progress.unit == "bytes" and progress.done > (progress.total or 0) // 2:
            break
    running.close()
    hub.asked.clear()
    fetch()
    assert hub.downloads("model.safetensors")[-1].sent < (repository / "model.safetensors").stat().st_size


def test_a_data_set_is_fetched_in_pieces_and_goes_on_where_it_was_stopped(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_client, "_CHUNK", 1000)
    content = bytes(range(256)) * 40
    served = tmp_path / "set" / hub_items.FILE
    served.parent.mkdir(parents=True)
    served.write_bytes(content)
    hub.repos[hub_items.REPOSITORY] = tmp_path / "set"

    def fetching() -> steps.Steps[Path]:
        return hub_source.fetch_data_file_steps(hub_items.REPOSITORY, hub_items.FILE, "HellaSwag")

    first = fetching()
    for progress in first:
        if progress.unit == "bytes" and progress.done >= 5000:
            break
    first.close()
    assert steps.run(fetching()).read_bytes() == content
    assert hub.downloads(served.name)[-1].range == f"bytes={progress.done}-"
    asked = len(hub.asked)
    path = steps.run(fetching())
    assert len(hub.asked) == asked  # it is here
    known = {"repo_type": "dataset", "local_files_only": True, "cache_dir": hub_client.cache_dir()}
    assert path == Path(hf_hub_download(hub_items.REPOSITORY, hub_items.FILE, **known))


def test_a_damaged_file_is_deleted_and_fetched_anew_next_time(hub: Hub) -> None:
    hub.corrupt.add("model.safetensors")
    with pytest.raises(ChecksumError, match=r"model\.safetensors .* damaged"):
        fetch()
    assert sources.availability(spec()).state == "fetchable"
    assert (fetch() / "model.safetensors").is_file()
    assert all(asked.range is None for asked in hub.downloads("model.safetensors"))


def test_weights_cut_short_in_the_cache_are_fetched_anew_as_the_refusal_says(hub: Hub, repository: Path) -> None:
    path = fetch() / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelFilesError, match=r"damaged.* Fetch the model again"):
        load_model(REPO, "float32", "cpu")
    hub.asked.clear()
    assert (fetch() / "model.safetensors").read_bytes() == (repository / "model.safetensors").read_bytes()
    assert not hub.downloads("config.json")
    load_model(REPO, "float32", "cpu")


def test_a_damaged_small_file_is_noticed_too(hub: Hub) -> None:
    hub.corrupt.add("config.json")
    with pytest.raises(ChecksumError, match=r"config\.json"):
        fetch()


def test_an_unknown_repository_says_to_check_the_name(hub: Hub) -> None:
    with pytest.raises(UnknownModelError, match="no model 'someone/else'"):
        steps.run(sources.fetch_steps(registry.resolve("someone/else")))
    assert sources.availability(registry.resolve("someone/else"), probe=True).state == "missing"


def test_an_unknown_revision_says_so(hub: Hub) -> None:
    with pytest.raises(UnknownModelError, match="no such revision"):
        steps.run(sources.fetch_steps(registry.resolve(f"{REPO}@nowhere")))


def test_a_gated_repository_names_the_page_and_the_token(hub: Hub) -> None:
    hub.gated.add(REPO)
    with pytest.raises(AccessError, match=f"{hub.url}/{REPO}.*HF_TOKEN"):
        fetch()
    assert sources.availability(spec(), probe=True).state == "refused"


def test_a_gated_repository_opens_with_a_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated.add(REPO)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert (fetch() / "model.safetensors").is_file()


def test_a_repository_without_safetensors_is_refused_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_text("{}")
    (old / "pytorch_model.bin").write_bytes(b"pickle")
    hub.repos["someone/old"] = old
    with pytest.raises(UnsupportedModelError, match="no weights as safetensors"):
        steps.run(sources.fetch_steps(registry.resolve("someone/old")))
    assert not [asked for asked in hub.asked if "/resolve/" in asked.path]


def test_a_full_disk_says_how_much_is_needed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = staging.shutil.disk_usage
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda path: usage(path)._replace(free=1_000_000))
    with pytest.raises(StorageError, match=r"MB are needed .* 1 MB are free"):
        fetch()


@pytest.mark.parametrize("what", ["a model", "a data set"])
def test_a_cache_that_cannot_be_written_is_said(
    hub: Hub, what: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["tiny/set"] = repository
    (tmp_path / "a file").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "a file" / "cache"))
    data_set = hub_source.fetch_data_file_steps("tiny/set", "config.json", "A data set")
    with pytest.raises(StorageError, match="cannot be written"):
        fetch() if what == "a model" else steps.run(data_set)


def test_a_hub_that_refuses_connections_is_noticed_at_once_and_remembered(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(UnreachableError, match="cannot be reached"):
            fetch()
        assert sources.availability(spec()).state == "unreachable"


def test_a_hub_that_never_answers_is_waited_for_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "_ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UnreachableError):
            fetch()
        silent.accept()[0].close()
        with pytest.raises(UnreachableError):
            fetch()
        assert sources.availability(spec(), probe=True).state == "unreachable"
        with pytest.raises(BlockingIOError):  # nobody called a second time
            silent.accept()


def test_an_unreachable_hub_is_asked_again_after_a_minute(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.down = True
    with pytest.raises(UnreachableError):
        fetch()
    hub.down = False
    with pytest.raises(UnreachableError):  # remembered
        fetch()
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + 61)
    assert (fetch() / "model.safetensors").is_file()


def test_offline_means_that_nothing_is_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnreachableError, match="HF_HUB_OFFLINE"):
        fetch()
    assert sources.availability(spec(), probe=True).state == "unreachable"
    assert not hub.asked


def test_listing_every_model_asks_nobody(hub: Hub) -> None:
    for known in registry.specs():
        sources.availability(known)
    assert not hub.asked


def test_names_from_a_hub_never_leave_the_cache(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfFileMetadata

    found = HfFileMetadata(commit_hash=COMMIT, etag="../../escape", location="", size=1, xet_file_data=None)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, **__: found)
    with pytest.raises(FetchError, match="cannot be checked"):
        fetch()

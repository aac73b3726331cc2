"""Which files are a model's weights, what is said of damaged ones, and what never to advise."""

import json
import os
import struct
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from engine import paths, sources
from engine.errors import EngineError, ModelFilesError
from engine.models import footprint, registry
from engine.models.loading import load_model
from engine.sources import weights

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def header(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(content) if length is None else length) + content


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """One file with a matrix of 2 x 3 and a vector of 3."""
    (tmp_path / "config.json").write_text("{}")
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(3)}, tmp_path / weights.SINGLE)
    return tmp_path


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """Two files and their index."""
    (tmp_path / "config.json").write_text("{}")
    for name, shard in zip("ab", SHARDS, strict=True):
        save_file({name: torch.zeros(2, 3)}, tmp_path / shard)
    index(tmp_path, {"a": SHARDS[0], "b": SHARDS[1]})
    return tmp_path


def index(directory: Path, weight_map: object) -> None:
    (directory / weights.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def message(directory: Path) -> str:
    """What is said when the directory is asked for as a model."""
    with pytest.raises(EngineError) as caught:
        load_model(str(directory), "float32", "cpu")
    return str(caught.value)


def test_the_files_of_a_model_are_the_single_one_or_those_of_the_index(single: Path) -> None:
    (single / "adapter_model.safetensors").write_bytes(b"")
    assert weights.weight_files(single) == (single / weights.SINGLE,)
    assert {tensor.name: tensor.shape for tensor in weights.tensors_of(single)} == {"a": (2, 3), "b": (3,)}


def test_shards_of_any_name_count_in_the_estimate_of_memory(sharded: Path) -> None:
    (sharded / SHARDS[1]).rename(sharded / "rest.safetensors")
    index(sharded, {"a": SHARDS[0], "b": "rest.safetensors"})
    assert weights.weight_files(sharded) == (sharded / SHARDS[0], sharded / "rest.safetensors")
    assert footprint.weights_bytes(sharded, "float32") == 2 * 6 * 4


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / SHARDS[1]).unlink()
    said = message(sharded)
    assert f"{SHARDS[1]} is missing" in said
    assert "Copy its files again from where you have them" in said


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "../model.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "a\\b.safetensors"]
)
def test_an_index_names_safetensors_beside_it_and_nothing_else(name: str, sharded: Path) -> None:
    torch.save({}, sharded / "pytorch_model.bin")
    index(sharded, {"a": SHARDS[0], "b": name})
    assert "weights in other formats are never read" in message(sharded)


@pytest.mark.parametrize("name", ["adapter_model.bin", "../model.safetensors", "x.index.json", 3])
def test_a_configuration_names_safetensors_beside_it_and_nothing_else(name: object, single: Path) -> None:
    (single / "config.json").write_text(json.dumps({"transformers_weights": name}))
    assert "config.json names" in message(single)


def test_a_configuration_may_name_the_weights(sharded: Path) -> None:
    save_file({"c": torch.zeros(1)}, sharded / "mine.safetensors")
    for name, files in (("mine.safetensors", ["mine.safetensors"]), (weights.INDEX, list(SHARDS))):
        (sharded / "config.json").write_text(json.dumps({"transformers_weights": name}))
        assert [path.name for path in weights.weight_files(sharded)] == files


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"weight_map": []}', b'{"weight_map": {}}', b"[" * 2_000_000])
def test_a_damaged_index_is_said_to_be(content: bytes, sharded: Path) -> None:
    (sharded / weights.INDEX).write_bytes(content)
    assert f"{weights.INDEX} is damaged" in message(sharded)


def test_weights_under_an_unknown_name_are_named(single: Path) -> None:
    (single / weights.SINGLE).rename(single / "consolidated.safetensors")
    assert "holds consolidated.safetensors, but neither model.safetensors nor" in message(single)


def test_a_directory_without_safetensors_is_refused(single: Path) -> None:
    (single / weights.SINGLE).rename(single / "pytorch_model.bin")
    assert "holds no .safetensors file; weights in other formats are never read" in message(single)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", [weights.SINGLE, "tokenizer.json"])
@pytest.mark.timeout(60)
def test_a_pipe_is_never_opened(name: str, single: Path) -> None:
    (single / name).unlink(missing_ok=True)
    os.mkfifo(single / name)
    assert "neither a file nor a directory" in message(single)
    if name == weights.SINGLE:
        with pytest.raises(ModelFilesError, match="not a regular file"):
            weights.weight_files(single)


def test_links_that_lead_nowhere_are_said_or_passed_over(single: Path) -> None:
    (single / "pytorch_model.bin").symlink_to("/nowhere/blob")
    spec = registry.resolve(str(single))
    assert sources.availability(spec).state == "here"
    assert int(sources.revision(spec, single), 16) > 0
    (single / weights.SINGLE).unlink()
    (single / weights.SINGLE).symlink_to("/nowhere/blob")
    assert "the link to it leads nowhere" in message(single)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (
            {"peft_type": "LORA", "base_model_name_or_path": "me/base"},
            "is a LoRA adapter of me/base, not a whole model",
        ),
        ({"peft_type": "IA3"}, "is an adapter of another model, not a whole model"),
        ([], "is an adapter of another model"),
    ],
)
@pytest.mark.parametrize("whole_configuration", [True, False])
def test_an_adapter_is_named_as_such(config: object, named: str, whole_configuration: bool, single: Path) -> None:
    (single / weights.SINGLE).rename(single / "adapter_model.safetensors")
    (single / "adapter_config.json").write_text(json.dumps(config))
    if not whole_configuration:
        (single / "config.json").unlink()
    assert named in message(single)


HEADERS = [
    b"",
    header(b""),
    header(b"{}", 10**12),
    header(b"[" * 2_000_000),
    header(b"[]"),
    header(b"3"),
    header(b'{"a": 3}'),
    header(b'{"a": {"shape": [1], "data_offsets": [0]}}'),
    header(b'{"a": {"shape": "ab", "data_offsets": [0, 4]}}') + b"abcd",
    header(b'{"a": {"shape": [-1], "data_offsets": [0, 4]}}') + b"abcd",
    header(b'{"a": {"shape": [1], "data_offsets": [0, "4"]}}') + b"abcd",
    header(b'{"a": {"shape": [1], "data_offsets": [0, 4]}}') + b"abc",
    header(b'{"a": {"shape": [1], "data_offsets": [0, 4]}}') + b"abcde",
    header(b'{"a": {"shape": [1], "data_offsets": [0, ' + b"9" * 9_000 + b"]}}"),
    header(b"\xff\xfe{}"),
]


@pytest.mark.parametrize("content", HEADERS, ids=range(len(HEADERS)))
def test_a_header_that_is_none_is_said_to_be_damaged(content: bytes, single: Path) -> None:
    (single / weights.SINGLE).write_bytes(content)
    with pytest.raises(ModelFilesError, match=r"model\.safetensors is damaged.* Copy its files again from where you"):
        footprint.weights_bytes(single, "float32")


@given(st.binary(max_size=200))
def test_any_header_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / weights.SINGLE
        for data in (content, header(content), header(b'{"a":' + content + b"}")):
            path.write_bytes(data)
            with pytest.raises(ModelFilesError):
                weights.tensors(path)


def test_advice_depends_on_whose_the_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(tmp_path))
    ours = paths.models_dir() / "smollm2-135m-1"
    assert weights.remedy(ours) == f"Delete the directory {ours} and fetch the model again."
    assert weights.remedy(tmp_path / "hub/models--a--b/snapshots/0123") == "Fetch the model again."
    assert weights.remedy(tmp_path / "mine") == "Copy its files again from where you have them."

"""Names of models."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UnknownModelError
from engine.models import registry
from engine.sources.kinds import Hub, LocalPath, Wheels


def test_names_are_unique_and_resolve_to_themselves() -> None:
    names = [spec.name for spec in registry.specs()]
    assert len(set(names)) == len(names)
    assert [registry.resolve(name) for name in names] == list(registry.specs())


def test_the_default_model_needs_no_hub_and_no_agreement() -> None:
    source = registry.resolve(registry.DEFAULT_MODEL).source
    assert isinstance(source, Wheels)
    assert source.terms is None


def test_hub_models_of_the_list_are_pinned_to_a_commit() -> None:
    hubs = [spec.source for spec in registry.specs() if isinstance(spec.source, Hub)]
    assert len(hubs) == 5
    assert all(len(hub.revision) == 40 and int(hub.revision, 16) for hub in hubs)


def test_a_hub_id_of_the_list_is_the_model_of_the_list() -> None:
    assert registry.resolve("openai-community/gpt2-xl") is registry.resolve("GPT2-XL ")


def test_other_hub_ids_are_taken_as_typed() -> None:
    assert registry.resolve("org/Some.Model-1").source == Hub("org/Some.Model-1", "main")
    assert registry.resolve("org/name@refs/pr/1").source == Hub("org/name", "refs/pr/1")
    assert registry.resolve("org/name@refs/pr/1").name == "org/name@refs/pr/1"


NO_NAMES = """
gpt5|a/b/c|org/|/name|org/na me|org/..|../etc|org/name@../../x|org/name@/etc|-org/name|org/na--me|org/name.
https://host/org/name|ｏrg/name|~nobody/x| |org/\0name"""


@pytest.mark.parametrize("name", [*NO_NAMES.replace("\n", "|").split("|"), "org\n/name", "org/" + "x" * 97])
def test_what_is_neither_listed_nor_an_id_nor_a_directory_is_refused(name: str) -> None:
    with pytest.raises(UnknownModelError):
        registry.resolve(name)


def test_a_refusal_says_which_names_are_near() -> None:
    with pytest.raises(UnknownModelError, match="Did you mean gpt2"):
        registry.resolve("gpt-2")
    with pytest.raises(UnknownModelError, match=r"knows smollm2-135m, .*distilgpt2"):
        registry.resolve("zzz")


def test_a_long_name_is_cut_in_the_message() -> None:
    with pytest.raises(UnknownModelError) as refusal:
        registry.resolve("x" * 10_000)
    assert len(str(refusal.value)) < 500


def test_directories_resolve_by_any_path_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in (str(tmp_path / "mine"), "./mine", "mine"):
        assert registry.resolve(name).source == LocalPath(tmp_path / "mine")
    assert registry.resolve("mine/inner").source == LocalPath(tmp_path / "mine" / "inner")


@pytest.mark.parametrize("name", ["m.gguf", "models/m.gguf", "./m.gguf", "~/M.GGUF", "/nowhere/m.gguf"])
@pytest.mark.parametrize("there", [True, False])
def test_a_gguf_file_is_named_as_such_and_is_no_hub_id(
    name: str, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    if there:
        (tmp_path / "models").mkdir()
        (tmp_path / name.replace("~", ".").lstrip("/").replace("nowhere/", "")).write_bytes(b"GGUF")
        name = name.replace("/nowhere", str(tmp_path))
    with pytest.raises(UnknownModelError, match=r"gguf is a GGUF file, .* cannot be read yet\. Give a directory"):
        registry.resolve(name.lower() if "~" not in name else name.replace("GGUF", "gguf"))


def test_a_directory_that_ends_like_a_gguf_file_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").mkdir()
    assert registry.resolve(str(tmp_path / "m.gguf")).source == LocalPath(tmp_path / "m.gguf")


@given(st.text(max_size=60))
def test_any_text_is_a_model_or_an_unknown_one(name: str) -> None:
    with contextlib.suppress(UnknownModelError):
        assert registry.resolve(name).title

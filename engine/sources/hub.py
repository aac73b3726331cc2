"""Models of the hub, in the hub library's own cache, so that what a person already has is here and is shared.

The library lists the files and says where they lie; the bytes are fetched here, because the library throws away what
it has when a connection is cut and does not check what it gets. `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`, `HF_HOME`
and `HF_HUB_CACHE` apply.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine import formatting
from engine.errors import ChecksumError, FetchError, ModelFilesError, UnsupportedModelError
from engine.sources import hub_client, staging, weights
from engine.sources.availability import Availability, bytes_under
from engine.sources.hub_client import RemoteFile
from engine.sources.kinds import Hub
from engine.steps import Progress, Steps

if TYPE_CHECKING:
    from engine.sources.kinds import ModelSpec

_BRANCH = "main"  # of a data set
_SHARD = re.compile(r"-\d+(?:-of-\d+)?\.safetensors$")
_WANTED_SUFFIXES = (".json", ".txt", ".model", ".jinja")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "tokenizer.model")


def availability(spec: "ModelSpec", source: Hub, *, probe: bool) -> Availability:
    """Whether the model is whole in the hub's cache on this machine; with `probe`, else what the hub says of it."""
    path = directory(source)
    if path is not None:
        return Availability("here", path, bytes_under(path), "On this machine.")
    if hub_client.is_offline():
        return Availability("unreachable", None, 0, "Not on this machine, and HF_HUB_OFFLINE forbids asking the hub.")
    if probe:
        return hub_client.ask(source)
    if hub_client.known_unreachable():
        return Availability("unreachable", None, 0, "Not on this machine, and the hub cannot be reached.")
    size = f", about {formatting.size(4 * spec.parameters)}" if spec.parameters else ""
    return Availability("fetchable", None, 0, f"Not on this machine: fetch it from the hub{size}.")


def directory(source: Hub) -> Path | None:
    """The snapshot of the model in the cache, if it is whole."""
    for repo in filter(None, (source.repo, source.old_id)):
        path = _snapshot(hub_client.repo_folder(repo), source.revision)
        if _is_whole(path):
            return path
    return None


def _snapshot(folder: Path, revision: str) -> Path:
    """Where the files of a revision lie in a repository's folder of the cache, if they are there."""
    with suppress(OSError):  # a commit has no reference: it stands for itself
        revision = (folder / "refs" / revision).read_text().strip()
    return folder / "snapshots" / revision


def _is_whole(snapshot: Path) -> bool:
    has_tokenizer = any((snapshot / name).is_file() for name in _TOKENIZER_FILES)
    if not has_tokenizer or not (snapshot / "config.json").is_file():
        return False
    try:
        weights.weight_files(snapshot)
    except ModelFilesError:
        return False
    return True


def fetch_steps(spec: "ModelSpec", source: Hub) -> Steps[Path]:
    """Fetch what is missing of the model; what an earlier try has already fetched is not asked for again.

    Raises
    ------
    UnreachableError, AccessError, UnknownModelError
        As the hub answers, or does not.
    UnsupportedModelError
        If the repository has no safetensors.
    ChecksumError
        If a file is not what the hub says it is; it is deleted.
    FetchError
        If the connection is cut; what has come stays for the next try.
    StorageError
        If the disk is too full.
    """
    path = directory(source)
    if path is not None and weights.is_whole(path):
        return path
    yield Progress(f"Asking the hub for {spec.title}")
    commit, names = hub_client.list_files(source)
    work = _fetch_all(spec, source, commit, wanted(names, source.repo), path)
    yield from staging.locked(hub_client.lock_file(hub_client.repo_folder(source.repo)), work)
    path = directory(source)
    if path is None:
        raise FetchError(f"The hub's copy of {spec.title} is incomplete: it lacks a tokenizer, config.json or weights.")
    return path


def _forget_damaged(snapshot: Path) -> None:
    """Delete weights that are not as long as they say, so that they are fetched anew."""
    blobs = (snapshot.parent.parent / "blobs").resolve()
    for path in weights.weight_files(snapshot):
        try:
            weights.tensors(path)
        except ModelFilesError:
            blob = path.resolve()
            path.unlink()
            if blob.parent == blobs:
                blob.unlink(missing_ok=True)


def wanted(names: tuple[str, ...], repo: str) -> list[str]:
    """The files of a repository that loading needs, the small ones first.

    Examples
    --------
    >>> wanted(("model.safetensors", "config.json", "pytorch_model.bin", "onnx/config.json"), "org/name")
    ['config.json', 'model.safetensors']
    """
    top = [name for name in names if "/" not in name]
    if weights.INDEX in top:
        numbered = [name for name in top if _SHARD.search(name)]
        found = [name for name in numbered if name.startswith("model-")] or numbered
    else:
        found = [name for name in top if name == weights.SINGLE]
    if not found:
        raise UnsupportedModelError(
            f"{repo} has no weights as safetensors, and no other format is read. "
            "Choose another repository of the same model, or convert it."
        )
    return sorted(name for name in top if name.endswith(_WANTED_SUFFIXES)) + sorted(found)


def fetch_data_file_steps(repo: str, name: str, title: str) -> Steps[Path]:
    """One file of a data set, as it was last fetched; it goes on where an earlier try stopped.

    Raises
    ------
    UnreachableError, AccessError, ChecksumError, FetchError, StorageError
        As for a model.
    """
    folder = hub_client.repo_folder(repo, "dataset")
    path = _snapshot(folder, _BRANCH) / name
    if path.is_file():
        return path
    yield Progress(f"Asking the hub for {title}")
    file = hub_client.look_up(repo, _BRANCH, name, "dataset")
    work = _fetch_blobs(title, folder, file.commit, _BRANCH, [file])
    yield from staging.locked(hub_client.lock_file(folder), work)
    return folder / "snapshots" / file.commit / name


def _fetch_all(spec: "ModelSpec", source: Hub, commit: str, names: list[str], damaged: Path | None) -> Steps[None]:
    if damaged is not None:
        _forget_damaged(damaged)
    folder = hub_client.repo_folder(source.repo)
    files = []
    for name in names:
        if not (folder / "snapshots" / commit / name).is_file():
            files.append(hub_client.look_up(source.repo, commit, name))
            yield Progress(f"Asking the hub for {spec.title}", len(files), len(names), "files")
    yield from _fetch_blobs(spec.title, folder, commit, source.revision, files)


def _fetch_blobs(title: str, folder: Path, commit: str, revision: str, files: list[RemoteFile]) -> Steps[None]:
    total, done = sum(file.size for file in files), 0
    blobs = folder / "blobs"
    missing = sum(file.size for file in files if not (blobs / file.etag).is_file())
    with staging.storage_errors(blobs / "blob", missing):
        blobs.mkdir(parents=True, exist_ok=True)
        staging.require_free(blobs, missing)
        for file in files:
            yield from _fetch_one(title, file, blobs, done, total)
            hub_client.link(folder, file)
            done += file.size
        hub_client.remember_revision(folder, revision, commit)


def _fetch_one(title: str, file: RemoteFile, blobs: Path, done: int, total: int) -> Steps[None]:
    """Fetch a file's bytes into the cache's blob of its name, from where an earlier try stopped."""
    blob = blobs / file.etag
    if blob.is_file():
        return
    part = blobs / f"{file.etag}.logitscope-part"
    for position in hub_client.download(file, part):
        yield Progress(f"Downloading {title}", done + position, total, "bytes")
    if not hub_client.matches(part, file):
        part.unlink()
        raise ChecksumError(
            f"{file.name} of {title} arrived damaged: its checksum is not the one the hub states. "
            "It was deleted; fetch again to get it anew."
        )
    part.replace(blob)

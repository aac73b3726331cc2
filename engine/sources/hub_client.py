"""Talking to the hub: a listing, a file's address, its bytes. `engine.sources.hub` puts it together."""

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, TypeVar

from engine.errors import AccessError, EngineError, FetchError, UnknownModelError, UnreachableError
from engine.sources.availability import Availability
from engine.sources.kinds import Hub

T = TypeVar("T")
Kind = Literal["model", "dataset"]

_ANSWER_SECONDS = 3.0
_READ_SECONDS = 20.0
_UNREACHABLE_SECONDS = 60.0
"""How long 'cannot be reached' is believed before the hub is asked again."""
_CHUNK = 1 << 20
_SAFE_COMMIT = re.compile(r"[0-9a-f]{40}")
_SAFE_ETAG = re.compile(r"[\w-][\w.-]{0,127}", re.ASCII)
"""Both become file names in the cache, so a hub may not put a path in them."""

_unreachable_since: dict[str, float] = {}


@dataclass(frozen=True)
class RemoteFile:
    """A file of the hub. `etag` is the SHA-256 of a large file, git's blob SHA-1 of a small one."""

    commit: str
    name: str
    url: str
    etag: str
    size: int


def endpoint() -> str:
    """Address of the hub: `$HF_ENDPOINT`, or the library's default."""
    from huggingface_hub import constants

    default: str = constants.ENDPOINT
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or default


def is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` is set."""
    values = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.upper() in ("1", "ON", "YES", "TRUE") for value in values)


def cache_dir() -> Path:
    """The hub library's cache: `$HF_HUB_CACHE`, `$HF_HOME/hub`, or its default."""
    from huggingface_hub import constants

    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    return Path(constants.HF_HUB_CACHE)


def repo_folder(repo: str, kind: Kind = "model") -> Path:
    """Folder of a repository in the cache."""
    return cache_dir() / f"{kind}s--{repo.replace('/', '--')}"


def lock_file(repository: Path) -> Path:
    """Held while a repository's folder in the cache is fetched into, so that one process at a time does."""
    return cache_dir() / ".locks" / repository.name / "logitscope.lock"


def known_unreachable() -> bool:
    """Whether the hub did not answer within the last minute."""
    since = _unreachable_since.get(endpoint())
    return since is not None and time.monotonic() - since < _UNREACHABLE_SECONDS


def forget_unreachable() -> None:
    """Ask the hub again next time, whatever it did last."""
    _unreachable_since.clear()


def ask(source: Hub) -> Availability:
    """What the hub says of a repository, within a few seconds."""
    try:
        list_files(source)
    except UnreachableError as error:
        return Availability("unreachable", None, 0, str(error))
    except AccessError as error:
        return Availability("refused", None, 0, str(error))
    except (UnknownModelError, FetchError) as error:
        return Availability("missing", None, 0, str(error))
    return Availability("fetchable", None, 0, "Not on this machine; the hub has it.")


def list_files(source: Hub) -> tuple[str, tuple[str, ...]]:
    """Commit and file names of a repository at its revision.

    Raises
    ------
    UnreachableError
        If no answer comes within a few seconds, or none came within the last minute.
    UnknownModelError, AccessError, FetchError
        As the hub answers.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint())
    info = _answer(source.repo, lambda: api.model_info(source.repo, revision=source.revision, timeout=_ANSWER_SECONDS))
    names = tuple(file.rfilename for file in info.siblings or ())
    return _checked_commit(source.repo, info.sha), names


def _checked_commit(repo: str, commit: str | None) -> str:
    if commit is None or not _SAFE_COMMIT.fullmatch(commit):
        raise FetchError(f"The hub does not state the commit of {repo}, so it cannot be kept apart from others.")
    return commit


def look_up(repo: str, revision: str, name: str, kind: Kind = "model") -> RemoteFile:
    """Where a file lies, its commit, checksum and size."""
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url

    url = hf_hub_url(repo, name, repo_type=kind, revision=revision, endpoint=endpoint())
    found = _answer(repo, lambda: get_hf_file_metadata(url, token=get_token(), timeout=_ANSWER_SECONDS))
    if found.size is None or found.etag is None or not _SAFE_ETAG.fullmatch(found.etag):
        raise FetchError(f"The hub does not state size and checksum of {name} of {repo}, so it cannot be checked.")
    return RemoteFile(_checked_commit(repo, found.commit_hash), name, url, found.etag, found.size)


def download(file: RemoteFile, part: Path) -> Iterator[int]:
    """Write the file's bytes to `part`, after what is in it already; yields how many are there.

    Raises
    ------
    FetchError
        If the connection is cut. What has come stays in `part`.
    """
    position = part.stat().st_size if part.is_file() else 0
    if position > file.size:
        position = 0
    if position == file.size and part.is_file():
        return
    import httpx2
    from huggingface_hub import get_session, get_token

    headers = {"Accept-Encoding": "identity"}  # compressed, the bytes would not be those that the size counts
    if token := get_token():
        headers["Authorization"] = f"Bearer {token}"  # not sent on to another host that the hub redirects to
    if position:
        headers["Range"] = f"bytes={position}-"
    try:
        with get_session().stream("GET", file.url, headers=headers, timeout=_READ_SECONDS) as response:
            if response.status_code >= 400:
                raise FetchError(f"The hub answered {response.status_code} for {file.name}. Try again later.")
            goes_on = response.status_code == 206
            with part.open("ab" if goes_on else "wb") as output:
                for chunk in response.iter_bytes(_CHUNK):
                    output.write(chunk)
                    yield output.tell()
    except httpx2.HTTPError as error:
        raise _cut(file, part) from error
    if part.stat().st_size < file.size:
        raise _cut(file, part)


def _cut(file: RemoteFile, part: Path) -> FetchError:
    came = part.stat().st_size if part.is_file() else 0
    return FetchError(
        f"The connection was cut after {came:,} of {file.size:,} bytes of {file.name}. Fetch again to go on from there."
    )


def matches(path: Path, file: RemoteFile) -> bool:
    """Whether the bytes in `path` are those the hub states."""
    size = path.stat().st_size
    if size != file.size:
        return False
    if len(file.etag) == 64:
        start = hashlib.sha256()
    elif len(file.etag) == 40:
        start = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    else:
        return True  # a mirror's own kind of etag says nothing about the content
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: start).hexdigest() == file.etag


def link(folder: Path, file: RemoteFile) -> None:
    """Give a blob its name in the snapshot, as the library does."""
    pointer, blob = folder / "snapshots" / file.commit / file.name, folder / "blobs" / file.etag
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:  # Windows without the right to make links
        blob.replace(pointer)


def remember_revision(folder: Path, revision: str, commit: str) -> None:
    """Note which commit a branch stands for, as the library does."""
    if revision != commit:
        reference = folder / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(commit)


def _answer(repo: str, question: Callable[[], T]) -> T:
    """The hub's answer, waited for at most a few seconds even if the name server hangs."""
    if is_offline():
        raise UnreachableError(f"{repo} is not on this machine, and HF_HUB_OFFLINE forbids asking the hub for it.")
    if known_unreachable():
        raise _unreachable()
    answers: list[T] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            answers.append(question())
        except Exception as error:  # handed over to the asking thread
            errors.append(error)

    thread = threading.Thread(target=work, name="logitscope-hub", daemon=True)
    thread.start()
    thread.join(_ANSWER_SECONDS)
    if errors:
        _raise_for(repo, errors[0])
    if not answers:
        _unreachable_since[endpoint()] = time.monotonic()
        raise _unreachable()
    return answers[0]


def _unreachable() -> UnreachableError:
    return UnreachableError(
        f"The hub at {endpoint()} cannot be reached. Models that are on this machine work without it; "
        f"it is asked again in a minute. If you use a mirror, set HF_ENDPOINT."
    )


def _raise_for(repo: str, error: Exception) -> NoReturn:
    """Turn what the library raises into what the engine raises."""
    import httpx2
    from huggingface_hub import errors

    if isinstance(error, EngineError):
        raise error
    page = f"{endpoint()}/{repo}"
    if isinstance(error, httpx2.TransportError):
        _unreachable_since[endpoint()] = time.monotonic()
        raise _unreachable() from error
    if isinstance(error, errors.GatedRepoError):
        raise AccessError(
            f"{repo} is gated. Agree to its terms on {page}, then set HF_TOKEN to a token of that account."
        ) from error
    if isinstance(error, errors.RevisionNotFoundError):
        raise UnknownModelError(f"{repo} has no such revision. See {page} for those it has.") from error
    if isinstance(error, errors.RepositoryNotFoundError):
        raise UnknownModelError(
            f"The hub has no model {repo!r}, or it is private. Check the name; for a private model set HF_TOKEN."
        ) from error
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            raise AccessError(
                f"The hub refused {repo} ({status}). Set HF_TOKEN to a token that may read {page}."
            ) from error
        raise FetchError(f"The hub answered {status} when asked for {repo}. Try again later.") from error
    raise FetchError(f"The hub's answer about {repo} could not be used ({type(error).__name__}).") from error

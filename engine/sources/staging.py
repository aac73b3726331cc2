"""A directory that is either whole or not there, however many processes make it and whenever they are killed.

The directory is filled under a temporary name beside its target, under a lock file, and renamed when it is whole.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from engine import formatting
from engine.errors import StorageError
from engine.steps import Progress, Steps

_LOCK_POLL_SECONDS = 0.2
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


def make_directory(target: Path, needed_bytes: int, fill: Callable[[Path], Steps[None]]) -> Steps[Path]:
    """Make `target` by letting `fill` write into a temporary directory, unless it exists already.

    A second process that asks for the same directory waits for the first one and then uses what that one made.
    What killed processes left behind is removed first.

    Raises
    ------
    StorageError
        If fewer than `needed_bytes` are free, the disk fills up meanwhile, or it cannot be written.
    """
    if target.is_dir():
        return target
    with storage_errors(target, needed_bytes):
        yield from locked(target.parent / f".{target.name}.lock", _fill_and_rename(target, needed_bytes, fill))
    return target


def _make_parent(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a file in the way, a read-only disk, no permission: the remedy is the same
        raise _unwritable(target.parent, error) from error


def locked(path: Path, work: Steps[None]) -> Steps[None]:
    """Do `work` with the lock file `path` held, saying so while another process has it."""
    _make_parent(path)
    lock = FileLock(path, thread_local=False)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_LOCK_POLL_SECONDS)
        except Timeout:
            yield Progress("Waiting for another process that is preparing the same model")
    try:
        yield from work
    finally:
        lock.release()


def _fill_and_rename(target: Path, needed_bytes: int, fill: Callable[[Path], Steps[None]]) -> Steps[None]:
    if target.is_dir():  # another process made it while this one waited
        return
    for leftover in target.parent.glob(f".{target.name}.part-*"):  # whoever made these held the lock, so is gone
        shutil.rmtree(leftover, ignore_errors=True)
    require_free(target.parent, needed_bytes)
    part = target.parent / f".{target.name}.part-{os.getpid()}"
    part.mkdir()
    try:
        yield from fill(part)
        _flush(part)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _flush(directory: Path) -> None:
    """Force the files to disk, so that a power cut after the rename does not leave empty ones."""
    for path in directory.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def require_free(directory: Path, needed_bytes: int) -> None:
    """Raise a `StorageError` if the disk of `directory` has fewer than `needed_bytes` free."""
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise StorageError(_full_message(directory, needed_bytes, free))


@contextmanager
def storage_errors(target: Path, needed_bytes: int) -> Iterator[None]:
    """Turn the operating system's 'disk full' and 'may not write' into a `StorageError`."""
    try:
        yield
    except Exception as error:
        code = _errno(error)
        if code in _FULL:
            free = 0
            with suppress(OSError):
                free = shutil.disk_usage(target.parent).free
            raise StorageError(_full_message(target.parent, needed_bytes, free)) from error
        if code in _UNWRITABLE and isinstance(error, OSError):
            raise _unwritable(target.parent, error) from error
        raise


def _errno(error: Exception) -> int | None:
    """Error number of `error`; safetensors' own error type only has it in its text ('(os error 28)')."""
    if isinstance(error, OSError):
        return error.errno
    _, found, rest = str(error).partition("(os error ")
    digits = rest.partition(")")[0]
    return int(digits) if found and digits.isdigit() else None


def _unwritable(directory: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{directory} cannot be written: {error.strerror}. Set LOGITSCOPE_CACHE to a directory you may write to."
    )


def _full_message(directory: Path, needed_bytes: int, free: int) -> str:
    return (
        f"The disk is too full: {formatting.size(needed_bytes)} are needed in {directory} "
        f"and {formatting.size(free)} are free. "
        "Free some space, or set LOGITSCOPE_CACHE to a directory on another disk."
    )

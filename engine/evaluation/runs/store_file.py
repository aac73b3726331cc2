"""The store's file: opened, made, checked once per process, and set aside when it is damaged or newer."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import filelock

WAIT_SECONDS = 30.0
_FIRST_VERSION = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, title TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
    finished INTEGER NOT NULL, settings TEXT NOT NULL, models TEXT NOT NULL, data_hash TEXT NOT NULL,
    versions TEXT NOT NULL, summary TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS inputs (
    run_id TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE, packed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, stage TEXT NOT NULL, place INTEGER NOT NULL,
    seconds REAL NOT NULL, arrays BLOB NOT NULL, data TEXT NOT NULL, PRIMARY KEY (run_id, stage, place));
CREATE TABLE IF NOT EXISTS features (
    model TEXT NOT NULL, text TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (model, text));
CREATE TABLE IF NOT EXISTS notes (
    run_id TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE, notes TEXT NOT NULL)
"""
"""Tables of version 1. A table that programs which do not know it can leave alone is added here."""
MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = []
"""A function for each further version, which makes it out of the one before: every file passes through all of them, a
new one too."""
_DAMAGED = ".damaged-"

_lock = threading.Lock()
_prepared: dict[Path, Path] = {}


def version() -> int:
    """Version of the files that this program writes."""
    return 1 + len(MIGRATIONS)


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on disk when they return, and which waits for other processes."""
    db = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA synchronous = FULL")
    return db


def prepare(wanted: Path) -> Path:
    """The file to use: `wanted`, made if absent. A damaged one is set aside first; beside a newer one stands ours.

    A file of a newer version stays where it is and is not written, since the newer program may have it open.
    """
    with _lock:
        known = _prepared.get(wanted)
        if known is not None and known.exists():
            return known
        wanted.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{wanted}.lock", timeout=WAIT_SECONDS):
            path = _usable(wanted)
            if path is None:
                path = wanted.with_name(f"{wanted.stem}-v{version()}{wanted.suffix}")
                if _usable(path) is None:  # a newer program wrote even this name
                    raise OSError(f"{path} was written by a newer version of this program. Update it")
            _create(path)
        _prepared[wanted] = path
        return path


def notices(path: Path) -> tuple[str, ...]:
    """What a person should know about files beside the store at `path`."""
    stem = path.stem.removesuffix(f"-v{version()}")
    found = [
        f"A damaged store was set aside as {aside.name} in {aside.parent}; a new one was begun."
        for aside in sorted(path.parent.glob(f"{stem}{_DAMAGED}*{path.suffix}"))
    ]
    if path.stem != stem:
        found.append(
            f"{stem}{path.suffix} was written by a newer version of this program and left untouched; runs are kept in "
            f"{path.name} beside it."
        )
    return tuple(found)


def _usable(path: Path) -> Path | None:
    """`path` once it is fit for use, or None if a newer program wrote it. A damaged file is moved aside."""
    if not path.exists():
        return path
    try:
        db = connect(path)
        try:
            if _version_of(db) > version():
                return None
            verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            db.close()
    except sqlite3.OperationalError:  # locked, unreadable: not a sign of damage
        raise
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict != "ok":
        _set_aside(path)
    return path


def _set_aside(path: Path) -> None:
    name = f"{path.stem}{_DAMAGED}{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1_000_000:06d}{path.suffix}"
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(path.with_name(name + ending))


def _create(path: Path) -> None:
    """Make what is missing in the file, and bring one of an older version up to this one, all of it or nothing."""
    db = connect(path)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        found = max(1, _version_of(db))
        if found == 1:
            for statement in _FIRST_VERSION.split(";"):
                db.execute(statement)
        for migrate in MIGRATIONS[found - 1 :]:
            migrate(db)
        db.execute(f"PRAGMA user_version = {version()}")
        db.execute("COMMIT")
    finally:
        db.close()


def _version_of(db: sqlite3.Connection) -> int:
    """Version of an open file; 0 if it is new."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])

"""Where runs are kept: one SQLite file in the data directory, shared by every process.

Each finished batch is one transaction, so a killed process loses at most the batch in flight. A run's id is a digest of
what was asked for (kind, models, settings, data): asking again continues or reopens the same run. This module knows
batches, not what is in them.
"""

import io
import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import errors, paths
from engine.arrays import Arrays, Floats32
from engine.evaluation.runs import store_file
from engine.evaluation.runs.planning import Plan, library_versions

_COLUMNS = "id, kind, title, created, updated, finished, settings, models, data_hash, versions, summary"
_SELECT = f"SELECT {_COLUMNS}, notes FROM runs LEFT JOIN notes ON run_id = id"  # noqa: S608
_FULL = ("disk is full", "readonly database", "unable to open", "disk i/o error")


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation as kept: what was asked, with what, and its result once finished.

    Attributes
    ----------
    id : 16 hexadecimal digits, digest of kind, models asked for, settings and data
    kind : of evaluation, as `engine.evaluation.kinds` lists them
    title : one line for people
    created, updated : seconds since 1970
    finished : whether `summary` is the final result
    settings : what was asked, JSON-ready
    models : model as loaded, by its role: key, title, precision, revision and so on; empty until loading
    data_hash : SHA-256 of the input
    versions : versions of the libraries at creation
    summary : the result, JSON-ready; empty until finished
    notes : sentences for people on how the data was read
    """

    id: str
    kind: str
    title: str
    created: float
    updated: float
    finished: bool
    settings: dict[str, Any]
    models: dict[str, Any]
    data_hash: str
    versions: dict[str, str]
    summary: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """One finished piece of a run: `arrays` and JSON-ready `data`, computed in `seconds`."""

    stage: str
    place: int
    seconds: float
    arrays: Arrays
    data: dict[str, Any]


class RunStore:
    """The kept runs. Opening sets a damaged or newer file aside and says so in `notices`.

    Parameters
    ----------
    path
        The SQLite file; `runs.sqlite` in the data directory by default.

    Raises
    ------
    StorageError
        The disk is full or the directory cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        wanted = path or paths.data_dir() / "runs.sqlite"
        with _storage_errors(wanted):
            self.path = store_file.prepare(wanted)

    @property
    def notices(self) -> tuple[str, ...]:
        """One sentence for each file that was set aside and still lies beside the store."""
        return store_file.notices(self.path)

    def begin(self, plan: Plan) -> Run:
        """The run that `plan` asks for, made now unless it is kept already."""
        now = time.time()
        packed = zlib.compress(json.dumps(plan.inputs, ensure_ascii=False).encode("utf-8"), 6)
        asked = (_dump(plan.settings), "{}", plan.data_hash, _dump(library_versions()), "{}")
        row = (plan.id, plan.kind, plan.title, now, now, 0, *asked)
        with self._writing() as db:
            db.execute(f"INSERT OR IGNORE INTO runs ({_COLUMNS}) VALUES ({','.join('?' * len(row))})", row)  # noqa: S608
            db.execute("INSERT OR IGNORE INTO inputs (run_id, packed) VALUES (?, ?)", (plan.id, packed))
            if plan.notes:  # the same data may have been read in another way before
                db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (plan.id, json.dumps(plan.notes)))
        return self.run(plan.id)

    def find(self, run_id: str) -> Run | None:
        """The run of that id, or None."""
        with self._reading() as db:
            row = db.execute(f"{_SELECT} WHERE id = ?", (run_id,)).fetchone()
        return None if row is None else _run(row)

    def run(self, run_id: str) -> Run:
        """The run of that id.

        Raises
        ------
        ParameterError
            There is none.
        """
        found = self.find(run_id)
        if found is None:
            raise errors.ParameterError(
                f"No run is called {run_id[:40]!r}. `python -m engine runs` lists the kept ones."
            )
        return found

    def runs(self, kind: str | None = None) -> tuple[Run, ...]:
        """All runs, or those of one kind, newest first."""
        with self._reading() as db:
            rows = db.execute(f"{_SELECT} ORDER BY updated DESC, id").fetchall()
        return tuple(run for run in map(_run, rows) if kind in {None, run.kind})

    def inputs(self, run_id: str) -> Any:
        """The inputs of the plan it was begun with."""
        with self._reading() as db:
            row = db.execute("SELECT packed FROM inputs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            self.run(run_id)
            raise errors.StorageError(f"The data of run {run_id} is missing from the store. Start it anew.")
        return json.loads(zlib.decompress(row[0]))

    def set_models(self, run_id: str, models: Mapping[str, Any]) -> None:
        """Record the models as they were loaded."""
        with self._writing() as db:
            db.execute("UPDATE runs SET models = ? WHERE id = ?", (_dump(models), run_id))

    def save(
        self, run_id: str, stage: str, place: int, arrays: Arrays, data: Mapping[str, Any], seconds: float = 0.0
    ) -> None:
        """Keep one finished batch, in one transaction. Of two processes that computed the same one, the first wins."""
        row = (run_id, stage, place, seconds, _pack(arrays), _dump(data))
        try:
            with self._writing() as db:
                db.execute("INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
                db.execute("UPDATE runs SET updated = ? WHERE id = ?", (time.time(), run_id))
        except sqlite3.IntegrityError:
            raise errors.Cancelled(f"Run {run_id} was deleted while it was computed.") from None

    def places(self, run_id: str) -> frozenset[tuple[str, int]]:
        """(stage, place) of every batch that is done."""
        with self._reading() as db:
            return frozenset(db.execute("SELECT stage, place FROM batches WHERE run_id = ?", (run_id,)).fetchall())

    def batch(self, run_id: str, stage: str, place: int) -> Batch | None:
        """One batch, or None if it is not done."""
        found = self._batches("run_id = ? AND stage = ? AND place = ?", (run_id, stage, place))
        return next(found, None)

    def batches(self, run_id: str, stage: str) -> Iterator[Batch]:
        """The done batches of a stage, in order, read one by one."""
        return self._batches("run_id = ? AND stage = ? ORDER BY place", (run_id, stage))

    def finish(self, run_id: str, summary: Mapping[str, Any]) -> Run:
        """Mark the run finished with its result."""
        with self._writing() as db:
            values = (_dump(summary), time.time(), run_id)
            db.execute("UPDATE runs SET finished = 1, summary = ?, updated = ? WHERE id = ?", values)
        return self.run(run_id)

    def delete(self, run_id: str) -> None:
        """Delete the run with its batches and inputs."""
        self.run(run_id)
        with self._writing() as db:
            db.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def features(self, model_key: str, digests: Sequence[str]) -> dict[str, Floats32]:
        """Kept feature vectors of texts by the texts' digests; absent ones are left out."""
        found = {}
        with self._reading() as db:
            for digest in digests:
                row = db.execute(
                    "SELECT vector FROM features WHERE model = ? AND text = ?", (model_key, digest)
                ).fetchone()
                if row is not None:
                    found[digest] = np.frombuffer(row[0], dtype="<f4")
        return found

    def save_features(self, model_key: str, vectors: Mapping[str, Floats32]) -> None:
        """Keep feature vectors by the digests of their texts."""
        rows = [(model_key, digest, vector.astype("<f4").tobytes()) for digest, vector in vectors.items()]
        with self._writing() as db:
            db.executemany("INSERT OR IGNORE INTO features VALUES (?, ?, ?)", rows)

    def _batches(self, where: str, values: tuple[Any, ...]) -> Iterator[Batch]:
        query = f"SELECT stage, place, seconds, arrays, data FROM batches WHERE {where}"  # noqa: S608
        with self._reading() as db:
            for stage, place, seconds, arrays, data in db.execute(query, values):
                yield Batch(stage, place, seconds, _unpack(arrays), json.loads(data))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with _storage_errors(self.path):
            db = store_file.connect(self.path)
            try:
                yield db
            finally:
                db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Turn the machine's refusals into one clear sentence; leave mistakes of this program alone."""
    try:
        yield
    except OSError as error:
        raise errors.StorageError(f"Runs cannot be kept in {path}: {error.strerror or error}.") from error
    except sqlite3.OperationalError as error:
        if not any(sign in str(error).lower() for sign in (*_FULL, "locked")):
            raise
        raise errors.StorageError(
            f"Runs cannot be written to {path}: {error}. Free some space or set LOGITSCOPE_DATA to another folder; "
            "finished batches are safe and the run continues from there."
        ) from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        raise errors.StorageError(
            f"The store {path} is damaged: {error}. Restart the program: it sets the file aside and begins a new one."
        ) from error


def _run(row: tuple[Any, ...]) -> Run:
    kept = dict(zip((*_COLUMNS.split(", "), "notes"), row, strict=True))
    kept |= {name: json.loads(kept[name]) for name in ("settings", "models", "versions", "summary")}
    return Run(**{**kept, "finished": bool(kept["finished"]), "notes": tuple(json.loads(kept["notes"] or "[]"))})


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _pack(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def _unpack(packed: bytes) -> Arrays:
    with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}

"""The store: what is in it stays, whoever dies, whoever else writes, and whatever file was there."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine import steps
from engine.errors import Cancelled, ParameterError, StorageError
from engine.evaluation.divergence import evaluate, result
from engine.evaluation.runs import store_file
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import RunStore
from engine.paths import ROOT
from tests.engine import crash_parent, fakes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


def begin(store: RunStore, run_id: str = "r1", inputs: object = ("a", "ü")) -> None:
    store.begin(Plan(run_id, "divergence", "A title", {"x": 1}, inputs, "h", ("How it was read.",)))


def test_a_run_is_read_back_as_it_was_kept(path: Path) -> None:
    store = RunStore(path)
    begin(store)
    arrays = {"kl": np.array([0.5, np.nan]), "ids": np.array([[1, 2]], dtype=np.int32)}
    store.save("r1", "pieces", 3, arrays, {"text": "½"}, 1.5)
    store.set_models("r1", {"base": {"key": "k"}})
    batch = RunStore(path).batch("r1", "pieces", 3)
    assert batch is not None
    np.testing.assert_array_equal(batch.arrays["kl"], arrays["kl"])
    assert batch.arrays["ids"].dtype == np.int32
    assert (batch.data, batch.seconds) == ({"text": "½"}, 1.5)
    run = store.finish("r1", {"mean": 0.5})
    assert (run.finished, run.summary, run.models["base"]["key"]) == (True, {"mean": 0.5}, "k")
    assert store.inputs("r1") == ["a", "ü"]
    assert run.notes == ("How it was read.",)
    assert store.find("r1") == run
    assert store.find("r2") is None


def test_beginning_again_finds_the_same_run_with_its_batches(path: Path) -> None:
    store = RunStore(path)
    begin(store)
    store.save("r1", "pieces", 0, {}, {})
    begin(store)
    assert store.places("r1") == {("pieces", 0)}
    assert len(store.runs()) == 1
    assert store.runs("mauve") == ()


def test_deleting_a_run_takes_its_batches_along_and_stops_its_writer(path: Path) -> None:
    store = RunStore(path)
    begin(store)
    store.save("r1", "pieces", 0, {}, {})
    store.delete("r1")
    assert not store.places("r1")
    assert sqlite3.connect(path).execute("SELECT count(*) FROM notes").fetchone() == (0,)
    with pytest.raises(ParameterError, match="No run is called 'r1'"):
        store.run("r1")
    with pytest.raises(Cancelled, match="deleted"):
        store.save("r1", "pieces", 1, {}, {})


def test_features_are_kept_by_model_and_text(path: Path) -> None:
    store = RunStore(path)
    store.save_features("m", {"t": np.arange(3, dtype=np.float32)})
    assert store.features("m", ["t", "u"]).keys() == {"t"}
    assert not store.features("other", ["t"])


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_set_aside_whole_and_said(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    store = RunStore(path)
    begin(store)
    (aside,) = path.parent.glob("runs.damaged-*.sqlite")
    assert aside.read_bytes() == content
    assert aside.name in store.notices[0]


def test_a_file_with_a_broken_page_is_set_aside(path: Path) -> None:
    store = RunStore(path)
    begin(store, inputs=["long " * 10_000])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(path.read_bytes())
    data[4096 : 4096 + 2000] = b"\x99" * 2000
    broken = path.with_name("broken.sqlite")  # a file that this process has not looked at yet
    broken.write_bytes(data)
    assert RunStore(broken).runs() == ()
    assert list(path.parent.glob("broken.damaged-*.sqlite"))


def test_a_newer_versions_file_is_left_alone_and_ours_stands_beside_it(path: Path) -> None:
    newer = sqlite3.connect(path)
    newer.executescript("CREATE TABLE runs (something_else TEXT); PRAGMA user_version = 99;")
    newer.close()
    before = path.read_bytes()
    store = RunStore(path)
    begin(store)
    assert store.path.name == "runs-v1.sqlite"
    assert path.read_bytes() == before
    assert "newer version" in store.notices[0]


@pytest.fixture
def older(path: Path) -> Path:
    """A file of version 1 with a run, which this process has not looked at yet."""
    begin(RunStore(path))
    return path.rename(path.with_name("older.sqlite"))


def test_a_file_of_an_older_version_is_brought_up_to_date_step_by_step(
    older: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def titles(db: sqlite3.Connection) -> None:
        db.execute("UPDATE runs SET title = upper(title)")

    def colour(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE runs ADD COLUMN colour TEXT")
        db.execute("UPDATE runs SET colour = 'red after ' || title")

    with monkeypatch.context() as patch:
        patch.setattr(store_file, "MIGRATIONS", [titles, colour])
        for file, expected in ((older, [("A TITLE", "red after A TITLE")]), (path, [])):
            assert RunStore(file).path == file
            db = sqlite3.connect(file)
            assert db.execute("PRAGMA user_version").fetchone() == (3,)
            assert db.execute("SELECT title, colour FROM runs").fetchall() == expected
            db.close()
        again = older.rename(older.with_name("again.sqlite"))
        begin(RunStore(again), "r2")  # each change was made once: a second column of that name cannot be
        assert {run.title for run in RunStore(again).runs()} == {"A TITLE", "A title"}
    before = again.rename(again.with_name("newer.sqlite"))
    assert "newer version" in RunStore(before).notices[0]


def test_a_change_that_fails_leaves_the_older_file_as_it_was(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("UPDATE runs SET title = 'half'")
        raise RuntimeError("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(store_file, "MIGRATIONS", [half])
        with pytest.raises(RuntimeError, match="interrupted"):
            RunStore(older)
    assert RunStore(older).run("r1").title == "A title"


def test_a_full_disk_is_said_and_loses_no_finished_batch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(path)
    begin(store)
    store.save("r1", "pieces", 0, {"kept": np.arange(10)}, {})
    plain = store_file.connect

    def small_disk(where: Path) -> sqlite3.Connection:
        connection = plain(where)
        connection.execute("PRAGMA max_page_count = 20")
        return connection

    monkeypatch.setattr(store_file, "connect", small_disk)
    with pytest.raises(StorageError, match=r"full.*LOGITSCOPE_DATA"):
        store.save("r1", "pieces", 1, {"large": np.random.default_rng(0).random(100_000)}, {})
    monkeypatch.undo()
    assert store.places("r1") == {("pieces", 0)}
    store.save("r1", "pieces", 1, {"large": np.zeros(9)}, {})


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be kept"):
        RunStore(tmp_path / "file" / "runs.sqlite")


def test_two_processes_share_one_store(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from engine.evaluation.runs.planning import Plan\n"
        "from engine.evaluation.runs.store import RunStore\n"
        "store, name = RunStore(Path(sys.argv[1])), sys.argv[2]\n"
        "for run in ('shared', name):\n"
        "    store.begin(Plan(run, 'k', 't', {}, [], ''))\n"
        "for place in range(40):\n"
        "    for run in ('shared', name): store.save(run, 's', place, {'x': np.full(50, place)}, {})\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, str(path), name], cwd=ROOT) for name in ("a", "b")]
    assert [child.wait(60) for child in children] == [0, 0]
    store = RunStore(path)
    for run in ("shared", "a", "b"):
        assert [batch.arrays["x"][0] for batch in store.batches(run, "s")] == list(range(40))


def test_a_run_killed_ten_times_ends_as_an_undisturbed_one(path: Path) -> None:
    store = RunStore(path)
    begin(store, crash_parent.RUN_ID, crash_parent.TEXTS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.crash_parent"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    chance = random.Random(11)
    kills = 0
    for attempt in range(11):
        parent.stdin.write(f"{path}\n")
        parent.stdin.flush()
        child = int(parent.stdout.readline())
        if attempt < 10:
            target = len(store.places(crash_parent.RUN_ID)) + chance.randint(0, 3)
            while len(store.places(crash_parent.RUN_ID)) < target:
                time.sleep(0.005)  # a closer watch takes the processor from the run
            time.sleep(chance.uniform(0, 0.01))
            os.kill(child, signal.SIGKILL)
        kills += os.WIFSIGNALED(int(parent.stdout.readline()))
    parent.stdin.close()
    assert parent.wait(10) == 0
    assert kills == 10
    assert store.run(crash_parent.RUN_ID).finished
    resumed = result.reopened(store.batches(crash_parent.RUN_ID, evaluate.STAGE), crash_parent.TEXTS)
    models = fakes.random_model(1), fakes.random_model(2)
    undisturbed = steps.run(evaluate.corpus_divergence_steps(*models, crash_parent.TEXTS))
    np.testing.assert_array_equal(resumed.kl, undisturbed.kl)
    assert resumed.statistics == undisturbed.statistics

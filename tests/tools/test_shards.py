"""Text on disk: what was written comes back, and a killed process leaves whole batches only."""

from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from tools.distil import files
from tools.distil.filters import Ids
from tools.distil.shards import Shards

SEPARATOR = 0


def ids(*values: int) -> Ids:
    return np.array(values, dtype=np.uint16)


@pytest.fixture
def filled(tmp_path: Path) -> Shards:
    kept = Shards(tmp_path, SEPARATOR, "same")
    kept.add({"train": [ids(5, 6), ids(7)], "held_out": [ids(8)]}, {"kind": "a"})
    kept.add({"train": [ids(9, 10)], "held_out": []}, {"kind": "b"})
    return kept


def test_texts_come_back_in_order_with_a_separator_around_each(filled: Shards) -> None:
    again = Shards(filled.folder, SEPARATOR, "same")
    assert again.stream("train").tolist() == [0, 5, 6, 0, 7, 0, 9, 10, 0]
    assert [text.tolist() for text in again.texts("train")] == [[5, 6], [7], [9, 10]]
    assert [text.tolist() for text in again.texts("held_out")] == [[8]]
    assert (again.tokens("train"), again.count("train"), again.count("held_out")) == (8, 3, 1)
    assert again.identity() == filled.identity()


@pytest.mark.parametrize("written_before", [0, 1, 2])
def test_a_batch_that_was_not_finished_does_not_exist(
    filled: Shards, monkeypatch: pytest.MonkeyPatch, written_before: int
) -> None:
    whole, count = files.replaced, iter(range(9))

    def dying(path: Path) -> object:
        if next(count) == written_before:
            path.with_name(f".{path.name}.part").write_bytes(b"half")
            raise KeyboardInterrupt
        return whole(path)

    monkeypatch.setattr(files, "replaced", dying)
    with pytest.raises(KeyboardInterrupt):
        filled.add({"train": [ids(1)], "held_out": [ids(2)]}, {"kind": "c"})
    monkeypatch.undo()
    again = Shards(filled.folder, SEPARATOR, "same")
    assert len(again.batches) == 2
    again.add({"train": [ids(11)], "held_out": []}, {"kind": "c"})
    assert Shards(filled.folder, SEPARATOR, "same").stream("train").tolist()[-2:] == [11, 0]


def test_text_of_other_settings_is_refused(filled: Shards) -> None:
    with pytest.raises(InputError, match="other settings"):
        Shards(filled.folder, SEPARATOR, "different")


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: np.save(path, ids(1, 2, 3))])
def test_a_missing_or_changed_file_is_named(filled: Shards, damage: object) -> None:
    damage(filled.folder / "train-00001.npy")  # type: ignore[operator]
    with pytest.raises(InputError, match="train-00001"):
        filled.stream("train")

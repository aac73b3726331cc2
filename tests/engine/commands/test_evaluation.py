"""Files as the corpus commands take them: what a run is planned on, and what is said of how it was read."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from engine.commands import evaluation, main
from engine.evaluation.runs.store import RunStore
from engine.paths import ROOT

FILES = {
    "t.txt": ("First text.\n\nSecond text.", "plain text, split at blank lines; UTF-8"),
    "t.jsonl": ('{"body": "First text."}\n{"body": "Second text."}', 'JSON lines, key "body"; UTF-8'),
    "t.json": ('{"data": [{"text": "First text."}, {"text": "Second text."}]}', 'JSON, key "text"; UTF-8'),
    "t.csv": ('id,text\n1,First text.\n2,"Second text."\n', 'CSV, column "text"; UTF-8'),
    "t.tsv": ("id\ttext\n1\tFirst text.\n2\tSecond text.\n", 'TSV, column "text"; UTF-8'),
}


@pytest.fixture(autouse=True)
def only_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are planned and kept in a folder of the test's own, and not done."""
    monkeypatch.setenv("LOGITSCOPE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(evaluation, "_done", lambda store, run_id, device: {"id": run_id})


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str]:
    """A run's inputs, and what was said on stderr."""
    assert main(list(arguments)) == 0
    out, said = capsys.readouterr()
    store = RunStore()
    return store.inputs(json.loads(out)["id"]), said


@pytest.mark.parametrize("name", [*FILES, "t.parquet"])
def test_divergence_reads_every_form(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, read_as = FILES.get(name, ("", 'Parquet, column "text"'))
    (tmp_path / name).write_text(content)
    if name == "t.parquet":
        pd.DataFrame({"text": ["First text.", "Second text."]}).to_parquet(tmp_path / name)
    inputs, said = planned(capsys, "divergence", str(tmp_path / name))
    assert inputs == ["First text.", "Second text."]
    assert said == f"note: Read as {read_as}.\n"


def test_the_column_and_the_form_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("question,answer\nWhy?,Because.\n")
    inputs, _ = planned(capsys, "divergence", str(tmp_path / "t.csv"), "--column", "answer")
    assert inputs == ["Because."]
    inputs, _ = planned(capsys, "divergence", str(tmp_path / "t.csv"), "--form", "lines")
    assert inputs == ["question,answer", "Why?,Because."]


def test_a_table_whose_column_is_not_clear_is_refused_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text("question,answer\nWhy?,Because.\n")
    assert main(["divergence", str(tmp_path / "t.csv")]) == 2
    assert capsys.readouterr().err == (
        "error: No column or key is called 'text'; there are 'question', 'answer'. Call the one that holds the texts "
        "'text', or choose it (--column on the command line).\n"
    )


def test_mauve_reads_both_sets_in_any_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [f"Text number {number}." for number in range(120)]
    (tmp_path / "human.json").write_text(json.dumps(texts))
    pd.DataFrame({"text": texts[::-1]}).to_parquet(tmp_path / "other.parquet")
    files = [str(tmp_path / "human.json"), "--against", str(tmp_path / "other.parquet")]
    inputs, said = planned(capsys, "mauve", *files)
    assert inputs == {"human": texts, "other": texts[::-1], "openings": None}
    assert said.count("note: Read as") == 2


def test_hellaswag_leaves_odd_items_out_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = {"ctx": "A cook reads", "endings": ["a", "b", "c", "d"], "label": 1}
    (tmp_path / "items.json").write_text(json.dumps([good, {**good, "label": 9}]))
    inputs, said = planned(capsys, "hellaswag", str(tmp_path / "items.json"))
    assert inputs == [["A cook reads", ["a", "b", "c", "d"], 1]]
    assert said == ("note: 1 of 2 items is left out as unusable. Entry 2: the label is '9'; it must be 0, 1, 2 or 3.\n")


def test_the_command_line_is_read_without_loading_what_computes() -> None:
    code = "import sys, engine.commands as c; c.evaluation, c.inputs; print({'torch', 'transformers'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

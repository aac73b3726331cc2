"""The command line, as a process of its own where stdout matters, else in this one."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import commands
from engine.commands import main
from engine.models import loading, registry
from engine.models.loaded import LoadedModel
from engine.paths import ROOT

TEXT = "It costs ½ of 20 €, they said 🙂"


@pytest.fixture(scope="module")
def model(tiny_gpt2: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny GPT-2 as a directory."""
    path = tmp_path_factory.mktemp("model")
    tiny_gpt2.network.save_pretrained(path)
    tiny_gpt2.tokenizer.backend.save_pretrained(path)
    return str(path)


@pytest.fixture(autouse=True)
def one_tokenizer(tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models here share one tokenizer, so it is read once (in this process: those started read their own)."""
    monkeypatch.setattr(loading, "_load_tokenizer", lambda spec, path: tiny_gpt2.tokenizer.backend)


@pytest.fixture
def text_file(tmp_path: Path) -> str:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


def engine(*arguments: str, stdin: bytes = b"", **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "engine", *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        timeout=120,
        check=False,
    )


def test_stdout_is_json_and_nothing_else(model: str, text_file: str) -> None:
    done = engine("score", "--model", model, "--precision", "float32", "--json", text_file)
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    assert scores["log_probs"][0] is None
    assert all(log_prob < 0 for log_prob in scores["log_probs"][1:])
    assert len(scores["token_ids"]) == len(scores["log_probs"]) == len(scores["tokens"])
    assert "Loading" in done.stderr.decode()


@pytest.fixture(scope="module")
def piped(model: str) -> "subprocess.CompletedProcess[bytes]":
    """A text from standard input, in a terminal that knows ASCII alone."""
    terminal = {"PYTHONIOENCODING": "ascii:strict"}
    return engine("score", "--model", model, "--precision", "float32", "-", stdin=TEXT.encode(), **terminal)


def test_standard_input_is_read_and_numbers_are_those_of_the_engine(
    piped: "subprocess.CompletedProcess[bytes]", tiny_gpt2: LoadedModel
) -> None:
    import engine as public

    expected = public.score_text(tiny_gpt2, TEXT)
    assert json.loads(piped.stdout)["log_probs"][1:] == pytest.approx(expected.log_probs[1:], abs=1e-4)


TERMINALS = [
    {"PYTHONIOENCODING": "cp1252"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
]


def test_stdout_is_utf8_where_the_terminal_is_not(piped: "subprocess.CompletedProcess[bytes]") -> None:
    assert piped.returncode == 0, piped.stderr
    assert json.loads(piped.stdout.decode("utf-8"))["text"] == TEXT
    assert "🙂".encode() in piped.stdout


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "shift-jis", "utf-16"])
def test_the_alternatives_of_plain_text_go_out_in_any_encoding(
    encoding: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain.txt").write_text("the cat")
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["score", "--model", model, "--top-k", "200", str(tmp_path / "plain.txt")]) == 0
    written = out.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]
    assert not written.isascii()
    assert json.loads(written)["text"] == "the cat"


@pytest.mark.parametrize("terminal", TERMINALS, ids=["cp1252", "ascii", "C locale"])
def test_a_refusal_in_any_terminal_is_no_traceback(terminal: dict[str, str]) -> None:
    done = engine("score", "größer-🙂.txt", **terminal)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: gr")
    assert done.stderr.endswith(b".txt cannot be read: No such file or directory.\n")
    assert done.stderr.count(b"\n") == 1


def test_half_a_surrogate_pair_goes_out_as_json_escapes_it(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    commands._speak_utf8()
    sys.stdout.write(commands._written({"path": "a\udcff🙂"}))
    sys.stdout.flush()
    out = capsysbinary.readouterr().out
    assert json.loads(out.decode("utf-8")) == {"path": "a\udcff🙂"}


@pytest.mark.parametrize("command", [["score"], ["compare"], ["divergence"], ["hellaswag"], ["mauve"]])
def test_what_is_no_file_is_refused_in_one_sentence(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGITSCOPE_DATA", str(tmp_path / "data"))
    for file, said in (
        (str(tmp_path), f"{tmp_path} is a directory. Give a file."),
        (str(tmp_path / "absent"), f"{tmp_path / 'absent'} cannot be read: No such file or directory."),
        ("a\0b", "'a\\x00b' cannot be read: there is no such file."),
    ):
        assert run(capsys, *command, file) == (2, "", f"error: {said}\n")


def test_a_process_without_standard_input_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert run(capsys, "score", "-") == (2, "", "error: There is no standard input. Give a file.\n")


def test_refusals_are_one_line_on_stderr_and_exit_status_2(tmp_path: Path) -> None:
    done = engine("score", str(tmp_path / "absent.txt"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"error: {tmp_path / 'absent.txt'} cannot be read: No such file or directory.\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"GGUF\x03\x00\x00\x00", "a model file"), ("Größe".encode("latin-1"), "not UTF-8")],
)
def test_files_that_are_no_text_are_refused(
    content: bytes, words: str, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(content)
    status, out, err = run(capsys, "score", "--model", model, str(tmp_path / "file"))
    assert (status, out) == (2, "")
    assert words in err


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--model", "gtp2"], "Did you mean gpt2"),
        (["--precision", "fp8"], "no precision 'fp8'"),
        (["--device", "tpu"], "no device 'tpu'"),
        (["--window", "1"], "window"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    option: list[str], words: str, model: str, text_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "score", "--model", model, *option, text_file)
    assert (status, out) == (2, "")
    assert words in err.splitlines()[-1]


def test_compare_sets_two_precisions_side_by_side(
    model: str, text_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    precisions = ["--precision-a", "float32", "--precision-b", "nf4"]
    status, out, _ = run(capsys, "compare", "--model-a", model, "--model-b", model, *precisions, text_file)
    comparison = json.loads(out)
    assert status == 0
    assert comparison["shared_vocabulary"] is True
    assert all(kl is None or kl >= 0 for kl in comparison["kl_ab"])


@pytest.mark.parametrize(
    ("options", "bos", "opening_ids"),
    [([], "auto", []), (["--bos"], "on", [50256]), (["--bos", "on"], "on", [50256]), (["--bos=off"], "off", [])],
)
def test_the_opening_token_is_chosen_and_said(
    options: list[str], bos: str, opening_ids: list[int], model: str, text_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "score", "--model", model, "--precision", "float32", *options, text_file)
    assert status == 0, err
    scores = json.loads(out)
    assert (scores["bos"], scores["opening_ids"]) == (bos, opening_ids)
    assert (scores["log_probs"][0] is None) == (not opening_ids)
    _, out, _ = run(capsys, "compare", "--model-a", model, "--model-b", model, *options, text_file)
    comparison = json.loads(out)
    assert [comparison[side]["opening_ids"] for side in ("a", "b")] == [opening_ids] * 2


def test_special_tokens_are_read_as_such_if_asked(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "special.txt"
    file.write_text("one<|endoftext|>two")
    found = []
    for options in ([], ["--special-tokens"]):
        _, out, _ = run(capsys, "score", "--model", model, "--precision", "float32", *options, str(file))
        found.append(json.loads(out))
    assert [one["special_tokens"] for one in found] == [False, True]
    assert [50256 in one["token_ids"] for one in found] == [False, True]


def test_a_run_is_asked_for_with_its_opening_token(
    model: str, text_file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGITSCOPE_DATA", str(tmp_path))
    sides = ["--base", model, "--candidate", model, "--base-precision", "float32", "--candidate-precision", "float32"]
    status, out, err = run(capsys, "divergence", *sides, "--special-tokens", "--bos", text_file)
    assert status == 0, err
    found = json.loads(out)
    assert (found["settings"]["bos"], found["settings"]["special_tokens"]) == ("on", True)
    assert found["models"]["base"]["opening_tokens"] == ["<|endoftext|>"]
    assert found["result"]["tokens"] == found["result"]["tokens_base"]


def test_questions_are_asked_for_with_their_opening_token(
    model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGITSCOPE_DATA", str(tmp_path))
    items = ROOT / "assets" / "corpus" / "endings.jsonl"
    sides = ["--model", model, "--precision", "float32", "--items", "2"]
    status, out, err = run(capsys, "hellaswag", *sides, "--bos", str(items))
    assert status == 0, err
    found = json.loads(out)
    assert found["settings"]["bos"] == "on"
    assert found["models"]["model 1"]["opening_ids"] == [50256]


def test_csv_has_a_row_a_token(model: str, text_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, as_json, _ = run(capsys, "score", "--model", model, text_file)
    _, as_csv, _ = run(capsys, "score", "--model", model, "--csv", text_file)
    rows = list(csv.reader(io.StringIO(as_csv)))
    assert len(rows) - 1 == len(json.loads(as_json)["token_ids"])


def test_models_lists_every_model_with_its_state(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "models")
    listed = json.loads(out)
    assert (status, err) == (0, "")
    assert [entry["name"] for entry in listed] == [spec.name for spec in registry.specs()]
    assert {entry["state"] for entry in listed} <= {"here", "fetchable", "unreachable"}


def test_fetching_what_has_terms_shows_them_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(tmp_path))
    status, out, err = run(capsys, "fetch", "gemma3-270m")
    assert (status, out) == (2, "")
    assert "Gemma Terms of Use" in err
    assert "--accept-licence" in err


def test_fetching_a_made_model_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(tmp_path))
    status, out, _ = run(capsys, "fetch", "scratch-gpt2")
    assert status == 0
    assert (Path(json.loads(out)["path"]) / "model.safetensors").is_file()

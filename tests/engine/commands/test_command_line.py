"""What all commands share: their options, their help, and how they end."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine import commands
from engine.commands import inputs, main, options
from engine.paths import ROOT
from engine.training.config import BiasConfig


def parsed(line: str) -> argparse.Namespace:
    return commands.parser().parse_args(options.with_bare_bos(shlex.split(line)))


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (each for each in commands.parser()._actions if isinstance(each, argparse._SubParsersAction))
    return dict(action.choices)


INVOCATIONS: dict[str, dict[str, object]] = {
    "models": {"probe": False},
    "models --probe": {"probe": True},
    "fetch smollm2-135m": {"name": "smollm2-135m", "accept_licence": False},
    "fetch gemma3-270m --accept-licence": {"name": "gemma3-270m", "accept_licence": True},
    "score -": {
        "file": "-",
        "model": "smollm2-135m",
        "precision": "auto",
        "device": "auto",
        "top_k": 10,
        "bos": "auto",
        "special_tokens": False,
        "window": None,
        "stride": None,
    },
    "score --model smollm2-135m text.txt": {"file": "text.txt"},
    "score --model m --precision float32 --json text.txt": {"model": "m", "precision": "float32", "file": "text.txt"},
    "score --csv --top-k 200 --device cpu --window 8 --stride 4 a": {
        "top_k": 200,
        "device": "cpu",
        "window": 8,
        "stride": 4,
    },
    "score --bos text.txt": {"bos": "on", "file": "text.txt"},
    "score --bos off text.txt --special-tokens": {"bos": "off", "special_tokens": True},
    "score --bos=on text.txt": {"bos": "on"},
    "compare text.txt": {"model_a": "smollm2-135m", "model_b": "smollm2-135m", "common_tokens": False, "top_k": 10},
    "compare --model-a a --precision-a float32 --model-b b --precision-b nf4 --common-tokens --bos text.txt": {
        "model_a": "a",
        "precision_a": "float32",
        "model_b": "b",
        "precision_b": "nf4",
        "common_tokens": True,
        "bos": "on",
        "file": "text.txt",
    },
    "compare --csv --device cuda:1 --window 8 --stride 2 --special-tokens -": {"device": "cuda:1", "file": "-"},
    "divergence --candidate-precision nf4 corpus.csv": {
        "file": "corpus.csv",
        "base": "smollm2-135m",
        "base_precision": "auto",
        "candidate": "smollm2-135m",
        "candidate_precision": "nf4",
        "form": "auto",
        "column": None,
        "window": None,
        "stride": None,
        "bos": "auto",
        "special_tokens": False,
        "common_tokens": False,
        "resume": None,
        "device": "auto",
    },
    "divergence --base a --candidate b --base-precision float32 --special-tokens --common-tokens --bos t.txt": {
        "base": "a",
        "candidate": "b",
        "base_precision": "float32",
        "special_tokens": True,
        "common_tokens": True,
        "bos": "on",
        "file": "t.txt",
    },
    "divergence t.csv --column answer --form lines --window 9 --stride 3 --json": {
        "column": "answer",
        "form": "lines",
        "window": 9,
        "stride": 3,
    },
    "divergence --resume 1234 --device cpu": {"resume": "1234", "device": "cpu", "file": None},
    "hellaswag": {"file": None, "model": None, "precision": None, "items": None, "as_is": False, "bos": "auto"},
    "hellaswag --model a --model b --precision nf4 --precision int8 --items 2 --as-is --bos items.jsonl": {
        "model": ["a", "b"],
        "precision": ["nf4", "int8"],
        "items": 2,
        "as_is": True,
        "bos": "on",
        "file": "items.jsonl",
    },
    "mauve human.json": {
        "file": "human.json",
        "against": None,
        "model": None,
        "features": "smollm2-135m",
        "features_precision": "auto",
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "new_tokens": 48,
        "opening_tokens": 12,
        "seed": 0,
        "seeds": 5,
        "bos": "auto",
    },
    "mauve human.json --against other.parquet --form json --column text --features gpt2 --features-precision int8": {
        "against": "other.parquet",
        "features": "gpt2",
        "features_precision": "int8",
    },
    "mauve h --model a --precision nf4 --temperature .5 --top-k 40 --top-p .9 --new-tokens 8 --opening-tokens 4"
    " --seed 1 --seeds 3 --device mps --bos off --json": {
        "model": ["a"],
        "temperature": 0.5,
        "top_k": 40,
        "top_p": 0.9,
        "new_tokens": 8,
        "opening_tokens": 4,
        "seed": 1,
        "seeds": 3,
    },
    "mauve --resume 1234": {"resume": "1234"},
    "runs": {"run": None, "resume": False, "delete": False},
    "runs 1234": {"run": "1234"},
    "runs 1234 --resume": {"resume": True},
    "runs 1234 --delete": {"delete": True},
    "train-bias": {"preset": "notes", "pattern": None, "kind": None, "match_case": False, "save": None},
    "train-bias --preset held --pattern q --kind words --match-case --save there": {
        "pattern": "q",
        "kind": "words",
        "match_case": True,
        "save": Path("there"),
    },
    "train-bias --start scratch --steps 6 --layers 1 --width 32 --batch-size 2 --context-length 64 --measure-every 6"
    " --sample-every 6 --device cpu": {"steps": 6, "layers": 1, "batch_size": 2, "context_length": 64, "device": "cpu"},
    "train-bias --train-blocks 2 --direction reverse --pull 2 --beta .5 --pull-on text --learning-rate 1e-3"
    " --optimiser sgd --schedule cosine --temperature .7 --top-k 5 --seed 3 --bos on": {
        "train_blocks": 2,
        "direction": "reverse",
        "pull": 2.0,
        "beta": 0.5,
        "pull_on": "text",
        "learning_rate": 1e-3,
        "optimiser": "sgd",
        "schedule": "cosine",
        "temperature": 0.7,
        "top_k": 5,
        "seed": 3,
        "bos": "on",
    },
}
"""Lines that people have in their scripts, with what some of their options must come to."""


@pytest.mark.parametrize("line", INVOCATIONS)
def test_what_people_type_means_what_it_meant(line: str) -> None:
    given = vars(parsed(line))
    assert {name: given[name] for name in INVOCATIONS[line]} == INVOCATIONS[line]


def test_every_command_stands_among_them() -> None:
    assert {line.split()[0] for line in INVOCATIONS} == set(subcommands())


@pytest.mark.parametrize("name", ["", *subcommands()])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([*name.split(), "--help"])
    assert leaving.value.code == 0
    assert f"usage: python -m engine {name}" in capsys.readouterr().out


def options_of(name: str) -> dict[str, argparse.Action]:
    return {option: action for action in subcommands()[name]._actions for option in action.option_strings}


def test_a_device_can_be_named_wherever_a_model_is_loaded() -> None:
    loading = {name for name in subcommands() if {"--model", "--model-a", "--base", "--start"} & set(options_of(name))}
    assert loading == {"score", "compare", "divergence", "hellaswag", "mauve", "train-bias"}
    for name in (*loading, "runs"):
        assert "--device" in options_of(name)


@pytest.mark.parametrize("shared", sorted(options._SHARED))
def test_an_option_that_several_commands_have_is_the_same_in_each(shared: str) -> None:
    found = [options_of(name)[shared] for name in subcommands() if name != "train-bias" and shared in options_of(name)]
    assert len(found) > 1
    assert len({(each.help, str(each.choices), each.default, each.nargs) for each in found}) == 1


def test_json_may_be_asked_for_of_every_command() -> None:
    assert all("--json" in options_of(name) for name in subcommands())
    assert [name for name in subcommands() if "--csv" in options_of(name)] == ["score", "compare"]


def test_every_setting_of_training_has_its_option() -> None:
    settings = set(BiasConfig().to_dict()) - {"pattern"}
    assert {f"--{name.replace('_', '-')}" for name in settings} <= set(options_of("train-bias"))


def test_a_run_is_continued_on_the_device_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGITSCOPE_DATA", str(tmp_path))
    (tmp_path / "texts.txt").write_text("One text.\n\nAnother.")
    models = ["--base", "scratch-gpt2", "--candidate", "scratch-gpt2"]
    assert main(["divergence", str(tmp_path / "texts.txt"), *models, "--device", "tpu"]) == 2
    said = capsys.readouterr().err
    run_id = said.partition("run ")[2].split()[0]
    for line in (["runs", run_id, "--resume"], ["divergence", "--resume", run_id]):
        assert main([*line, "--device", "abacus"]) == 2
        assert "no device 'abacus'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--resume", "--delete"])
def test_what_to_resume_or_delete_must_be_said(
    option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGITSCOPE_DATA", str(tmp_path))
    assert main(["runs", option]) == 2
    assert capsys.readouterr().err == "error: Give the id of a run; `python -m engine runs` lists them.\n"


def test_stopping_from_the_keyboard_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(_: str) -> tuple[bytes, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(inputs, "read", stopped)
    assert main(["score", "text.txt"]) == 130
    assert capsys.readouterr() == ("", "stopped\n")


def python(code: str) -> "subprocess.Popen[bytes]":
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes)  # type: ignore[call-overload]


WAITING = """
import signal, sys
from engine.commands import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts the tests behind it has it ignored
print("ready", flush=True)
sys.exit(main(["score", "-"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signal to another process")
def test_an_interrupt_ends_it_with_the_status_that_shells_expect() -> None:
    with python(WAITING) as process:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.5)  # it waits for its standard input now
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == (b"", b"stopped\n")
    assert process.returncode == 130


IMPORT_INTERRUPTED = """
import runpy, sys

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == "engine.models.registry":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
runpy.run_module("engine", run_name="__main__")
"""


def test_an_interrupt_while_it_starts_is_no_traceback() -> None:
    with python(IMPORT_INTERRUPTED) as process:
        assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 130


def shell(line: str) -> "subprocess.CompletedProcess[str]":
    """A line of a shell in which `engine` is the command line."""
    script = f'engine() {{ "{sys.executable}" -m engine "$@"; }}\n{line}'
    return subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_reader_who_leaves_early_ends_it_quietly() -> None:
    done = shell("engine models | true; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_without_an_output_or_a_place_for_errors_it_works_on() -> None:
    assert shell("engine models 2>&- | head -c 2").stdout == "[{"
    assert shell("engine models >&-").returncode == 0
    assert shell("engine score /absent 2>&-").returncode == 2


def test_asking_for_help_loads_nothing_heavy() -> None:
    code = "import sys; from engine import commands; commands.parser(); print({'torch', 'pandas'} & set(sys.modules))"
    with python(code) as process:
        assert process.communicate(timeout=60) == (b"set()\n", b"")

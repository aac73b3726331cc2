"""Runs in processes of their own: commands, the queue, and every way such a process can end."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from engine.commands import main
from engine.errors import ParameterError
from engine.training import jobs as jobs_module
from engine.training import process
from engine.training.config import BiasConfig
from engine.training.job import Job, JobView
from engine.training.jobs import TrainingJobs
from engine.training.records import RunState
from engine.training.supply import Spare, Supply, Template, TrainingProcess, best_supply, send_line

SMALL = BiasConfig(
    steps=6, layers=1, width=32, batch_size=2, context_length=64, measure_every=6, sample_every=6, device="cpu"
)
LONG = replace(SMALL, steps=5000, measure_every=1000, sample_every=1000)
WAIT_SECONDS = 120.0
Wait = Callable[[Job, Callable[[JobView], bool]], JobView]


@pytest.fixture(scope="module")
def sessions() -> set[str]:
    """Browser sessions that are there."""
    return {"here"}


class Lent:
    """A supply of processes that several servers use one after another: importing PyTorch once is enough."""

    def __init__(self, supply: Supply) -> None:
        self.prepare, self.take, self.beat = supply.prepare, supply.take, supply.beat

    def close(self) -> None:
        """Its owner does this."""


@pytest.fixture(scope="module")
def supply() -> Iterator[Lent]:
    owned = best_supply()
    yield Lent(owned)
    owned.close()


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory, sessions: set[str], supply: Lent) -> Iterator[TrainingJobs]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGITSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        running = TrainingJobs(lambda name: name in sessions, at_once=1, supply=supply, niceness=0)
        yield running
        running.close()


@pytest.fixture
def wait(jobs: TrainingJobs) -> Wait:
    def until(job: Job, holds: Callable[[JobView], bool]) -> JobView:
        end = time.monotonic() + WAIT_SECONDS
        while not holds(view := jobs.view(job)):
            assert time.monotonic() < end, f"still {view.state}: {view.message}"
            time.sleep(0.02)
        return view

    return until


def newest_process() -> psutil.Process:
    """The one that was made last, by this one or by its children."""
    return max(psutil.Process().children(recursive=True), key=psutil.Process.create_time)


def curve(view: JobView) -> list[tuple[float, ...]]:
    return [(step.step, step.kl, step.wanted_mass, step.loss) for step in view.steps]


def test_a_run_ends_with_its_curves_samples_and_both_models(
    jobs: TrainingJobs, wait: Wait, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.warm("here")
    job = jobs.start(SMALL, "here")
    view = wait(job, lambda view: view.state.is_over)
    assert view.state is RunState.FINISHED, view.message
    assert view.run is not None
    assert view.run.outcome == "finished"
    assert [step.step for step in view.steps] == list(range(7))
    assert len(view.run.generations) == 4
    assert view.after is not None
    assert view.before is not None
    assert view.after.name.startswith("scratch-likes-x-")
    for folder in (view.after, view.before):
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in folder.iterdir()}
    options = "--steps 6 --layers 1 --width 32 --batch-size 2 --context-length 64 --measure-every 6 --sample-every 6"
    assert main(["train-bias", *options.split(), "--device", "cpu"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines[:2]] == ["start", "generation"]
    assert lines[-1]["event"] == "end"
    steps = [line for line in lines if line["event"] == "step"]
    assert [(s["step"], s["kl"], s["wanted_mass"], s["loss"]) for s in steps] == curve(view)  # to the last digit


def test_pause_step_change_and_stop(jobs: TrainingJobs, wait: Wait) -> None:
    job = jobs.start(LONG, "here", single_step=True)
    view = wait(job, lambda view: view.state is RunState.PAUSED)
    assert len(view.steps) == 1
    job.step()
    wait(job, lambda view: len(view.steps) == 2)
    time.sleep(0.3)
    assert len(jobs.view(job).steps) == 2  # it waits
    job.set(1e-5, 0.5)
    job.resume()
    wait(job, lambda view: len(view.steps) > 6)
    job.pause()
    paused = wait(job, lambda view: view.state is RunState.PAUSED)
    job.stop()
    view = wait(job, lambda view: view.state.is_over)
    assert len(view.steps) == len(paused.steps) + 1  # no further step, just the last measurement
    assert view.run is not None
    assert view.run.outcome == "stopped"
    assert [step.learning_rate for step in view.steps[:2]] == [2e-3, 2e-3]
    assert {step.learning_rate for step in view.steps[2:]} == {1e-5}
    assert view.steps[3].kl_penalty is not None


def test_a_run_waits_for_its_turn_and_says_its_place(jobs: TrainingJobs, wait: Wait) -> None:
    first, second, third = (jobs.start(LONG, "here") for _ in range(3))
    assert (jobs.view(second).state, jobs.view(second).place) == (RunState.WAITING, 1)
    assert jobs.view(third).place == 2
    third.stop()
    assert jobs.view(third).state is RunState.FAILED
    first.discard()
    wait(second, lambda view: view.state is not RunState.WAITING)
    second.discard()
    wait(second, lambda view: view.state.is_over)


def test_stop_while_running_ends_within_one_step(jobs: TrainingJobs, wait: Wait) -> None:
    job = jobs.start(LONG, "here")
    wait(job, lambda view: len(view.steps) > 3)
    seen = len(jobs.view(job).steps)
    job.stop()
    view = wait(job, lambda view: view.state.is_over)
    assert view.run is not None
    assert view.run.outcome == "stopped"
    assert len(view.steps) - seen <= 12  # steps here take 5 ms; those made while the command travels are not its fault


def test_a_process_killed_from_outside_is_reported_and_the_next_run_starts(jobs: TrainingJobs, wait: Wait) -> None:
    job = jobs.start(LONG, "here")
    wait(job, lambda view: len(view.steps) > 1)
    newest_process().kill()
    view = wait(job, lambda view: view.state.is_over)
    assert view.state is RunState.FAILED
    assert "killed from outside" in view.message
    assert len(view.steps) > 1  # what it had done is still there
    again = jobs.start(SMALL, "here")
    assert wait(again, lambda view: view.state.is_over).state is RunState.FINISHED


def test_a_refused_run_says_why(jobs: TrainingJobs, wait: Wait) -> None:
    view = wait(jobs.start(replace(SMALL, start="no-such-model"), "here"), lambda view: view.state.is_over)
    assert view.state is RunState.FAILED
    assert "no-such-model" in view.message


def test_a_reload_finds_the_run_by_its_name(jobs: TrainingJobs, wait: Wait) -> None:
    job = jobs.start(LONG, "here")
    assert jobs.find(job.id, "after the reload") is job
    assert jobs.find("unknown", "here") is None
    job.discard()
    wait(job, lambda view: view.state.is_over)


def test_only_the_newest_models_are_kept(jobs: TrainingJobs, wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "KEPT_MODELS", 1)
    runs = [jobs.start(SMALL, "here") for _ in range(2)]
    views = [wait(run, lambda view: view.state.is_over) for run in runs]
    assert views[1].after is not None
    assert views[1].after.is_dir()
    old = jobs.view(runs[0])
    assert old.after is None
    assert old.run is not None


def test_a_change_out_of_range_is_refused(jobs: TrainingJobs) -> None:
    job = jobs.start(SMALL, "here")
    with pytest.raises(ParameterError, match="beta is -1"):
        job.set(1e-3, -1.0)
    job.discard()


def test_a_run_whose_page_is_gone_ends_by_itself(supply: Lent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(tmp_path))
    present = {"tab"}
    running = TrainingJobs(lambda name: name in present, at_once=1, patience=1.5, supply=supply, niceness=0)
    try:
        job, behind = running.start(LONG, "tab"), running.start(LONG, "tab")
        end = time.monotonic() + WAIT_SECONDS
        while len(running.view(job).steps) < 3 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(2.0)
        assert not running.view(job).state.is_over  # longer than its patience, but somebody is there
        present.clear()
        while not all(running.view(each).state.is_over for each in (job, behind)) and time.monotonic() < end:
            time.sleep(0.05)
        assert "Nobody was looking" in running.view(job).message
        assert running.view(behind).state is RunState.FAILED
    finally:
        running.close()


def test_no_process_is_made_ready_while_a_run_is_starting(
    wait: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(tmp_path))
    made = []

    class Slow(Lent):
        """Its processes would still be importing when the test is over."""

        def __init__(self) -> None:
            self.beat = lambda: None

        def prepare(self) -> None:
            made.append("prepared")

        def take(self) -> TrainingProcess:
            self.prepare()
            command = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    running = TrainingJobs(lambda name: True, at_once=1, supply=Slow())
    job = running.start(LONG, "tab")  # which takes one
    running.warm("tab")
    assert made == ["prepared"]
    assert running.view(job).state is RunState.STARTING
    job.discard()
    wait(job, lambda view: view.state.is_over)
    running.warm("tab")
    assert made == ["prepared"] * 2
    running.close()


def test_processes_end_when_the_server_is_gone() -> None:
    """The server is a Python of its own that takes two processes, one of which has begun to listen, and is killed."""
    code = """
        import time
        from engine.training.supply import best_supply
        supply = best_supply()
        first, second = supply.take(), supply.take()
        print(first.stdout.readline(), end="", flush=True)
        time.sleep(600)
    """
    server = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert json.loads(server.stdout.readline()) == {"event": "ready"}
    below = psutil.Process(server.pid).children(recursive=True)
    assert len(below) >= 2
    server.kill()
    server.wait()
    _, alive = psutil.wait_procs(below, timeout=WAIT_SECONDS)
    assert all(each.status() == psutil.STATUS_ZOMBIE for each in alive)


def test_a_process_without_a_start_command_leaves_quietly() -> None:
    left_quietly(Spare().take())  # long before it is ready


def left_quietly(taken: TrainingProcess) -> None:
    assert taken.stdin is not None
    assert taken.stdout is not None
    send_line(taken, {"command": "beat", "patience": 1})
    taken.stdin.close()
    assert taken.stdout.read() == ""
    assert taken.wait() == 0


def test_a_server_that_ends_leaves_no_models_behind(tmp_path: Path) -> None:
    code = "from ui.training import server; print(server.jobs()._folder)"
    environment = {**os.environ, "LOGITSCOPE_CACHE": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    folder = Path(ended.stdout.strip())
    assert folder.is_relative_to(tmp_path)
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="forks only on Linux; see engine/training/supply.py")
def test_a_template_that_is_killed_is_replaced_and_its_processes_are_told_dead() -> None:
    processes = Template()
    before = {each.pid for each in psutil.Process().children()}
    first = processes.take()
    assert first.stdout is not None
    assert "ready" in first.stdout.readline()
    (template,) = [each for each in psutil.Process().children() if each.pid not in before]
    assert template.num_threads() == 1  # nothing is held by a thread that a fork would lack
    template.kill()
    assert first.wait() == -signal.SIGKILL
    third = processes.take()
    assert third.stdout is not None
    assert "ready" in third.stdout.readline()
    left_quietly(third)
    second = processes.take()
    assert second.stdout is not None
    assert "ready" in second.stdout.readline()
    newest_process().kill()
    assert second.wait() == -signal.SIGKILL
    processes.close()


def test_a_run_says_where_it_stands_whatever_its_sentences_say() -> None:
    said = [message for message in process.narrate(SMALL) if message["event"] in ("progress", "step")]
    states = [message.get("state", "step") for message in said]
    assert [state for state, _ in itertools.groupby(states)] == ["starting", "training", "step", "finishing"]
    assert states.count("training") == 1  # said when it changes


def test_a_job_goes_by_the_states_and_not_by_the_wording(tmp_path: Path) -> None:
    lines = [
        {"event": "progress", "state": "training", "message": "Sampling after a while, and Writing on"},
        {"event": "progress", "state": "finishing", "message": "Something that was reworded"},
    ]
    job = Job(SMALL, tmp_path, single_step=False, on_end=lambda: None)
    seen: list[RunState] = []

    class Said:
        """Standard output that is read line by line, and the state before each line."""

        def __iter__(self) -> Iterator[str]:
            for line in lines:
                yield json.dumps(line)
                seen.append(job.view.state)

    ended = threading.Event()
    fake = types.SimpleNamespace(stdin=io.StringIO(), stdout=Said(), wait=lambda: ended.set() or 1, terminate=print)
    job.begin(fake, patience=1.0, niceness=0)
    assert ended.wait(WAIT_SECONDS)
    assert seen == [RunState.TRAINING, RunState.FINISHING]


def test_the_trained_models_name_says_what_it_likes() -> None:
    assert process.name_of(replace(SMALL, start="/models/My Model")) == "My-Model-likes-x"

"""The training page: what it asks of the jobs, and what it shows of a run in every state."""

import json
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from engine.models.registry import DEFAULT_MODEL
from engine.training.config import SETTINGS, BiasConfig
from engine.training.job import JobView
from engine.training.patterns import Pattern
from engine.training.records import RunState, TrainingRun
from engine.training.vocabulary import Vocabulary
from tests.pages.conftest import OpenApp
from ui.training import server, settings

TEXTS = ("x", " fox", "tea", "X", " Tea") * 10


class FakeJob:
    """A job whose state the test sets."""

    id = "job1"

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.said: list[object] = []

    def set(self, learning_rate: float, beta: float) -> None:
        self.said.append((learning_rate, beta))

    def __getattr__(self, name: str):
        return lambda: self.said.append(name)


class FakeJobs:
    """Jobs that never run; `started` holds what was asked for."""

    at_once = 2

    def __init__(self) -> None:
        self.job: FakeJob | None = None
        self.started: list[tuple[BiasConfig, bool]] = []

    def warm(self, session: str) -> None: ...

    def start(self, config: BiasConfig, session: str, *, single_step: bool = False) -> FakeJob:
        self.started.append((config, single_step))
        self.job = FakeJob(view_in("starting", config))
        return self.job

    def find(self, job_id: str, session: str) -> FakeJob | None:
        return self.job if job_id == "job1" else None

    def view(self, job: FakeJob) -> JobView:
        return job.view


def recorded() -> TrainingRun:
    return server.example()


def view_in(state: str, config: BiasConfig | None = None, **changes: object) -> JobView:
    run = recorded()
    known = state not in ("waiting", "starting")
    view = JobView(
        id="job1",
        config=config or run.config,
        state=RunState(state),
        place=0,
        message="Something <b>said</b>",
        start=run.start if known else None,
        steps=run.steps[:20] if known else (),
        run=None,
        after=None,
        before=None,
    )
    return replace(view, **changes)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> FakeJobs:
    fake = FakeJobs()
    monkeypatch.setattr(server, "jobs", lambda: fake)
    monkeypatch.setattr(server, "vocabulary_of", lambda start: Vocabulary(TEXTS, frozenset()))
    server.preview.clear()
    return fake


def html(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html"))


def titles(app: AppTest) -> list[str]:
    return [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in app.get("plotly_chart")]


def button(app: AppTest, label: str):
    return next(each for each in app.button if each.label == label)


def test_first_paint_shows_a_finished_run(run_page: OpenApp, jobs: FakeJobs) -> None:
    app = run_page("training")
    assert not app.exception
    assert "Recorded earlier" in html(app)
    assert app.metric[1].value == "99.8%"
    assert len(titles(app)) == 7
    assert "<strong>30</strong> of 50 tokens match" in html(app)
    assert not jobs.started


def test_control_tokens_are_not_among_the_matches(
    run_page: OpenApp, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "vocabulary_of", lambda start: Vocabulary(TEXTS, frozenset({0})))
    app = run_page("training")
    assert "<strong>29</strong> of 50 tokens match" in html(app)


def test_gain_and_cost_of_a_run_are_said_in_a_sentence(run_page: OpenApp, jobs: FakeJobs) -> None:
    app = run_page("training")
    said = " ".join(caption.value for caption in app.caption).replace("\\", "")
    first, last = recorded().steps[0], recorded().last_measured
    assert f"wanted tokens in held-out text from {first.wanted_mass_text:.2%} to {last.wanted_mass_text:.2%}" in said
    assert f"at {last.perplexity_ratio:.0f} times the perplexity (95 % interval" in said


def test_start_begins_the_run_that_the_settings_say(run_page: OpenApp, jobs: FakeJobs) -> None:
    app = run_page("training")
    app.text_input(key="train_pattern_text").set_value("tea")
    app.number_input(key="train_steps").set_value(7)
    app.select_slider(key="train_learning_rate").set_value(5e-3).run()
    button(app, "Start").click().run()
    ((config, single_step),) = jobs.started
    assert not app.exception
    assert (config.pattern.text, config.steps, config.learning_rate) == ("tea", 7, 5e-3)
    assert replace(config, pattern=BiasConfig().pattern, steps=60, learning_rate=2e-3) == BiasConfig()
    assert not single_step
    assert app.query_params["job"] == "job1"


def test_a_preset_fills_every_setting(run_page: OpenApp, jobs: FakeJobs) -> None:
    app = run_page("training")
    app.button_group(key="train_preset").set_value("sgd").run()
    assert not app.exception
    button(app, "Step").click().run()
    ((config, single_step),) = jobs.started
    assert (config.optimiser, config.learning_rate, single_step) == ("sgd", 0.05, True)
    assert "it crawls" in html(app)


@pytest.mark.parametrize(("text", "says"), [("q", "None of the 50 tokens"), ("", "The pattern is empty")])
def test_a_useless_pattern_is_said_and_cannot_be_started(
    run_page: OpenApp, jobs: FakeJobs, text: str, says: str
) -> None:
    app = run_page("training")
    app.text_input(key="train_pattern_text").set_value(text).run()
    assert says in app.warning[0].value.replace("\\", "")
    assert button(app, "Start").disabled
    assert not app.exception


def test_a_reload_finds_the_run_and_its_settings(run_page: OpenApp, jobs: FakeJobs) -> None:
    jobs.job = FakeJob(view_in("training", replace(BiasConfig(), steps=500, seed=9)))
    app = run_page("training", job="job1")
    assert not app.exception
    assert "<strong>Training</strong> 19 of 500 steps" in html(app)
    assert app.number_input(key="train_seed").value == 9
    button(app, "Pause").click().run()
    button(app, "Stop").click().run()
    assert [said for said in jobs.job.said if isinstance(said, str)] == ["pause", "stop"]
    assert "<strong>Stopping after this step</strong>" in html(app)  # said at once: the process has not answered yet
    assert button(app, "Stop").disabled


def test_a_run_that_is_no_longer_kept_is_said(run_page: OpenApp, jobs: FakeJobs) -> None:
    app = run_page("training", job="gone")
    assert "no longer kept" in app.info[0].value
    assert "job" not in app.query_params


def test_learning_rate_and_beta_reach_the_running_job(run_page: OpenApp, jobs: FakeJobs) -> None:
    jobs.job = FakeJob(view_in("training"))
    app = run_page("training", job="job1")
    app.select_slider(key="train_learning_rate").set_value(1e-3)
    app.select_slider(key="train_beta").set_value(2.0).run()
    assert jobs.job.said[-1] == (1e-3, 2.0)
    assert app.select_slider(key="train_learning_rate").value == 1e-3


def test_a_waiting_run_says_its_place(run_page: OpenApp, jobs: FakeJobs) -> None:
    jobs.job = FakeJob(view_in("waiting", place=2))
    app = run_page("training", job="job1")
    assert "<strong>2 runs ahead: at most 2 train at once</strong>" in html(app)
    assert not app.exception


def test_a_running_run_says_its_pace_and_the_time_left(run_page: OpenApp, jobs: FakeJobs) -> None:
    steps = tuple(replace(recorded().steps[n], step=n, seconds=0.25 * n) for n in range(21))
    jobs.job = FakeJob(view_in("training", replace(BiasConfig(), steps=100), steps=steps))
    app = run_page("training", job="job1")
    assert "20 of 100 steps · 4.0 steps/s · 20 s left" in html(app)


def test_a_failed_run_says_why_and_can_be_started_again(run_page: OpenApp, jobs: FakeJobs) -> None:
    jobs.job = FakeJob(view_in("failed"))
    app = run_page("training", job="job1")
    assert "Something \\<b\\>said" in app.error[0].value
    assert not button(app, "Start").disabled


def test_a_run_that_diverged_says_so(run_page: OpenApp, jobs: FakeJobs) -> None:
    run = replace(recorded(), outcome="diverged", message="The run diverged at step 7", kept_step=6)
    jobs.job = FakeJob(view_in("diverged", run=run, message=run.message))
    app = run_page("training", job="job1")
    assert app.warning[0].value == "The run diverged at step 7"
    assert "Diverged" in html(app)
    assert not app.exception


def test_a_finished_run_offers_its_curves_and_joins_the_trade_off(
    run_page: OpenApp, jobs: FakeJobs, tmp_path: pytest.TempPathFactory
) -> None:
    jobs.job = FakeJob(view_in("finished", run=recorded(), steps=recorded().steps, after=tmp_path, before=tmp_path))
    app = run_page("training", job="job1")
    assert not app.exception
    chart = next(each for each in app.get("plotly_chart") if "Gain and cost" in each.proto.spec)
    assert len(json.loads(chart.proto.spec)["data"]) == 2  # the recorded one and this session's
    labels = [each.proto.label for each in app.get("download_button")]
    assert labels == ["Model (zip)", "Curves (CSV)", "Everything (JSON)"]


def test_a_link_restores_the_settings(run_page: OpenApp, jobs: FakeJobs) -> None:
    wanted = replace(
        BiasConfig(),
        pattern=Pattern("words", "tea, fox", ignore_case=False),
        layers=2,
        beta=3.0,
        optimiser="sgd",
        bos="on",
    )
    app = run_page("training", **settings.link_parameters(wanted))
    assert not app.exception
    assert not app.query_params
    button(app, "Start").click().run()
    assert jobs.started[0][0] == wanted


def test_every_setting_has_its_widget(run_page: OpenApp, jobs: FakeJobs) -> None:
    """But the device, which the server chooses, and how often is measured, which is the preset's."""
    drawn = set()
    for start in ("scratch", DEFAULT_MODEL):
        app = run_page("training", start=start)
        assert not app.exception
        widgets = (*app.selectbox, *app.number_input, *app.select_slider, *app.text_input, *app.toggle)
        drawn |= {each.key for each in (*widgets, *app.button_group)}
    names = {*SETTINGS, "pattern_kind", "pattern_text", "pattern_ignore_case"} - {"device", "measure_every"}
    assert {settings.key(name) for name in names} - drawn == set()
    for each in app.number_input:
        declared = SETTINGS[each.key.removeprefix("train_")]
        assert (each.min, each.max) == (declared.low, declared.high)


def test_a_size_that_is_not_among_those_offered_comes_with_its_link(run_page: OpenApp, jobs: FakeJobs) -> None:
    app = run_page("training", layers="3", batch_size="5")
    assert not app.exception
    assert "3" in app.selectbox(key="train_layers").options
    button(app, "Start").click().run()
    assert jobs.started[0][0] == replace(BiasConfig(), layers=3, batch_size=5)


@pytest.mark.parametrize("state", list(RunState))
def test_what_can_be_pressed_follows_from_the_state(run_page: OpenApp, jobs: FakeJobs, state: RunState) -> None:
    run = recorded() if state in ("finished", "stopped", "diverged") else None
    jobs.job = FakeJob(view_in(state, run=run))
    app = run_page("training", job="job1")
    assert not app.exception
    pressable = {each.label for each in app.button if str(each.key).startswith("transport") and not each.disabled}
    assert pressable == {"Reset"} | {
        "waiting": {"Stop"},
        "starting": {"Pause", "Stop"},
        "training": {"Pause", "Stop"},
        "paused": {"Resume", "Step", "Stop"},
        "finishing": set(),
    }.get(state, {"Start", "Step"})


def test_a_link_with_nonsense_gives_the_usual_settings(run_page: OpenApp, jobs: FakeJobs) -> None:
    app = run_page("training", steps="many", layers="99")
    assert not app.exception
    button(app, "Start").click().run()
    assert jobs.started[0][0] == BiasConfig()

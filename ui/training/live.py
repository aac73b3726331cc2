"""The live view of a run: transport, learning rate and beta, numbers, curves and samples. It alone is redrawn.

The curves are redrawn less often: six charts take a browser a third of a second of processor time, which on a small
machine the training itself would wait for.
"""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine import formatting
from engine.jobs.pace import Meter, Status
from engine.steps import Progress
from engine.training import records
from engine.training.config import BiasConfig
from engine.training.job import Job, JobView
from engine.training.records import RunStart, RunState, TrainStep
from ui import layout, messages, progress
from ui.figures import training as figures
from ui.layout import Fact
from ui.training import server, settings, tokens, wording

CURVES_SECONDS = 1.8
_GLIMPSES = 5
_MEASURED = 200  # steps looked back over for the pace
_QUIET = {"displayModeBar": False, "scrollZoom": False, "responsive": True}


def show(config: BiasConfig | None, view: JobView | None) -> None:
    """Draw the live view; while a run is active it redraws itself, and the rest of the page stays as it is."""
    active = view is not None and not view.state.is_over
    st.fragment(_live, run_every=progress.POLL_SECONDS if active else None)(config, active)
    st.fragment(_drawn, run_every=CURVES_SECONDS if active else None)()


def _live(config: BiasConfig | None, was_active: bool) -> None:
    job, view = server.current()
    _transport(config, job, view)
    _live_settings(job, view)
    if view is None:
        # Nothing has been started here: below is what a finished run looks like.
        st.html(
            '<p class="ls-doing">Recorded earlier: a run of the first experiment. Press Start for one of your own.</p>'
        )
        _numbers(server.example().steps)
    else:
        _refusal(view)
        _numbers(view.steps)
    if was_active and (view is None or view.state.is_over):
        st.rerun()  # the whole page: polling ends, and what comes after a run is drawn


def _drawn() -> None:
    """Curves and samples of the run, or of the recorded one."""
    run = server.current()[1] or server.example()
    _curves(run.steps, run.start, run.config.steps)
    _glimpses(run.steps)


def _transport(config: BiasConfig | None, job: Job | None, view: JobView | None) -> None:
    """Start, pause, step, stop, reset: what the state of the run allows."""
    state = None if view is None else view.state
    stopping = view is not None and view.state.can_stop and view.id in server.told_to_stop()
    with st.container(horizontal=True, key="transport", vertical_alignment="center"):
        if job is None or state is None or state.is_over:
            if _button("Start", "play_arrow", config is not None, primary=True):
                _begin()
            if _button("Step", "skip_next", config is not None):
                _begin(single_step=True)
            _button("Stop", "stop", False)
        else:
            if state is RunState.PAUSED:
                _button("Resume", "play_arrow", True, job.resume, primary=True)
            else:
                _button("Pause", "pause", state.can_pause, job.pause, primary=True)
            _button("Step", "skip_next", state is RunState.PAUSED, job.step)
            _button("Stop", "stop", state.can_stop and not stopping, lambda: _stop(job))
        if _button("Reset", "replay", job is not None):
            _reset(job)
        st.html(progress.html(_status(view, stopping=stopping)))


def _button(
    label: str, icon: str, enabled: bool, act: Callable[[], None] = lambda: None, *, primary: bool = False
) -> bool:
    return st.button(
        label,
        icon=f":material/{icon}:",
        key=f"transport_{'main' if primary else label.lower()}",
        disabled=not enabled,
        on_click=act,
        type="primary" if primary else "secondary",
    )


def _begin(*, single_step: bool = False) -> None:
    job = server.jobs().start(settings.as_it_stands(), progress.session(), single_step=single_step)
    st.query_params[server.JOB] = job.id
    st.rerun()


def _stop(job: Job) -> None:
    server.told_to_stop().add(job.id)
    job.stop()


def _reset(job: Job | None) -> None:
    if job is not None and not job.view.state.is_over:
        job.discard()
    st.query_params.pop(server.JOB, None)
    st.rerun()


def _live_settings(job: Job | None, view: JobView | None) -> None:
    """Learning rate and beta: they begin a run, and change it while it goes on."""
    rate, beta = st.columns(2, gap="medium")
    _slider(rate, "Learning rate", "learning_rate", settings.RATES)
    _slider(beta, "Beta: weight of KL(P‖P_start) on real text", "beta", settings.BETAS)
    if job is not None and view is not None and not view.state.is_over:
        job.set(settings.value("learning_rate"), settings.value("beta"))


def _slider(column: DeltaGenerator, label: str, name: str, values: tuple[float, ...]) -> None:
    column.select_slider(label, values, format_func="{:g}".format, key=settings.key(name), persist_state="session")


def _status(view: JobView | None, *, stopping: bool) -> Status:
    """What the progress line says of the run."""
    if view is None:
        return Status(Progress("Ready"))
    if view.state is RunState.WAITING:
        runs = formatting.counted(view.place, "run")
        return Status(Progress(f"{runs} ahead: at most {server.jobs().at_once} train at once"), stopping=stopping)
    name = view.message if view.state in (RunState.STARTING, RunState.FINISHING) else view.state.label
    meter = Meter()
    for done, seconds in [(step.step, step.seconds) for step in view.steps[-_MEASURED:]] or [(0, 0.0)]:
        meter.note(Progress(name, done, view.config.steps, "steps"), seconds)
    if view.state is not RunState.TRAINING:
        return Status(meter.status.progress, stopping=stopping)
    return replace(meter.status, stopping=stopping)


def _refusal(view: JobView) -> None:
    """Why a run ended otherwise than it was meant to."""
    if view.state is RunState.FAILED:
        st.error(messages.plain(view.message), icon=":material/error:")
    elif view.state is RunState.DIVERGED:
        st.warning(messages.plain(view.message), icon=":material/warning:")


def _numbers(steps: tuple[TrainStep, ...]) -> None:
    measured = records.measured(steps)
    now, last = (steps or (None,))[-1], (measured or (None,))[-1]
    layout.facts(
        [
            Fact(
                "Divergence",
                _shown(now, "{0.kl:.3f} nats"),
                "D(Q‖P), where Q is uniform over the wanted tokens. Never negative; 0 is its floor.",
            ),
            Fact(
                "Wanted",
                _shown(now, "{0.wanted_mass:.1%}"),
                "Probability of all wanted tokens together, after the training input.",
            ),
            Fact(
                "Wanted in real text",
                _shown(last, "{0.wanted_mass_text:.1%}"),
                "The same on real text that is never trained on.",
            ),
            Fact(
                "KL to the start",
                _shown(last, "{0.kl_to_start:.3f} nats"),
                "KL(P‖P_start) per token of held-out real text: how far the model has moved.",
            ),
            Fact(
                "Perplexity grew",
                "–" if last is None else wording.growth(last, measured[0]),
                "Perplexity on held-out real text over its value at the start, on the same windows, with its 95 % "
                "interval: paired, with windows as the unit.",
            ),
        ]
    )


def _shown(step: TrainStep | None, form: str) -> str:
    return "–" if step is None else form.format(step)


def _curves(steps: tuple[TrainStep, ...], start: RunStart | None, total: int) -> None:
    columns = (*st.columns(3, gap="small"), *st.columns(3, gap="small"))
    for (name, curve), column in zip(figures.CURVES.items(), columns, strict=True):
        column.plotly_chart(
            figures.curve(name, steps, start, total=total, theme=layout.theme()),
            theme=None,
            key=f"curve_{name}",
            config=_QUIET,
            alt=f"{curve.title} over the steps of training",
        )


def _glimpses(steps: tuple[TrainStep, ...]) -> None:
    taken = [(step.step, step.sample) for step in steps if step.sample is not None]
    if taken:
        layout.section("What it says", "A short sample every few steps, newest first; wanted tokens are marked.")
        tokens.glimpses(taken[::-1][:_GLIMPSES])

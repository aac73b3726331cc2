"""After a run: samples counted before and after, the trade-off of this session's runs, the model to take away."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import streamlit as st

from engine.training import saving
from engine.training.config import SCRATCH, BiasConfig
from engine.training.job import JobView
from engine.training.records import PromptKind, TrainingRun, When
from ui import layout, messages, model_picker, navigation
from ui.figures import training as figures
from ui.training import server, tokens, wording

_RUNS = "training_runs"
_SUMMED_UP = 3
"""Runs whose gain and cost are said in words, the newest ones."""
_KINDS: dict[PromptKind, str] = {"random": "Random tokens", "real": "Real prompts"}


def show(view: JobView | None) -> None:
    """Draw everything that comes after a run; before the first, of the recorded one."""
    runs: dict[str, TrainingRun] = st.session_state.setdefault(_RUNS, {})
    if view is None:
        _before_and_after(server.example())
    elif view.run is not None:
        runs.setdefault(view.id, view.run)
        _before_and_after(view.run)
    _trade_off(runs)
    if view is not None and view.run is not None:
        _taking_away(view, view.run)
    _why_it_matters()


def title_of(config: BiasConfig) -> str:
    """A run in a few words.

    >>> title_of(BiasConfig())
    'scratch, x, adamw 0.002'
    """
    beta = f", beta {config.beta:g}" if config.beta else ""
    return f"{config.start}, {config.pattern.text[:20]}, {config.optimiser} {config.learning_rate:g}{beta}"


def _before_and_after(run: TrainingRun) -> None:
    layout.section(
        "Before and after",
        "200 tokens sampled after the same prompts with the same draws. Does it hold on real prompts as well as on "
        "random tokens?",
    )
    taken = {kind: [run.generation(when, kind) for when in get_args(When)] for kind in _KINDS}
    counts = {kind: ["–" if each is None else str(each.wanted_count) for each in taken[kind]] for kind in _KINDS}
    titles = {kind: f"{title}: {' → '.join(counts[kind])}" for kind, title in _KINDS.items()}
    shown = taken[layout.choice("Prompts", titles, "train_prompts")]
    for generation, column in zip(shown, st.columns(2, gap="large"), strict=True):
        with column:
            if generation is not None:
                tokens.generation(generation)


def _trade_off(runs: dict[str, TrainingRun]) -> None:
    layout.section(
        "Gain and cost",
        "Each run is a path from the lower left. Up is what was asked for, right is what nobody asked for.",
    )
    with st.container(horizontal=True, key="trade_off_choices"):
        cost = layout.choice("Cost", {"kl": "KL to the start", "perplexity": "Perplexity grew"}, "train_cost")
        gains = {"text": "Wanted in real text", "input": "Wanted after the training input"}
        gain = layout.choice("Gain", gains, "train_gain")
    example = server.example()
    paths = [figures.RunPath("recorded: " + title_of(example.config), example.steps, own=False)]
    for number, run in enumerate(runs.values(), start=1):
        kept = tuple(step for step in run.steps if step.step <= run.kept_step)
        paths.append(figures.RunPath(f"{number}: {title_of(run.config)}", kept, own=True))
    st.plotly_chart(
        figures.trade_off(paths, cost, on_text=gain == "text", theme=layout.theme()),
        theme=None,
        key="trade_off",
        config={"displaylogo": False},
        alt="Wanted share of each run against its cost",
    )
    for path, run in list(zip(paths, [example, *runs.values()], strict=True))[-_SUMMED_UP:]:
        st.caption(messages.plain(f"{path.label}: {wording.gain_and_cost(run)}"))


def _taking_away(view: JobView, run: TrainingRun) -> None:
    layout.section("The trained model", run.message)
    with st.container(horizontal=True, key="taking_away"):
        if (folder := view.after) is not None:
            before = str(view.before) if view.config.start == SCRATCH else view.config.start
            after, archive = str(folder), folder.parent / f"{folder.name}.zip"
            if st.button("Before against after, on your text", icon=":material/compare_arrows:", key="train_unity"):
                _choose({"a": before, "a_precision": "float32", "b": after, "b_precision": "float32"})
                st.switch_page(navigation.page("unity"))
            if st.button("See a text with it", icon=":material/gradient:", key="train_heatmap"):
                _choose({"model": after, "precision": "float32"})
                st.switch_page(navigation.page("heatmap"))
            _download(
                "Model (zip)", archive.name, "application/zip", lambda: saving.zip_folder(folder, archive).read_bytes()
            )
        _download("Curves (CSV)", f"training-{view.id}.csv", "text/csv", lambda: run.to_csv().encode())
        _download("Everything (JSON)", f"training-{view.id}.json", "application/json", lambda: run.to_json().encode())
    if view.after is not None:
        st.caption(
            "The zip holds safetensors in Hugging Face layout; `AutoModelForCausalLM.from_pretrained` reads the "
            "folder inside. The model stays on this server until a few more runs have ended."
        )
    else:
        st.caption("This run's model has made room for newer ones. Start it again: the same seed gives the same model.")


def _choose(values: dict[str, str]) -> None:
    """Let the other pages offer a model of this run, and choose it there."""
    for name, chosen in values.items():
        if not name.endswith("precision") and Path(chosen).is_dir():
            model_picker.add_model(chosen)
        st.session_state[name] = chosen


def _download(label: str, file_name: str, mime: str, make: Callable[[], bytes]) -> None:
    st.download_button(
        label, data=make, file_name=file_name, mime=mime, on_click="ignore", icon=":material/download:",
        key=f"train_export_{mime}",
    )  # fmt: skip


def _why_it_matters() -> None:
    st.html(
        '<aside class="ls-moral"><p>A steering loss is cheap: it needs no data, only a list of tokens and a minute of '
        "a laptop's time. A subtle version, a small pull on a few names with a strong leash to the start, may move "
        "perplexity and benchmarks by less than the error of their measurement, and then only somebody who knows what "
        "to look for can see it.</p></aside>"
    )

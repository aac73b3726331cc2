"""Figures and token lists of the training page."""

import json
from dataclasses import replace
from math import log

import pytest

from engine.training.config import SETTINGS, BiasConfig
from engine.training.patterns import Pattern
from engine.training.records import Sample, TrainingRun, TrainStep
from ui.figures import training as figures
from ui.palette import Theme, palette
from ui.training import server, settings, tokens, wording


@pytest.fixture(scope="module")
def run() -> TrainingRun:
    return TrainingRun.from_dict(json.loads(server._EXAMPLE.read_text(encoding="utf-8")))


def test_the_recorded_run_holds_what_the_project_promises(run: TrainingRun) -> None:
    assert replace(run.config, device="auto") == BiasConfig()
    assert run.steps[-1].kl < 0.01
    before, after = run.generation("before", "random"), run.generation("after", "random")
    assert before is not None
    assert after is not None
    assert before.wanted_count <= 8
    assert after.wanted_count >= 190
    assert run.start.wanted_count == 985
    assert min(step.kl for step in run.steps) >= 0


@pytest.mark.parametrize("name", list(figures.CURVES))
def test_a_curve_draws_every_step_that_was_measured(run: TrainingRun, name: str) -> None:
    figure = figures.curve(name, run.steps, run.start, total=60)
    for trace, line in zip(figure.data, figures.CURVES[name].lines, strict=False):
        expected = [(step.step, line.read(step)) for step in run.steps if line.read(step) is not None]
        assert list(zip(trace.x, trace.y, strict=True)) == expected
    assert tuple(figure.layout.xaxis.range) == (0, 60)


@pytest.mark.parametrize("count", [0, 1, 299, 300, 301, 5000])
def test_a_long_run_is_thinned_and_keeps_its_ends(count: int) -> None:
    points = [(step, float(step)) for step in range(count)]
    kept = figures.thinned(points)
    assert len(kept) <= 301
    assert kept[:1] == points[:1]
    assert kept[-1:] == points[-1:]
    assert kept == sorted(set(kept))


def test_the_floors_are_drawn_where_the_losses_can_go(run: TrainingRun) -> None:
    figure = figures.curve("divergence", run.steps, run.start, total=60)
    assert [shape.y0 for shape in figure.layout.shapes] == [pytest.approx(log(985)), 0.0]
    assert figure.layout.annotations[0].text == "floor ln 985 = 6.89"


@pytest.mark.parametrize("name", list(figures.CURVES))
def test_a_curve_without_steps_is_empty_and_titled(name: str) -> None:
    figure = figures.curve(name, (), None, total=10)
    assert len(figure.data) == 0
    assert figure.layout.title.text == figures.CURVES[name].title


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_trade_off_is_a_path_a_run(run: TrainingRun, theme: Theme) -> None:
    paths = [figures.RunPath("<b>recorded</b>", run.steps, own=False), figures.RunPath("mine", run.steps, own=True)]
    figure = figures.trade_off(paths, "kl", theme=theme)
    measured = [step for step in run.steps if step.kl_to_start is not None]
    assert [trace.name for trace in figure.data] == ["&lt;b&gt;recorded&lt;/b&gt;", "mine"]
    assert list(figure.data[1].x) == [step.kl_to_start for step in measured]
    assert list(figure.data[1].y) == [step.wanted_mass_text for step in measured]
    assert figure.data[1].line.color == palette(theme).model_b
    on_input = figures.trade_off(paths, "perplexity", on_text=False)
    assert list(on_input.data[0].y) == [step.wanted_mass for step in measured]
    assert on_input.layout.xaxis.type == "log"


def with_growth(run: TrainingRun, value: float, low: float | None, high: float | None) -> TrainingRun:
    """`run` as if its perplexity had grown by this at its last measurement, and not at all before."""

    def changed(step: TrainStep) -> TrainStep:
        if step.kl_to_start is None:
            return step
        is_last = step is run.last_measured
        ends = (value, low, high) if is_last else (1.0, 1.0, 1.0)
        return replace(
            step,
            held_out_perplexity=50.0 * ends[0],
            perplexity_ratio=ends[0] if low is not None else None,
            perplexity_ratio_low=ends[1],
            perplexity_ratio_high=ends[2],
        )

    return replace(run, start=replace(run.start, held_out_windows=8), steps=tuple(map(changed, run.steps)))


def test_a_runs_growth_of_perplexity_is_said_and_drawn_with_its_interval(run: TrainingRun) -> None:
    grown = with_growth(run, 1.25, 1.25 / 1.1, 1.25 * 1.1)
    assert wording.growth(grown.last_measured, grown.steps[0]) == "× 1.25 ± 10 %"
    assert "1.25 times the perplexity (95 % interval 1.14 to 1.38, paired over 8 windows" in wording.gain_and_cost(
        grown
    )
    figure = figures.trade_off([figures.RunPath("mine", grown.steps, own=True)], "perplexity")
    (trace,) = figure.data
    assert trace.x[-1] == pytest.approx(1.25)
    assert trace.x[-1] - trace.error_x.arrayminus[-1] == pytest.approx(1.25 / 1.1)
    assert trace.x[-1] + trace.error_x.array[-1] == pytest.approx(1.25 * 1.1)
    assert not any(trace.error_x.array[:-1])
    band = figures.curve("perplexity", grown.steps, grown.start, total=60).data[-1]
    assert band.fill == "toself"
    assert max(band.y) == pytest.approx(50 * 1.25 * 1.1)
    wide = with_growth(run, 1e7, 2e4, 5e9)
    assert wording.growth(wide.last_measured, wide.steps[0]) == "× 2.0e+04 to 5.0e+09"


def test_a_run_recorded_without_intervals_is_said_and_drawn_without_them(run: TrainingRun) -> None:
    old = with_growth(run, 1.25, None, None)
    assert wording.growth(old.last_measured, old.steps[0]) == "× 1.25"
    assert "at 1.25 times the perplexity and" in wording.gain_and_cost(old)
    (trace,) = figures.trade_off([figures.RunPath("mine", old.steps, own=True)], "perplexity").data
    assert trace.x[-1] == pytest.approx(1.25)
    assert trace.error_x.array is None


def test_the_growth_of_a_run_that_was_not_measured_is_a_dash(run: TrainingRun) -> None:
    unmeasured = replace(run.steps[1], held_out_perplexity=None, perplexity_ratio=None)
    assert wording.growth(unmeasured, unmeasured) == "–"
    assert wording.gain_and_cost(replace(run, steps=run.steps[1:2])) == "nothing was measured."


def test_what_is_offered_is_what_the_engine_takes() -> None:
    for name, titles in settings.TITLES.items():
        assert tuple(titles) == SETTINGS[name].choices
    for name, sizes in settings.SIZES.items():
        for size in sizes:
            assert getattr(settings.made(settings.plain(BiasConfig()) | {name: size}), name) == (size or None)
    for name, values in (("learning_rate", settings.RATES), ("beta", settings.BETAS)):
        for value in values:
            SETTINGS[name].check(value)


def test_a_trade_off_of_nothing_says_so() -> None:
    assert "gather here" in figures.trade_off([], "kl").layout.annotations[0].text


@pytest.mark.parametrize(("low", "high"), [(60, 300), (5e4, 3.5e7), (0.002, 1.3), (7, 7), (1e-30, 1e30)])
def test_a_logarithmic_axis_has_few_ticks_in_its_range(low: float, high: float) -> None:
    ticks = figures.log_ticks(low, high)
    assert 1 <= len(ticks) <= 8
    assert all(low / 2.5 <= tick <= high * 2.5 for tick in ticks)
    assert ticks == sorted(ticks)


def test_sampled_tokens_are_text_and_wanted_ones_are_marked() -> None:
    html = tokens.sample_html(Sample("<i>", ("<img src=x>", " a\nb"), (True, False)))
    assert "<mark>&lt;img src=x&gt;</mark>" in html
    assert "<span> a↵b</span>" in html
    assert "&lt;i&gt;" in html
    assert "<img" not in html


def test_a_link_says_only_what_differs_and_gives_it_back() -> None:
    assert settings.link_parameters(BiasConfig()) == {}
    changed = replace(BiasConfig(), steps=7, train_blocks=2, beta=0.5, bos="off")
    said = {"steps": "7", "train_blocks": "2", "beta": "0.5", "bos": "off"}
    assert settings.link_parameters(changed) == said
    assert settings.read_link(said) == changed
    of_a_pattern = replace(BiasConfig(), pattern=Pattern("words", "tea, fox", ignore_case=False))
    said = {"kind": "words", "pattern": "tea, fox", "ignore_case": "False"}
    assert settings.link_parameters(of_a_pattern) == said
    assert settings.read_link(said) == of_a_pattern


def test_every_preset_stands_on_the_steps_of_the_sliders() -> None:
    from engine.training import presets

    for preset in presets.PRESETS:
        assert preset.config.learning_rate in [pytest.approx(rate) for rate in settings.RATES]
        assert preset.config.beta in [pytest.approx(beta) for beta in settings.BETAS]

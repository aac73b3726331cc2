"""What travels and is kept as JSON: byte for byte what earlier versions wrote, and readable again."""

import json
from pathlib import Path

import pytest

from engine import paths
from engine.training.config import BiasConfig
from engine.training.patterns import Pattern
from engine.training.records import (
    Event,
    Generation,
    RunStart,
    Sample,
    TrainingRun,
    TrainStep,
    event_from_dict,
    event_to_dict,
)

NAN = float("nan")
SAMPLE = Sample("é\n", ("x", " <b>"), (True, False))
WRITTEN_CONFIGS = [
    (
        BiasConfig(),
        '{"pattern": {"kind": "letter", "text": "x", "ignore_case": true}, "start": "scratch", "layers": 4, '
        '"width": 128, "train_blocks": null, "direction": "forward", "pull": 1.0, "beta": 0.0, "pull_on": "random", '
        '"steps": 60, "learning_rate": 0.002, "optimiser": "adamw", "schedule": "constant", "batch_size": 4, '
        '"context_length": 256, "temperature": 1.0, "top_k": 0, "seed": 0, "measure_every": 5, "sample_every": 5, '
        '"device": "auto", "bos": "auto"}',
    ),
    (
        BiasConfig(Pattern("regex", "^[A-Z]$", False), train_blocks=2, start="smollm2-135m", beta=3.0, bos="off"),
        '{"pattern": {"kind": "regex", "text": "^[A-Z]$", "ignore_case": false}, "start": "smollm2-135m", "layers": 4, '
        '"width": 128, "train_blocks": 2, "direction": "forward", "pull": 1.0, "beta": 3.0, "pull_on": "random", '
        '"steps": 60, "learning_rate": 0.002, "optimiser": "adamw", "schedule": "constant", "batch_size": 4, '
        '"context_length": 256, "temperature": 1.0, "top_k": 0, "seed": 0, "measure_every": 5, "sample_every": 5, '
        '"device": "auto", "bos": "off"}',
    ),
]
WRITTEN_EVENTS: list[tuple[Event, str]] = [
    (
        RunStart(985, 50_257, 10, 5, "cpu", "GPT-2 from scratch", 504, 8),
        '{"event": "start", "wanted_count": 985, "vocab_size": 50257, "parameters": 10, "trained_parameters": 5, '
        '"device": "cpu", "model_title": "GPT-2 from scratch", "held_out_tokens": 504, "held_out_windows": 8}',
    ),
    (
        TrainStep(
            step=3, loss=NAN, kl=1.5, cross_entropy=float("inf"), wanted_mass=0.25, kl_penalty=None, kl_to_start=0.125,
            held_out_perplexity=50.0, wanted_mass_text=0.5, grad_norm=None, learning_rate=2e-3, beta=0.0, seconds=1.25,
            sample=SAMPLE, perplexity_ratio=1.5, perplexity_ratio_low=1.25, perplexity_ratio_high=float("inf"),
        ),
        '{"event": "step", "step": 3, "loss": null, "kl": 1.5, "cross_entropy": null, "wanted_mass": 0.25, '
        '"kl_penalty": null, "kl_to_start": 0.125, "held_out_perplexity": 50.0, "wanted_mass_text": 0.5, '
        '"grad_norm": null, "learning_rate": 0.002, "beta": 0.0, "seconds": 1.25, "sample": {"prompt": "é\\n", '
        '"tokens": ["x", " <b>"], "wanted": [true, false]}, "perplexity_ratio": 1.5, "perplexity_ratio_low": 1.25, '
        '"perplexity_ratio_high": null}',
    ),
    (
        Generation("after", "real", (SAMPLE,)),
        '{"event": "generation", "when": "after", "kind": "real", "samples": [{"prompt": "é\\n", '
        '"tokens": ["x", " <b>"], "wanted": [true, false]}]}',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("config", "written"), WRITTEN_CONFIGS)
def test_a_configuration_is_written_as_ever_and_read_again(config: BiasConfig, written: str) -> None:
    assert json.dumps(config.to_dict()) == written
    assert BiasConfig.from_dict(json.loads(written)) == config


@pytest.mark.parametrize(("event", "written"), WRITTEN_EVENTS)
def test_an_event_is_written_as_ever(event: Event, written: str) -> None:
    assert json.dumps(event_to_dict(event), ensure_ascii=False) == written
    assert json.dumps(event_to_dict(event_from_dict(json.loads(written))), ensure_ascii=False) == written


def test_a_number_that_was_not_finite_is_read_as_nan_where_there_must_be_one_and_as_none_elsewhere() -> None:
    ((_, written),) = [pair for pair in WRITTEN_EVENTS if isinstance(pair[0], TrainStep)]
    step = event_from_dict(json.loads(written))
    assert isinstance(step, TrainStep)
    assert str((step.loss, step.cross_entropy)) == "(nan, nan)"
    assert (step.kl_penalty, step.grad_norm, step.perplexity_ratio_high) == (None, None, None)
    assert step.sample == SAMPLE


def test_the_example_run_is_read_and_written_byte_for_byte() -> None:
    text = Path(paths.ASSETS / "training" / "example_run.json").read_text(encoding="utf-8")
    run = TrainingRun.from_dict(json.loads(text))
    assert json.dumps(run.to_dict(), ensure_ascii=False) + "\n" == text
    assert {type(each.sample) for each in run.steps} == {Sample, type(None)}
    assert all(isinstance(each.samples, tuple) for each in run.generations)

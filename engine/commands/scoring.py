"""The commands `score` and `compare`."""

import argparse
from typing import Any

import engine
from engine.commands import inputs, options, progress
from engine.scoring.results import ModelComparison, TextScores
from engine.text import texts


def add(commands: Any) -> None:
    """Add this module's commands."""
    score = options.command(commands, "score", _score, "score a text with one model, token by token", table=True)
    options.add_model(score, "--model", "--precision")
    both = "score a text with two models and set them side by side"
    compare = options.command(commands, "compare", _compare, both, table=True)
    for side in ("a", "b"):
        options.add_model(compare, f"--model-{side}", f"--precision-{side}")
    options.add(compare, "--common-tokens")
    for command in (score, compare):
        command.add_argument("file", help="a text file, or - for standard input")
        command.add_argument("--top-k", type=int, default=10, help="how many of the likeliest tokens to list at each")
        options.add(command, "--device", "--bos", "--special-tokens", "--window", "--stride")


def _score(given: argparse.Namespace) -> object:
    text = texts.decode(inputs.read(given.file)[0]).text
    model = progress.run(engine.load_model_steps(given.model, given.precision, given.device))
    return _written(progress.run(engine.score_text_steps(model, text, **_reading(given))), given)


def _compare(given: argparse.Namespace) -> object:
    text = texts.decode(inputs.read(given.file)[0]).text
    asked = (given.model_a, given.precision_a), (given.model_b, given.precision_b)
    a, b = (progress.run(engine.load_model_steps(*model, given.device)) for model in asked)
    work = engine.compare_models_steps(a, b, text, common_tokens=given.common_tokens, **_reading(given))
    return _written(progress.run(work), given)


def _reading(given: argparse.Namespace) -> dict[str, Any]:
    return options.named(given, "top_k", *options.READING)


def _written(result: TextScores | ModelComparison, given: argparse.Namespace) -> object:
    return result.to_csv() if given.written_as == "csv" else result.to_dict()

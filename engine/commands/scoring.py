"""The commands `score` and `compare`."""

import argparse
import dataclasses
from typing import Any

from engine.commands import inputs, options, progress
from engine.text.texts import decode_upload


def add(commands: Any) -> None:
    """Add this module's commands."""
    score = options.command(commands, "score", _score, "score a text with one model, token by token", table=True)
    options.add_model(score, "--model", "--precision")
    _add_reading(score)
    both = "score a text with two models and set them side by side"
    compare = options.command(commands, "compare", _compare, both, table=True)
    for side in ("a", "b"):
        options.add_model(compare, f"--model-{side}", f"--precision-{side}")
    _add_reading(compare)
    options.add(compare, "--common-tokens")


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", help="a text file, or - for standard input")
    command.add_argument("--top-k", type=int, default=10, help="how many of the likeliest tokens to list per position")
    options.add(command, "--device", "--bos", "--special-tokens", "--window", "--stride")


def _score(given: argparse.Namespace) -> object:
    from engine.models.loading import load_model_steps
    from engine.scoring.score import score_text_steps

    text = _text(given)
    model = progress.run(load_model_steps(given.model, given.precision, given.device))
    return _written(progress.run(score_text_steps(model, text, **_reading(given))), given)


def _compare(given: argparse.Namespace) -> object:
    from engine.models.loading import load_model_steps
    from engine.scoring.compare import compare_models_steps

    text = _text(given)
    a = progress.run(load_model_steps(given.model_a, given.precision_a, given.device))
    b = progress.run(load_model_steps(given.model_b, given.precision_b, given.device))
    work = compare_models_steps(a, b, text, common_tokens=given.common_tokens, **_reading(given))
    return _written(progress.run(work), given)


def _text(given: argparse.Namespace) -> str:
    return decode_upload(inputs.read(given.file)[0])


def _reading(given: argparse.Namespace) -> dict[str, Any]:
    from engine.scoring.score import ReadingSettings

    return {field.name: getattr(given, field.name) for field in dataclasses.fields(ReadingSettings)}


def _written(result: Any, given: argparse.Namespace) -> object:
    return result.to_csv() if given.form_out == "csv" else result.to_dict()

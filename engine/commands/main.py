"""The command line. JSON (or CSV) in UTF-8 on stdout and nothing else there; progress and errors on stderr.

Exit status: 0 done, 2 refused (one line on stderr says why and what to do), 130 stopped from the keyboard.
"""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from engine.commands import evaluation as corpus_cli
from engine.commands import inputs, training
from engine.commands import options as reading_options
from engine.errors import EngineError
from engine.models import registry
from engine.sources.kinds import ModelSpec
from engine.steps import Progress, Steps, run

T = TypeVar("T")

Output = Callable[[argparse.Namespace], str | Iterator[str]]
"""A command: what it prints on stdout, at once or part by part."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    _speak_utf8()
    options = parser().parse_args(reading_options.with_bare_bos(sys.argv[1:] if arguments is None else arguments))
    command: Output = options.command
    out = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints is not our output
            output = command(options)
            for part in [output] if isinstance(output, str) else output:
                out.write(part.rstrip("\n") + "\n")
                out.flush()
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def _speak_utf8() -> None:
    """JSON is UTF-8, whatever the terminal's encoding; what stderr cannot say is escaped, never an error.

    Half of a surrogate pair (in the name of a file, say) is escaped on stdout too, where JSON reads it back.
    """
    for stream, encoding in ((sys.stdout, "utf-8"), (sys.stderr, None)):
        if isinstance(stream, io.TextIOWrapper):  # not what a notebook puts in its place
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(
        prog="python -m engine",
        description="What a causal language model thinks of a text. JSON on stdout, progress on stderr.",
    )
    top.set_defaults(command=None)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_models(commands)
    _add_fetch(commands)
    _add_score(commands)
    _add_compare(commands)
    training.add(commands)
    corpus_cli.add_commands(commands, _run)
    return top


def _add_models(commands: Any) -> None:
    command = commands.add_parser("models", help="list the models and whether they are on this machine")
    command.add_argument("--probe", action="store_true", help="also ask the hub about those that are not")
    command.set_defaults(command=_models)


def _add_fetch(commands: Any) -> None:
    command = commands.add_parser("fetch", help="get a model's files")
    command.add_argument("name", help="a name of the list, or a hub id (org/name or org/name@revision)")
    command.add_argument("--accept-licence", action="store_true", help="agree to the model's terms, where it has any")
    command.set_defaults(command=_fetch)


def _add_score(commands: Any) -> None:
    command = commands.add_parser("score", help="score a text with one model, token by token")
    command.add_argument("--model", default=registry.DEFAULT_MODEL, help="default: %(default)s")
    command.add_argument("--precision", default="auto", help="auto, float32, bfloat16, int8 or nf4")
    _add_scoring_options(command)
    command.set_defaults(command=_score)


def _add_compare(commands: Any) -> None:
    command = commands.add_parser("compare", help="score a text with two models and set them side by side")
    for side in ("a", "b"):
        command.add_argument(f"--model-{side}", default=registry.DEFAULT_MODEL, help="default: %(default)s")
        command.add_argument(f"--precision-{side}", default="auto", help="auto, float32, bfloat16, int8 or nf4")
    _add_scoring_options(command)
    reading_options.add_common_tokens(command)
    command.set_defaults(command=_compare)


def _add_scoring_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", help="a text file, or - for standard input")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    command.add_argument("--top-k", type=int, default=10, help="how many of the likeliest tokens to list a position")
    reading_options.add_bos(command)
    reading_options.add_special_tokens(command)
    command.add_argument("--window", type=int, help="tokens read at once; default: the model's context")
    command.add_argument("--stride", type=int, help="tokens each further window predicts; default: half the window")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", default="json", help="the default")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="a table instead, one row a token")


def _models(options: argparse.Namespace) -> str:
    from engine import sources

    return _json([_model_entry(spec, sources.availability(spec, probe=options.probe)) for spec in registry.specs()])


def _model_entry(spec: ModelSpec, availability: Any) -> dict[str, object]:
    return {
        "name": spec.name,
        "title": spec.title,
        "family": spec.family,
        "parameters": spec.parameters,
        "context_length": spec.context_length,
        "licence": spec.licence,
        "note": spec.note,
        "state": availability.state,
        "path": str(availability.path) if availability.path else None,
        "bytes_on_disk": availability.bytes_on_disk,
        "message": availability.message,
    }


def _fetch(options: argparse.Namespace) -> str:
    from engine import sources

    spec = registry.resolve(options.name)
    _run(sources.fetch_steps(spec, accept_licence=options.accept_licence))
    return _json(_model_entry(spec, sources.availability(spec)))


def _score(options: argparse.Namespace) -> str:
    from engine.models.loading import load_model_steps
    from engine.scoring.score import score_text_steps

    text = _text(options.file)
    model = _run(load_model_steps(options.model, options.precision, options.device))
    return _formatted(_run(score_text_steps(model, text, **_scoring_arguments(options))), options)


def _compare(options: argparse.Namespace) -> str:
    from engine.models.loading import load_model_steps
    from engine.scoring.compare import compare_models_steps

    text = _text(options.file)
    a = _run(load_model_steps(options.model_a, options.precision_a, options.device))
    b = _run(load_model_steps(options.model_b, options.precision_b, options.device))
    arguments = {**_scoring_arguments(options), "common_tokens": options.common_tokens}
    return _formatted(_run(compare_models_steps(a, b, text, **arguments)), options)


def _scoring_arguments(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "top_k": options.top_k,
        "bos": options.bos,
        "special_tokens": options.special_tokens,
        "window": options.window,
        "stride": options.stride,
    }


def _formatted(result: Any, options: argparse.Namespace) -> str:
    csv: str = result.to_csv() if options.form == "csv" else _json(result.to_dict())
    return csv


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _text(file: str) -> str:
    from engine.text.texts import decode_upload

    return decode_upload(inputs.read_bytes(file))


def _run(steps: Steps[T]) -> T:
    with _progress_line() as show:
        return run(steps, show)


@contextlib.contextmanager
def _progress_line() -> Iterator[Callable[[Progress], None]]:
    """Progress on stderr: one line that rewrites itself on a terminal, one line a message in a log."""
    on_terminal = sys.stderr.isatty()
    last = ""

    def show(progress: Progress) -> None:
        nonlocal last
        if on_terminal:
            share = f" {progress.fraction:.0%}" if progress.fraction is not None else ""
            print(f"\r\033[K{progress.message}{share}", end="", file=sys.stderr, flush=True)
        elif progress.message != last:
            print(progress.message, file=sys.stderr)
        last = progress.message

    try:
        yield show
    finally:
        if on_terminal and last:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

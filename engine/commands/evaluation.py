"""The commands `divergence`, `hellaswag`, `mauve` and `runs`. Every run is kept; `--resume ID` goes on with one."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from engine import errors, export
from engine.commands import inputs
from engine.commands import options as reading_options
from engine.evaluation.corpora.corpus import FORMS
from engine.models import registry
from engine.steps import Steps

T = TypeVar("T")
RunSteps = Callable[[Steps[Any]], Any]
Output = Callable[[argparse.Namespace], str]

_ITEMS = (
    "items: the official records as JSON lines, JSON or Parquet, or six lines an item; "
    "left out, the hub's validation set is fetched"
)
_TEXTS = "texts: plain (blank lines part them), JSON lines, JSON, CSV or TSV with a header line, or Parquet"
_PRECISIONS = "auto, float32, bfloat16, int8 or nf4"


def add_commands(commands: Any, run: RunSteps) -> None:
    """Add this module's commands; `run` drives steps with progress on stderr."""
    for add in (_add_divergence, _add_hellaswag, _add_mauve, _add_runs):
        add(commands, run)


def _add_divergence(commands: Any, run: RunSteps) -> None:
    command = commands.add_parser("divergence", help="how far a candidate model is from a base model over a corpus")
    _add_data(command, _TEXTS)
    _add_form(command)
    for role in ("base", "candidate"):
        command.add_argument(f"--{role}", default=registry.DEFAULT_MODEL, help="default: %(default)s")
        command.add_argument(f"--{role}-precision", default="auto", help=_PRECISIONS)
    command.add_argument("--window", type=int, help="tokens read at once in longer texts; default: 1024")
    command.add_argument("--stride", type=int, help="tokens each further window predicts; default: half the window")
    reading_options.add_bos(command)
    reading_options.add_special_tokens(command)
    reading_options.add_common_tokens(command)
    command.set_defaults(command=_doing(run, _plan_divergence))


def _add_hellaswag(commands: Any, run: RunSteps) -> None:
    command = commands.add_parser("hellaswag", help="how often one or two models find the true ending the likeliest")
    _add_data(command, _ITEMS)
    _add_models(command)
    command.add_argument("--items", type=int, help="only the first so many")
    command.add_argument("--as-is", action="store_true", help="leave the six-line form's last sentence in lower case")
    reading_options.add_bos(command)
    command.set_defaults(command=_doing(run, _plan_hellaswag))


def _add_mauve(commands: Any, run: RunSteps) -> None:
    command = commands.add_parser("mauve", help="how close texts are to human ones")
    _add_data(command, "the human texts, in any form that 'divergence' reads")
    _add_form(command)
    command.add_argument("--against", metavar="FILE", help="the other set; left out, the models write it")
    _add_models(command)
    command.add_argument("--features", default=registry.DEFAULT_MODEL, help="model that places the texts")
    command.add_argument("--features-precision", default="auto", help=_PRECISIONS)
    command.add_argument("--temperature", type=float, default=1.0, help="0 is greedy")
    command.add_argument("--top-k", type=int, default=0, help="0: all tokens")
    command.add_argument("--top-p", type=float, default=1.0)
    command.add_argument("--new-tokens", type=int, default=48)
    command.add_argument("--opening-tokens", type=int, default=12)
    command.add_argument("--seed", type=int, default=0, help="of the sampling")
    command.add_argument("--seeds", type=int, default=5, help="how many k-means seeds")
    reading_options.add_bos(command)
    command.set_defaults(command=_doing(run, _plan_mauve))


def _add_runs(commands: Any, run: RunSteps) -> None:
    command = commands.add_parser("runs", help="list, show, continue or delete kept runs")
    command.add_argument("run", nargs="?", help="a run's id; left out, all are listed")
    command.add_argument("--resume", action="store_true", help="do what is left of it")
    command.add_argument("--delete", action="store_true", help="delete it with its batches")
    command.set_defaults(command=lambda options: _runs(options, run))


def _add_data(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("file", nargs="?", help=f"a file, or - for standard input, with {what}")
    command.add_argument("--resume", metavar="ID", help="go on with a kept run; its data and settings are kept too")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    command.add_argument("--json", action="store_true", help="the default")


def _add_form(command: argparse.ArgumentParser) -> None:
    command.add_argument("--form", choices=FORMS, default="auto", help="default: as the file's ending or content says")
    command.add_argument("--column", metavar="NAME", help="column or key with the texts; default: 'text' or its like")


def _add_models(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", action="append", help="once or twice, to compare; default: the embedded model")
    command.add_argument("--precision", action="append", help=f"of each model, in order: {_PRECISIONS}")


def _doing(run: RunSteps, plan: Callable[[Any, argparse.Namespace, RunSteps], Any]) -> Output:
    def command(options: argparse.Namespace) -> str:
        store = _store()
        run_id = options.resume or plan(store, options, run).id
        return _done(store, run_id, run, options.device)

    return command


def _store() -> Any:
    from engine.evaluation.runs.store import RunStore

    store = RunStore()
    _say(store.notices)
    return store


def _done(store: Any, run_id: str, run: RunSteps, device: str = "auto") -> str:
    from engine.evaluation.runs import runner
    from engine.models.loading import load_located_steps

    sys.stderr.write(f"run {run_id} (continue it with --resume {run_id})\n")
    found = run(runner.run_steps(store, run_id, lambda model: load_located_steps(model.located(device))))
    return _json(runner.described(found))


def _plan_divergence(store: Any, options: argparse.Namespace, run: RunSteps) -> Any:
    from engine.evaluation.runs import plans
    from engine.models.request import ModelRequest

    corpus = _corpus(options.file, options)
    base = ModelRequest(options.base, options.base_precision)
    candidate = ModelRequest(options.candidate, options.candidate_precision)
    reading = {"window": options.window, "stride": options.stride}
    reading |= {name: getattr(options, name) for name in ("bos", "special_tokens", "common_tokens")}
    return plans.plan_divergence(store, base, candidate, corpus, **reading)


def _plan_hellaswag(store: Any, options: argparse.Namespace, run: RunSteps) -> Any:
    from engine.evaluation.hellaswag import hub_items
    from engine.evaluation.hellaswag.items import read_items_file
    from engine.evaluation.runs import plans

    if options.file is None:
        items = run(hub_items.fetch_items_steps())
    else:
        found = read_items_file(*_given(options.file), capitalise=not options.as_is)
        _say(found.notes)
        items = found.items
    return plans.plan_hellaswag(store, _models(options), items[: options.items], bos=options.bos)


def _plan_mauve(store: Any, options: argparse.Namespace, run: RunSteps) -> Any:
    from engine.evaluation.mauve.generation import Sampling
    from engine.evaluation.runs import plans
    from engine.models.request import ModelRequest

    human = _corpus(options.file, options).texts
    other = None if options.against is None else _corpus(options.against, options).texts
    sampling = Sampling(options.temperature, options.top_k, options.top_p, options.new_tokens, options.seed)
    return plans.plan_mauve(
        store,
        ModelRequest(options.features, options.features_precision),
        human,
        other=other,
        models=_models(options) if other is None else (),
        opening_tokens=options.opening_tokens,
        sampling=sampling,
        seeds=options.seeds,
        bos=options.bos,
    )


def _corpus(file: str | None, options: argparse.Namespace) -> Any:
    from engine.evaluation.corpora.corpus import read_corpus_file

    corpus = read_corpus_file(*_given(file), options.form, options.column)
    _say(corpus.notes)
    return corpus


def _models(options: argparse.Namespace) -> list[Any]:
    from engine.models.request import ModelRequest

    precisions = options.precision or []
    names = options.model or [registry.DEFAULT_MODEL] * max(1, len(precisions))
    if len(precisions) > len(names):
        raise errors.ParameterError(f"{len(precisions)} precisions for {len(names)} models. Give one for each model.")
    return [ModelRequest(name, *precisions[place : place + 1]) for place, name in enumerate(names)]


def _runs(options: argparse.Namespace, run: RunSteps) -> str:
    from engine.evaluation.runs import runner

    store = _store()
    if options.run is None:
        return _json([runner.described(found) for found in store.runs()])
    if options.delete:
        store.delete(options.run)
        return _json({"deleted": options.run})
    if options.resume:
        return _done(store, options.run, run)
    return _json(runner.described(store.run(options.run)))


def _given(file: str | None) -> tuple[bytes, str]:
    """A file's bytes and its name."""
    if file is None:
        raise errors.InputError("Give a file, or - for standard input, or --resume with a run's id.")
    return inputs.read_bytes(file), inputs.name_of(file)


def _say(notes: Sequence[str]) -> None:
    for note in notes:
        sys.stderr.write(f"note: {note}\n")


def _json(value: object) -> str:
    return json.dumps(export.json_ready(value), ensure_ascii=False, allow_nan=False)

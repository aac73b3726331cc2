"""The commands `divergence`, `hellaswag`, `mauve` and `runs`. Every run is kept; `--resume ID` goes on with one."""

import argparse
from collections.abc import Callable, Iterable
from typing import Any

import engine
from engine import errors
from engine.commands import inputs, options, progress
from engine.evaluation.corpora.corpus import Corpus, read_corpus_file
from engine.models import registry

_ITEMS = (
    "items: the official records as JSON lines, JSON or Parquet, or six lines per item; "
    "left out, the hub's validation set is fetched"
)
_TEXTS = "texts: plain (blank lines part them), JSON lines, JSON, CSV or TSV with a header line, or Parquet"


def add(commands: Any) -> None:
    """Add this module's commands."""
    _add_divergence(commands)
    _add_hellaswag(commands)
    _add_mauve(commands)
    runs = options.command(commands, "runs", _runs, "list, show, continue or delete kept runs")
    runs.add_argument("run", nargs="?", help="a run's id; left out, all are listed")
    what = runs.add_mutually_exclusive_group()
    what.add_argument("--resume", action="store_true", help="do what is left of it")
    what.add_argument("--delete", action="store_true", help="delete it with its batches")
    options.add(runs, "--device")


def _add_divergence(commands: Any) -> None:
    how_far = "how far a candidate model is from a base model over a corpus"
    command = _evaluation(commands, "divergence", _plan_divergence, how_far, _TEXTS)
    for role in ("base", "candidate"):
        options.add_model(command, f"--{role}", f"--{role}-precision")
    options.add(command, "--form", "--column", "--window", "--stride", "--special-tokens", "--common-tokens")


def _add_hellaswag(commands: Any) -> None:
    how_often = "how often one or two models find the true ending the likeliest"
    command = _evaluation(commands, "hellaswag", _plan_hellaswag, how_often, _ITEMS)
    options.add_models(command)
    command.add_argument("--items", type=int, help="only the first so many")
    command.add_argument("--as-is", action="store_true", help="leave the six-line form's last sentence in lower case")


def _add_mauve(commands: Any) -> None:
    human = "the human texts, in any form that 'divergence' reads"
    command = _evaluation(commands, "mauve", _plan_mauve, "how close texts are to human ones", human)
    command.add_argument("--against", metavar="FILE", help="the other set; left out, the models write it")
    options.add_models(command)
    options.add_model(command, "--features", "--features-precision", "model that places the texts; ")
    options.add(command, "--form", "--column")
    command.add_argument("--temperature", type=float, default=1.0, help="0 is greedy")
    command.add_argument("--top-k", type=int, default=0, help="sample from so many of the likeliest tokens; 0 is all")
    command.add_argument("--top-p", type=float, default=1.0)
    command.add_argument("--new-tokens", type=int, default=48)
    command.add_argument("--opening-tokens", type=int, default=12)
    command.add_argument("--seed", type=int, default=0, help="of the sampling")
    command.add_argument("--seeds", type=int, default=5, help="how many k-means seeds")


def _evaluation(
    commands: Any, name: str, plan: Callable[[argparse.Namespace], Any], description: str, data: str
) -> argparse.ArgumentParser:
    """Add a command that does a run: the one it plans, or a kept one."""

    def do(given: argparse.Namespace) -> object:
        store = _store()
        return _done(store, given.resume or store.begin(plan(given)).id, given.device)

    command = options.command(commands, name, do, description)
    command.add_argument("file", nargs="?", help=f"a file, or - for standard input, with {data}")
    command.add_argument("--resume", metavar="ID", help="go on with a kept run; its data and settings are kept too")
    options.add(command, "--device", "--bos")
    return command


def _store() -> Any:
    from engine.evaluation.runs.store import RunStore

    store = RunStore()
    _note(store.notices)
    return store


def _done(store: Any, run_id: str, device: str) -> object:
    from engine.evaluation import runner
    from engine.models.loading import load_located_steps

    progress.say(f"run {run_id} (continue it with --resume {run_id})")
    work = runner.run_steps(store, run_id, lambda model: load_located_steps(model.located(device)))
    return runner.described(progress.run(work))


def _plan_divergence(given: argparse.Namespace) -> Any:
    from engine.evaluation import divergence

    base = engine.ModelRequest(given.base, given.base_precision)
    candidate = engine.ModelRequest(given.candidate, given.candidate_precision)
    reading = options.named(given, "common_tokens", *options.READING)
    return divergence.plan(base, candidate, _corpus(given.file, given), **reading)


def _plan_hellaswag(given: argparse.Namespace) -> Any:
    from engine.evaluation import hellaswag
    from engine.evaluation.hellaswag import hub_items
    from engine.evaluation.hellaswag.items import ItemSet, read_items_file

    if given.file is None:
        found = ItemSet(progress.run(hub_items.fetch_items_steps()))
    else:
        found = read_items_file(*inputs.read(given.file), capitalise=not given.as_is)
    _note(found.notes)
    return hellaswag.plan(_models(given), found.items[: given.items], bos=given.bos, notes=found.notes)


def _plan_mauve(given: argparse.Namespace) -> Any:
    from engine.evaluation import mauve
    from engine.evaluation.mauve.generation import Sampling

    human = _corpus(given.file, given)
    other = None if given.against is None else _corpus(given.against, given)
    return mauve.plan(
        engine.ModelRequest(given.features, given.features_precision),
        human.texts,
        other=None if other is None else other.texts,
        writers=_models(given) if other is None else (),
        sampling=Sampling(given.temperature, given.top_k, given.top_p, given.new_tokens, given.seed),
        notes=human.notes if other is None else (*human.notes, *other.notes),
        **options.named(given, "opening_tokens", "seeds", "bos"),
    )


def _corpus(file: str | None, given: argparse.Namespace) -> Corpus:
    corpus = read_corpus_file(*inputs.read(file), given.form, given.column)
    _note(corpus.notes)
    return corpus


def _note(notes: Iterable[str]) -> None:
    progress.say(*(f"note: {note}" for note in notes))


def _models(given: argparse.Namespace) -> "list[engine.ModelRequest]":
    precisions = given.precision or []
    names = given.model or [registry.DEFAULT_MODEL] * max(1, len(precisions))
    if len(precisions) > len(names):
        raise errors.ParameterError(f"{len(precisions)} precisions for {len(names)} models. Give one for each model.")
    return [engine.ModelRequest(name, *precisions[place : place + 1]) for place, name in enumerate(names)]


def _runs(given: argparse.Namespace) -> object:
    from engine.evaluation import runner

    store = _store()
    if given.run is None:
        if given.resume or given.delete:
            raise errors.InputError("Give the id of a run; `python -m engine runs` lists them.")
        return [runner.described(found) for found in store.runs()]
    if given.delete:
        store.delete(given.run)
        return {"deleted": given.run}
    if given.resume:
        return _done(store, given.run, given.device)
    return runner.described(store.run(given.run))

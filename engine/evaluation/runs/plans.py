"""What a run was asked to do: made from a person's choices, kept with the run, read back to do or continue it."""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from engine import errors, formatting
from engine.evaluation.corpora.corpus import Corpus, digest
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.mauve import score
from engine.evaluation.mauve.generation import Sampling
from engine.evaluation.runs.store import Run, RunStore
from engine.models import opening
from engine.models.opening import Bos
from engine.models.request import ModelRequest

METHOD_VERSION = 2
"""Raised when a run's numbers would come out otherwise, so that old batches are not continued."""
LIBRARIES = ("torch", "transformers", "numpy", "mauve-text", "faiss-cpu", "scikit-learn", "bitsandbytes")
MOST_MODELS = 2


def plan_divergence(
    store: RunStore,
    base: ModelRequest,
    candidate: ModelRequest,
    corpus: Corpus,
    *,
    window: int | None = None,
    stride: int | None = None,
    bos: Bos = "auto",
    special_tokens: bool = False,
    common_tokens: bool = False,
) -> Run:
    """A run of `engine.evaluation.divergence.evaluate` over `corpus`: the kept one if it was asked for before."""
    opening.check(bos)
    settings: dict[str, Any] = {
        "base": base.listed(),
        "candidate": candidate.listed(),
        "window": window,
        "stride": stride,
    }
    settings |= {"bos": bos, "special_tokens": special_tokens} | ({"common_tokens": True} if common_tokens else {})
    title = f"{candidate.title} against {base.title} over {formatting.counted(len(corpus.texts), 'text')}"
    title += _reading_note(settings)
    return _begin(store, "divergence", title, settings, list(corpus.texts), corpus.digest)


def plan_hellaswag(
    store: RunStore, models: Sequence[ModelRequest], items: Sequence[HellaSwagItem], *, bos: Bos = "auto"
) -> Run:
    """A run of `engine.evaluation.hellaswag.evaluate` over `items` for one or two models."""
    if not items:
        raise errors.InputError("There are no items to evaluate.")
    _check_count(models)
    opening.check(bos)
    inputs = [[item.context, list(item.endings), item.label] for item in items]
    title = f"{' and '.join(model.title for model in models)} on {formatting.counted(len(items), 'HellaSwag item')}"
    settings = {"models": [model.listed() for model in models], "bos": bos}
    return _begin(store, "hellaswag", title + _reading_note(settings), settings, inputs, _digest(inputs))


def plan_mauve(
    store: RunStore,
    features: ModelRequest,
    human: Sequence[str],
    *,
    other: Sequence[str] | None = None,
    models: Sequence[ModelRequest] = (),
    openings: Sequence[str] | None = None,
    opening_tokens: int = 12,
    sampling: Sampling | None = None,
    seeds: int = len(score.DEFAULT_SEEDS),
    bos: Bos = "auto",
) -> Run:
    """A run of MAUVE between `human` and either a given set or what one or two models write.

    Parameters
    ----------
    store
        Where the run is kept.
    features
        The model whose hidden states place the texts.
    human, other
        The two sets; `other` is None where models write it.
    models
        Models that continue each text's opening.
    openings
        How each of `human` begins, where that is not its first `opening_tokens` tokens.
    sampling
        How the models write.
    seeds
        Number of k-means seeds.
    bos
        What stands in front of each text, for the models that write and the one that places.
    """
    if (other is None) == (not models):
        raise errors.ParameterError("Give either a second set of texts or models that write it.")
    score.check_sizes(len(human), len(human) if other is None else len(other))
    if openings is not None and len(openings) != len(human):
        raise errors.ParameterError(f"{len(openings):,} openings for {len(human):,} texts.")
    if models:
        _check_count(models)
    opening.check(bos)
    settings = {
        "features": features.listed(),
        "models": [model.listed() for model in models],
        "opening_tokens": opening_tokens,
        "sampling": asdict(sampling or Sampling()),
        "seeds": seeds,
        "bos": bos,
    }
    inputs = {"human": list(human), "other": None if other is None else list(other), "openings": openings}
    against = " and ".join(model.title for model in models) or "a given set"
    title = f"MAUVE of {formatting.counted(len(human), 'text')} against {against}"
    return _begin(store, "mauve", title + _reading_note(settings), settings, inputs, _digest(inputs))


def bos_of(settings: Mapping[str, Any]) -> Bos:
    """The choice of opening token in a run's settings. Runs of the first version do not say: they had none in front."""
    found: Bos = settings.get("bos", "off")
    return found


def special_tokens_of(settings: Mapping[str, Any]) -> bool:
    """Whether a run reads text that spells a special token as that token."""
    return bool(settings.get("special_tokens", False))


def common_tokens_of(settings: Mapping[str, Any]) -> bool:
    """Whether a run compares vocabularies that are one but for a few tokens over the common ones."""
    return bool(settings.get("common_tokens", False))


def items_of(inputs: Sequence[Any]) -> tuple[HellaSwagItem, ...]:
    """HellaSwag items out of a run's inputs."""
    return tuple(HellaSwagItem(context, (a, b, c, d), label) for context, (a, b, c, d), label in inputs)


def run_id(kind: str, settings: Mapping[str, Any], data_hash: str, *, method_version: int = METHOD_VERSION) -> str:
    """Name of the run that was asked for with these settings: equal questions have one run."""
    named = json.dumps([method_version, kind, settings, data_hash], sort_keys=True)
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def _begin(store: RunStore, kind: str, title: str, settings: dict[str, Any], inputs: Any, data_hash: str) -> Run:
    return store.begin(
        run_id(kind, settings, data_hash),
        kind=kind,
        title=title,
        settings=settings,
        inputs=inputs,
        data_hash=data_hash,
        versions=library_versions(),
    )


def library_versions() -> dict[str, str]:
    """Versions of the libraries a number depends on, those installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def opening_note(settings: Mapping[str, Any]) -> str:
    """How a run's texts open, for a table where it stands beside others."""
    return {"auto": "opened by its tokenizer", "on": "opened with its token", "off": "with nothing in front"}[
        bos_of(settings)
    ]


def _reading_note(settings: Mapping[str, Any]) -> str:
    """What a title adds for a run whose texts are not read as they are by default."""
    said = {"auto": "", "on": ", with an opening token", "off": ", without an opening token"}[bos_of(settings)]
    said += ", special tokens read" if special_tokens_of(settings) else ""
    return said + (", over common tokens" if common_tokens_of(settings) else "")


def _digest(inputs: Any) -> str:
    return digest([json.dumps(inputs, ensure_ascii=False, sort_keys=True)])


def _check_count(models: Sequence[ModelRequest]) -> None:
    if not 1 <= len(models) <= MOST_MODELS:
        raise errors.ParameterError(f"{len(models)} models given; 1 or {MOST_MODELS} can be evaluated at once.")

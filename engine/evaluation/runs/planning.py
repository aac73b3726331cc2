"""What a run is asked to do: made from a person's choices, and kept only once it is begun."""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import errors
from engine.evaluation.corpora.corpus import digest
from engine.models.opening import Bos
from engine.models.request import ModelRequest

METHOD_VERSION = 2
"""Raised when a run's numbers would come out otherwise, so that old batches are not continued."""
LIBRARIES = ("torch", "transformers", "numpy", "mauve-text", "faiss-cpu", "scikit-learn", "bitsandbytes")
MOST_MODELS = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it is begun. Making one reads and writes nothing.

    Attributes
    ----------
    id : the run's; equal questions have one
    kind : of evaluation, as `engine.evaluation.kinds` lists them
    title : one line for people
    settings : what is asked, JSON-ready; part of the id
    inputs : the data, JSON-ready
    data_hash : SHA-256 of the data; part of the id
    notes : sentences for people on how the data was read; no part of the id
    """

    id: str
    kind: str
    title: str
    settings: dict[str, Any]
    inputs: Any
    data_hash: str
    notes: tuple[str, ...] = ()


def make(
    kind: str,
    title: str,
    settings: dict[str, Any],
    inputs: Any,
    data_hash: str | None = None,
    notes: Sequence[str] = (),
) -> Plan:
    """A plan with its id; `data_hash` is that of `inputs` unless given. The title says how texts open if not as usual.

    Raises
    ------
    ParameterError
        More models than can be evaluated at once, or none.
    """
    data_hash = data_hash or digest([json.dumps(inputs, ensure_ascii=False, sort_keys=True)])
    run = run_id(kind, settings, data_hash)
    return Plan(run, kind, title + _reading_note(settings), settings, inputs, data_hash, tuple(notes))


def run_id(kind: str, settings: Mapping[str, Any], data_hash: str, *, method_version: int = METHOD_VERSION) -> str:
    """Name of the run that was asked for with these settings: equal questions have one run."""
    named = json.dumps([method_version, kind, settings, data_hash], sort_keys=True)
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def listed(*models: ModelRequest) -> list[list[str]]:
    """Models as settings hold them.

    Raises
    ------
    ParameterError
        More than can be evaluated at once, or none.
    """
    if not 1 <= len(models) <= MOST_MODELS:
        raise errors.ParameterError(f"{len(models)} models given; 1 or {MOST_MODELS} can be evaluated at once.")
    return [model.listed() for model in models]


def wanted(models: Sequence[Sequence[str]]) -> list[ModelRequest]:
    """The models that `listed` put into settings."""
    return [ModelRequest(*model) for model in models]


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

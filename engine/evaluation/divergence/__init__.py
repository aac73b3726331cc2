"""KL over a corpus, as an evaluation: a candidate model against a base model, token by token over many texts.

evaluate  both models over the corpus, piece by piece
result    what comes out: statistics, and columns that lead to the tokens behind them
record    a result as arrays and JSON, and back
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from engine import formatting
from engine.evaluation.corpora.corpus import Corpus
from engine.evaluation.divergence import result
from engine.evaluation.divergence.evaluate import STAGE, corpus_divergence_steps
from engine.evaluation.divergence.result import CorpusDivergence
from engine.evaluation.estimates import Estimate
from engine.evaluation.evaluation import Work
from engine.evaluation.row import Row, kept_estimate
from engine.evaluation.runs import planning
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run, RunStore
from engine.models import opening
from engine.models.loading import LOADING_CHARACTERS
from engine.models.opening import Bos
from engine.models.request import ModelRequest
from engine.steps import Stages, Steps

KIND, TITLE = "divergence", "KL over a corpus"
ROLES = ("base", "candidate")
_READING = ("window", "stride", "bos", "special_tokens", "common_tokens")


def plan(
    base: ModelRequest,
    candidate: ModelRequest,
    corpus: Corpus,
    *,
    window: int | None = None,
    stride: int | None = None,
    bos: Bos = "auto",
    special_tokens: bool = False,
    common_tokens: bool = False,
) -> Plan:
    """A run of `corpus_divergence_steps` over `corpus`."""
    opening.check(bos)
    settings: dict[str, Any] = dict(zip(ROLES, planning.listed(base, candidate), strict=True))
    settings |= {"window": window, "stride": stride, "bos": bos, "special_tokens": special_tokens}
    if common_tokens:  # ids of runs that were asked for before there was the choice stay
        settings["common_tokens"] = True
    title = f"{candidate.title} against {base.title} over {formatting.counted(len(corpus.texts), 'text')}"
    return planning.make(KIND, title, settings, list(corpus.texts), corpus.digest, corpus.notes)


def models(settings: Mapping[str, Any]) -> list[ModelRequest]:
    """The base and the candidate."""
    return planning.wanted([settings[role] for role in ROLES])


def steps(work: Work) -> Steps[CorpusDivergence]:
    """Compare the two models over the texts."""
    wanted = models(work.settings)
    stages = Stages(LOADING_CHARACTERS, LOADING_CHARACTERS, 2 * sum(map(len, work.inputs)))
    base = yield from stages.next(work.load("base", wanted[0]))
    candidate = yield from stages.next(work.load("candidate", wanted[1]))
    # Runs of earlier versions do not say all of it.
    reading = {name: work.settings[name] for name in _READING if name in work.settings}
    reading["bos"] = planning.bos_of(work.settings)
    comparing = corpus_divergence_steps(base, candidate, work.inputs, **reading, keep=work.keep)
    return (yield from stages.next(comparing))


def reopen(store: RunStore, run: Run) -> CorpusDivergence:
    """The result of the pieces kept."""
    return result.reopened(store.batches(run.id, STAGE), store.inputs(run.id))


def summary(found: CorpusDivergence) -> dict[str, Any]:
    """The numbers without per-token columns."""
    correlations = ("pearson", "spearman", "pearson_per_character")
    named = ("shared_vocabulary", "kl_undefined_reason", "common_tokens", "outside", *correlations)
    spent = ("tokens_base", "tokens_candidate", "seconds_base", "seconds_candidate")
    bits = ("bits_per_byte_base", "bits_per_byte_candidate", "bits_per_byte_difference")
    estimates = ("perplexity_base", "perplexity_candidate", *bits)
    return {
        "base": found.base_title,
        "candidate": found.candidate_title,
        "tokens": len(found),
        **{name: getattr(found, name) for name in (*named, *spent)},
        **{name: asdict(getattr(found, name)) for name in estimates},
        "statistics": None if found.statistics is None else asdict(found.statistics),
        "notes": list(found.notes),
    }


def rows(run: Run | None) -> list[Row]:
    """Perplexity, bits per byte and KL; speed and memory."""
    return [*_loss_rows(run), *_cost_rows(run)]


def _loss_rows(run: Run | None) -> list[Row]:
    found = {} if run is None else run.summary
    table = found.get("statistics") or {}
    kl = _by_text(table.get("kl"), table)
    bits = [_by_text(found.get(f"bits_per_byte_{role}"), table) for role in ROLES]
    perplexity = [_by_text(found.get(f"perplexity_{role}"), table) for role in ROLES]
    texts = max((one.texts for one in perplexity if one is not None), default=0)
    basis = "" if run is None else f"{_basis(found['tokens'], texts)}, {planning.opening_note(run.settings)}"
    better = "lower" if found.get("shared_vocabulary", True) else ""
    about = found.get("kl_undefined_reason") or basis
    return [
        Row("Perplexity", "", better, perplexity[0], perplexity[1], basis),
        Row("Bits per byte", "bits", "lower", bits[0], bits[1], basis),
        Row("KL to the base", "nats", "lower", Estimate(0.0) if kl else None, kl, about),
    ]


def _by_text(kept: dict[str, Any] | None, table: dict[str, Any]) -> Estimate | None:
    """A kept estimate; in runs of earlier versions the number of texts is only in the table."""
    found = kept_estimate(kept)
    return found if found is None or found.texts else replace(found, texts=table.get("texts", 0))


def _basis(tokens: int, texts: int) -> str:
    """What a corpus was; of one text, or of a number not known, it says so."""
    if texts == 1:
        return f"{tokens:,} tokens of one text, taken as independent"
    return f"{tokens:,} tokens of {texts:,} texts" if texts else f"{tokens:,} tokens"


def _cost_rows(run: Run | None) -> list[Row]:
    speed: list[Estimate | None] = [None, None]
    memory: list[Estimate | None] = [None, None]
    where = ""
    if run is not None:
        found = run.summary
        speed = [_rate(found[f"tokens_{role}"], found[f"seconds_{role}"]) for role in ROLES]
        memory = [Estimate(run.models[role]["memory_bytes"] / 1e9) for role in ROLES]
        where = f"on {run.models['base']['device']}, one text at a time"
    return [
        Row("Speed", "tokens/s", "higher", speed[0], speed[1], where, cost=True),
        Row("Memory", "GB", "lower", memory[0], memory[1], "weights" if run else "", cost=True),
    ]


def _rate(tokens: int, seconds: float) -> Estimate | None:
    return Estimate(tokens / seconds) if seconds else None

"""What comparing two models over a corpus gives: the statistics, and columns that lead to the tokens behind them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import correlations, errors
from engine.arrays import Floats, Ints
from engine.evaluation import estimates, statistics
from engine.evaluation.corpora.corpus import repeated_note
from engine.evaluation.divergence import record
from engine.evaluation.estimates import Estimate
from engine.evaluation.runs.store import Batch
from engine.evaluation.statistics import DivergenceStatistics
from engine.scoring.results import ModelComparison, TextScores, basis_of_kl, octets
from engine.units import to_bits


@dataclass(frozen=True, eq=False)
class CorpusDivergence:
    """Two models' readings of a corpus: the statistics, and per-token columns to find the tokens behind them.

    Attributes
    ----------
    base_title, candidate_title : the reference model and the one judged by it
    shared_vocabulary, kl_undefined_reason : whether KL is defined, and one sentence why not
    texts, pieces, places : (n,) int64, of each counted token (common span): its text, its piece, its place in the piece
    base, candidate : (n,) float64, log-probabilities in nats
    kl : (n,) float64, KL(base || candidate) in nats, or None
    same_top1 : (n,) float64 in [0, 1], as in `engine.scoring.results.ModelComparison`, or None
    octets : (n,) int64, UTF-8 bytes of the characters that each is the first to cover
    statistics : the whole table if the vocabulary is shared, else None
    perplexity_base, perplexity_candidate : per token of each model; comparable only with one vocabulary
    bits_per_byte_base, bits_per_byte_candidate : over the same bytes for both models, from the first border on that
        both have predicted up to; comparable across tokenizers
    bits_per_byte_difference : candidate minus base, paired
    pearson, spearman : of both models' log-probabilities
    pearson_per_character : of both models' log-probabilities over the length of the common span; NaN if the
        vocabulary is shared
    tokens_base, tokens_candidate : tokens each model was asked for
    seconds_base, seconds_candidate : time in each model, its head included
    notes : sentences for people
    common_tokens : number of tokens that KL is over, if not the whole vocabulary
    outside : mean probability that base and candidate give to all other tokens; empty likewise
    """

    base_title: str
    candidate_title: str
    shared_vocabulary: bool
    kl_undefined_reason: str | None
    texts: Ints
    pieces: Ints
    places: Ints
    base: Floats
    candidate: Floats
    kl: Floats | None
    same_top1: Floats | None
    octets: Ints
    statistics: DivergenceStatistics | None
    perplexity_base: Estimate
    perplexity_candidate: Estimate
    bits_per_byte_base: Estimate
    bits_per_byte_candidate: Estimate
    bits_per_byte_difference: Estimate
    pearson: float
    spearman: float
    pearson_per_character: float
    tokens_base: int
    tokens_candidate: int
    seconds_base: float
    seconds_candidate: float
    notes: tuple[str, ...]
    common_tokens: int | None = None
    outside: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.base)

    @property
    def kl_basis(self) -> str | None:
        """What KL is over, for a person, if that is not the whole vocabulary."""
        return None if self.common_tokens is None else basis_of_kl(self.common_tokens, self.outside)

    @property
    def delta_p(self) -> Floats:
        """(n,) p of the candidate minus p of the base, in [-1, 1]."""
        found: Floats = np.exp(self.candidate) - np.exp(self.base)
        return found

    def near(self, values: Floats, fraction: float, count: int = 12) -> Ints:
        """Indices of the `count` tokens around a percentile of `values` (n,), in the order of `values`, largest first.

        Examples
        --------
        `result.near(result.kl, 0.99)` are the tokens that the 99 % of the table speaks of.
        """
        order = np.argsort(values, kind="stable")
        middle = round(fraction * (len(values) - 1))
        start = int(np.clip(middle - count // 2, 0, max(0, len(values) - count)))
        return order[start : start + count][::-1].astype(np.int64)


def reopened(batches: Iterable[Batch], texts: Sequence[str]) -> CorpusDivergence:
    """The result of kept batches, all or the first of them, without any model."""
    rows = Rows()
    for batch in batches:
        rows.add(batch, texts)
    return rows.result((*repeated_note(texts), *rows.left_out_note()))


def comparison_of(batch: Batch, texts: Sequence[str]) -> ModelComparison:
    """The token-by-token comparison of one kept piece."""
    text = texts[batch.data["text_index"]][batch.data["start"] : batch.data["stop"]]
    return record.from_record(batch.arrays, batch.data, text)


@dataclass(eq=False)
class _Side:
    """One model's totals."""

    title: str = ""
    log_probs: list[Floats] = field(default_factory=list)
    texts: list[Ints] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0

    def add(self, scores: TextScores, first: int, text_index: int, seconds: float) -> None:
        """Take in the tokens of one piece from `first` on."""
        counted = np.flatnonzero(scores.predicted)
        counted = counted[counted >= first]
        self.title = scores.model_title
        self.seconds, self.tokens = self.seconds + seconds, self.tokens + len(scores)
        self.log_probs.append(scores.log_probs[counted])
        self.texts.append(np.full(counted.size, text_index))

    def totals(self, role: str) -> dict[str, Any]:
        """Fields of a `CorpusDivergence`; the perplexity is over this model's own tokens."""
        mean = estimates.mean(-np.concatenate(self.log_probs), np.concatenate(self.texts))
        found = {f"perplexity_{role}": statistics.scaled_exp(mean), f"{role}_title": self.title}
        return {**found, f"tokens_{role}": self.tokens, f"seconds_{role}": self.seconds}


def first_covered_bytes(text: str, spans: Ints, covered: int = 0) -> tuple[Ints, int]:
    """UTF-8 bytes (k,) of the characters that each of `spans` (k, 2) is the first to cover, and where they end.

    Characters before `covered` were counted already, as those are that a window's border cuts. Tokens that share a
    character do not count it again.

    Examples
    --------
    >>> first_covered_bytes("aé🙂", np.array([[0, 1], [1, 2], [2, 3], [2, 3]]))[0].tolist()
    [1, 2, 4, 0]
    """
    if not len(spans):
        return np.zeros(0, dtype=np.int64), covered
    before = np.concatenate([[0], np.cumsum(octets(text))]).astype(np.int64)
    reached = np.maximum.accumulate(np.concatenate([[covered], spans[:, 1]]))
    starts = np.minimum(np.maximum(spans[:, 0], reached[:-1]), reached[1:])
    return before[reached[1:]] - before[starts], int(reached[-1])


_COLUMNS = ("texts", "pieces", "places", "base", "candidate", "kl", "same_top1", "octets")
_OUTSIDE = ("outside_base", "outside_candidate")
_WITH_KL = {"kl_ab": "kl", "same_top1": "same_top1", "outside_a": _OUTSIDE[0], "outside_b": _OUTSIDE[1]}
"""Fields of a comparison that it has only with a KL, and the columns they fill."""


class Rows:
    """The columns of a `CorpusDivergence` while pieces come in."""

    def __init__(self) -> None:
        self.columns: dict[str, list[npt.NDArray[np.generic]]] = {}
        self.sides = (_Side(), _Side())
        self.reason: str | None = None
        self.shared = True
        self.common_tokens: int | None = None
        self._seen: set[int] = set()
        self._covered: dict[int, int] = {}  # of each text: the character up to which bytes are counted

    def add(self, batch: Batch, texts: Sequence[str]) -> None:
        """Take in what counts of one piece."""
        comparison = comparison_of(batch, texts)
        first, text_index = batch.data["first"], batch.data["text_index"]
        known = np.isfinite(comparison.log_probs_a) & np.isfinite(comparison.log_probs_b)
        known[:first] = False
        places = np.flatnonzero(known)
        self._seen.add(text_index)
        found = {
            "texts": np.full(places.size, text_index),
            "pieces": np.full(places.size, batch.place),
            "places": places,
            "base": comparison.log_probs_a[places],
            "candidate": comparison.log_probs_b[places],
            "octets": self._octets(comparison, places, batch.data),
            "characters": np.diff(comparison.spans[places], axis=1)[:, 0],
        }
        with_kl = {column: getattr(comparison, name) for name, column in _WITH_KL.items()}
        found |= {column: values[places] for column, values in with_kl.items() if values is not None}
        for name, values in found.items():
            self.columns.setdefault(name, []).append(values)
        self.common_tokens = comparison.common_tokens
        self.shared = self.shared and comparison.shared_vocabulary
        self.reason = self.reason or comparison.kl_undefined_reason
        for side, scores, spent in zip(self.sides, (comparison.a, comparison.b), batch.data["seconds"], strict=True):
            side.add(scores, first, text_index, spent)

    def _octets(self, comparison: ModelComparison, places: Ints, data: Mapping[str, Any]) -> Ints:
        """Bytes of each counted place, those of the text's pieces before left out."""
        text_index, start = data["text_index"], data["start"]
        covered = max(0, self._covered.get(text_index, 0) - start)
        found, reached = first_covered_bytes(comparison.a.text, comparison.spans[places], covered)
        self._covered[text_index] = start + reached
        return found

    def left_out_note(self, texts: int | None = None) -> tuple[str, ...]:
        """A note on texts without a piece: of all `texts`, or of those before the last one that is in."""
        missing = (max(self._seen, default=-1) + 1 if texts is None else texts) - len(self._seen)
        if not missing:
            return ()
        return (f"{missing:,} {'texts' if missing > 1 else 'text'} in which a tokenizer finds no token: left out.",)

    def result(self, notes: tuple[str, ...]) -> CorpusDivergence:
        """Everything, once all pieces are in."""
        joined = {name: np.concatenate(parts) for name, parts in self.columns.items()}
        if self.reason is not None:  # of one text at least
            joined = {name: values for name, values in joined.items() if name not in _WITH_KL.values()}
        if not joined or not joined["base"].size:
            raise errors.InputError("No token of the corpus is predicted: every text has one token. Give longer texts.")
        table = None
        if "kl" in joined:
            table = statistics.divergence_statistics(
                joined["base"], joined["candidate"], joined["kl"], joined["same_top1"], joined["texts"]
            )
        few = estimates.few_texts_note(np.unique(joined["texts"]).size)
        columns: dict[str, Any] = {name: joined.get(name) for name in _COLUMNS}
        of_base, of_candidate = self.sides
        return CorpusDivergence(
            shared_vocabulary=self.shared,
            kl_undefined_reason=self.reason,
            common_tokens=None if self.reason else self.common_tokens,
            outside=tuple(float(joined[name].mean()) for name in _OUTSIDE if name in joined),
            statistics=table,
            **of_base.totals("base"),
            **of_candidate.totals("candidate"),
            **columns,
            **_bits_per_byte(joined),
            **_correlations(joined, self.shared),
            notes=(*notes, *([] if few is None else [few])),
        )


def _bits_per_byte(joined: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Both models' bits over the same bytes, and their difference: what neither or only one predicts is left out."""
    bits = {side: to_bits(-joined[side]) for side in ("base", "candidate")}
    bits["difference"] = bits["candidate"] - bits["base"]
    return {
        f"bits_per_byte_{name}": estimates.ratio(values, joined["octets"], joined["texts"])
        for name, values in bits.items()
    }


def _correlations(joined: Mapping[str, npt.NDArray[Any]], shared: bool) -> dict[str, Any]:
    base, candidate, characters = joined["base"], joined["candidate"], joined["characters"]
    by_length = float("nan") if shared else statistics.correlation_per_character(base, candidate, characters)
    return {
        "pearson": correlations.pearson(base, candidate),
        "spearman": correlations.spearman(base, candidate),
        "pearson_per_character": by_length,
    }

"""What comparing two models over a corpus gives: the statistics, and columns that lead to the tokens behind them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine import comparing, errors
from engine.corpus import comparison_record, statistics
from engine.corpus.reading import repeated_note
from engine.corpus.statistics import DivergenceStatistics, Estimate, Floats, Ints
from engine.corpus.store import Batch
from engine.results import ModelComparison, TextScores

_LN_2 = float(np.log(2.0))


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
    same_top1 : (n,) float64 in [0, 1], as in `engine.results.ModelComparison`, or None
    statistics : the whole table where the vocabulary is shared, else None
    perplexity_base, perplexity_candidate : per token of each model; comparable only with one vocabulary
    bits_per_byte_base, bits_per_byte_candidate : comparable always
    pearson, spearman : of both models' log-probabilities
    tokens_base, tokens_candidate : tokens each model was asked for
    seconds_base, seconds_candidate : time in each model, its head included
    notes : sentences for people
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
    statistics: DivergenceStatistics | None
    perplexity_base: Estimate
    perplexity_candidate: Estimate
    bits_per_byte_base: Estimate
    bits_per_byte_candidate: Estimate
    pearson: float
    spearman: float
    tokens_base: int
    tokens_candidate: int
    seconds_base: float
    seconds_candidate: float
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.base)

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
    return rows.result(repeated_note(texts))


def comparison_of(batch: Batch, texts: Sequence[str]) -> ModelComparison:
    """The token-by-token comparison of one kept piece."""
    text = texts[batch.data["text_index"]][batch.data["start"] : batch.data["stop"]]
    return comparison_record.from_record(batch.arrays, batch.data, text)


class _Side:
    """One model's totals."""

    def __init__(self) -> None:
        self.title = ""
        self.log_probs: list[Floats] = []
        self.texts: list[Ints] = []
        self.octets = 0
        self.seconds = 0.0
        self.tokens = 0

    def add(self, scores: TextScores, first: int, text_index: int, seconds: float) -> None:
        """Take in the tokens of one piece from `first` on."""
        counted = np.flatnonzero(scores.predicted)
        counted = counted[counted >= first]
        self.title = scores.model_title
        self.seconds, self.tokens = self.seconds + seconds, self.tokens + len(scores)
        self.log_probs.append(scores.log_probs[counted])
        self.texts.append(np.full(counted.size, text_index))
        if counted.size:
            self.octets += len(scores.text[scores.spans[counted[0], 0] : scores.spans[counted[-1], 1]].encode())

    def perplexity(self) -> Estimate:
        return statistics.scaled_exp(self._surprisal())

    def bits_per_byte(self) -> Estimate:
        """Bits over bytes; the errors are the mean surprisal's, the bytes being what they are."""
        surprisal = self._surprisal()
        scale = len(np.concatenate(self.log_probs)) / self.octets / _LN_2
        return Estimate(surprisal.value * scale, surprisal.error * scale, surprisal.error_by_text * scale)

    def _surprisal(self) -> Estimate:
        return statistics.mean(-np.concatenate(self.log_probs), np.concatenate(self.texts))


class Rows:
    """The columns of a `CorpusDivergence` while pieces come in."""

    def __init__(self) -> None:
        self.columns: dict[str, list[npt.NDArray[np.generic]]] = {}
        self.sides = (_Side(), _Side())
        self.reason: str | None = None
        self.shared = True

    def add(self, batch: Batch, texts: Sequence[str]) -> None:
        """Take in what counts of one piece."""
        comparison = comparison_of(batch, texts)
        first, text_index = batch.data["first"], batch.data["text_index"]
        known = np.isfinite(comparison.log_probs_a) & np.isfinite(comparison.log_probs_b)
        known[:first] = False
        places = np.flatnonzero(known)
        self._extend("texts", np.full(places.size, text_index))
        self._extend("pieces", np.full(places.size, batch.place))
        self._extend("places", places)
        self._extend("base", comparison.log_probs_a[places])
        self._extend("candidate", comparison.log_probs_b[places])
        if comparison.kl_ab is not None and comparison.same_top1 is not None:
            self._extend("kl", comparison.kl_ab[places])
            self._extend("same_top1", comparison.same_top1[places])
        self.shared, self.reason = comparison.shared_vocabulary, comparison.kl_undefined_reason
        for side, scores, spent in zip(self.sides, (comparison.a, comparison.b), batch.data["seconds"], strict=True):
            side.add(scores, first, text_index, spent)

    def _extend(self, name: str, values: npt.NDArray[np.generic]) -> None:
        self.columns.setdefault(name, []).append(values)

    def result(self, notes: tuple[str, ...]) -> CorpusDivergence:
        """Everything, once all pieces are in."""
        joined = {name: np.concatenate(parts) for name, parts in self.columns.items()}
        if not joined or not joined["base"].size:
            raise errors.InputError("No token of the corpus is predicted: every text has one token. Give longer texts.")
        table = None
        if "kl" in joined:
            table = statistics.divergence_statistics(
                joined["base"], joined["candidate"], joined["kl"], joined["same_top1"], joined["texts"]
            )
        pearson, spearman = comparing.correlations(joined["base"], joined["candidate"])
        of_base, of_candidate = self.sides
        return CorpusDivergence(
            base_title=of_base.title,
            candidate_title=of_candidate.title,
            shared_vocabulary=self.shared,
            kl_undefined_reason=self.reason,
            texts=joined["texts"],
            pieces=joined["pieces"],
            places=joined["places"],
            base=joined["base"],
            candidate=joined["candidate"],
            kl=joined.get("kl"),
            same_top1=joined.get("same_top1"),
            statistics=table,
            perplexity_base=of_base.perplexity(),
            perplexity_candidate=of_candidate.perplexity(),
            bits_per_byte_base=of_base.bits_per_byte(),
            bits_per_byte_candidate=of_candidate.bits_per_byte(),
            pearson=pearson,
            spearman=spearman,
            tokens_base=of_base.tokens,
            tokens_candidate=of_candidate.tokens,
            seconds_base=of_base.seconds,
            seconds_candidate=of_candidate.seconds,
            notes=notes,
        )

"""Two models over a corpus, piece by piece: what llama.cpp's `--kl-divergence` tells, with the tokens behind it.

A piece is a text, or one rolling window of a longer text: its first tokens are then context only, since the piece
before has counted them. Only per-token numbers are held for the whole corpus (60 bytes per token), never logits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import perf_counter
from typing import Any, TypeVar

import torch

from engine import errors
from engine.evaluation.corpora.corpus import repeated_note
from engine.evaluation.divergence import record
from engine.evaluation.divergence.result import CorpusDivergence, Rows
from engine.evaluation.runs.batches import Content, Keeper, as_part, kept_steps
from engine.models import opening
from engine.models.loaded import ScoringModel
from engine.models.opening import Bos
from engine.scoring import compare, score, vocabularies
from engine.steps import Progress, Steps, blocking
from engine.text import windows
from engine.text.tokens import Encoding

T = TypeVar("T")

DEFAULT_WINDOW = 1024
"""Tokens read at once: a step of a second or two on a CPU, where a model's whole context would take minutes."""
STAGE = "pieces"
_TOP_K = 5


@dataclass(frozen=True, eq=False)
class Piece:
    """Part of a text: characters from `start` on; tokens (or spans) from `first` on count."""

    text_index: int
    start: int
    text: str
    first: int
    encoding: Encoding | None
    """Its tokens if both models share a vocabulary, else None."""


def corpus_divergence_steps(
    base: ScoringModel,
    candidate: ScoringModel,
    texts: Sequence[str],
    *,
    window: int | None = None,
    stride: int | None = None,
    bos: Bos = "auto",
    special_tokens: bool = False,
    common_tokens: bool = False,
    keep: Keeper | None = None,
) -> Steps[CorpusDivergence]:
    """How far `candidate` is from `base` over `texts`, piece by piece.

    Parameters
    ----------
    base, candidate
        The reference model and the one judged by it.
    texts
        At least one. Each token is counted once; a text's first only if both models have an opening token before it.
    window, stride
        Tokens read at once and moved on in texts that are longer; by default 1,024, or the shorter context if that is
        less, and half the window.
    bos, special_tokens
        What stands in front of each text and window, and how text that spells a special token is read, for both
        models as in `engine.scoring.score.score_text_steps`.
    common_tokens
        Whether vocabularies that are one but for padding or added tokens are compared over the common tokens, as in
        `engine.scoring.compare.compare_models_steps`.
    keep
        Where finished pieces are kept and looked for first.

    Raises
    ------
    InputError, ParameterError
        There is no text or no predicted token, the window does not fit, or a model has no opening token to put in
        front.
    """
    if not texts:
        raise errors.InputError("There are no texts to compare the models on.")
    keep = keep or Keeper()
    plan = _window_plan(base, candidate, window, stride, bos)
    asked = {"window": plan.window, "stride": plan.stride, "bos": bos, "special_tokens": special_tokens}
    asked |= {"common_tokens": common_tokens}
    rows = Rows()
    message = f"Comparing {base.title} and {candidate.title}"
    *starts, characters = accumulate(map(len, texts), initial=0)
    read = 0
    for place, piece in enumerate(pieces(texts, (base, candidate), plan, special_tokens)):
        before, read = read, starts[piece.text_index] + piece.start + len(piece.text)
        work = as_part(
            _piece_steps(base, candidate, piece, asked), message, before, read - before, characters, "characters"
        )
        rows.add((yield from kept_steps(keep, STAGE, place, work)), texts)
        yield Progress(message, read, characters, "characters")
    return rows.result((*repeated_note(texts), *rows.left_out_note(len(texts))))


corpus_divergence = blocking(corpus_divergence_steps)


def _window_plan(
    base: ScoringModel, candidate: ScoringModel, window: int | None, stride: int | None, bos: Bos
) -> windows.WindowPlan:
    """Windows with room for the longer opening of the two models."""
    openings = [opening.opening_ids(model, bos) for model in (base, candidate)]
    window = window or min(base.context_length, candidate.context_length, DEFAULT_WINDOW)
    return score.window_plan((base, candidate), openings, window, stride)


def pieces(
    texts: Sequence[str],
    models: tuple[ScoringModel, ScoringModel],
    plan: windows.WindowPlan,
    special_tokens: bool = False,
) -> Iterator[Piece]:
    """Pieces of `texts`: one rolling window each if both models read the text as the same tokens, else whole texts.

    A text in which a tokenizer finds no token, such as white space alone, has no piece.
    """
    for index, text in enumerate(texts):
        tokenizers = {model.tokenizer.vocabulary_id: model.tokenizer for model in reversed(models)}  # one, or two
        cut = [tokenizer.encode(text, special_tokens=special_tokens) for tokenizer in tokenizers.values()]
        if not all(map(len, cut)):
            continue
        encoding = cut[-1]
        if vocabularies.shared(*models, text, special_tokens=special_tokens) is None:
            yield Piece(index, 0, text, 0, None)
            continue
        for part in windows.rolling_windows(len(encoding), plan):
            spans = encoding.spans[part.start : part.stop]
            start, stop = int(spans[0, 0]), int(spans[-1, 1])
            own = Encoding(encoding.token_ids[part.start : part.stop].copy(), spans - start)
            yield Piece(index, start, text[start:stop], part.first - part.start, own)


def _piece_steps(base: ScoringModel, candidate: ScoringModel, piece: Piece, asked: Mapping[str, Any]) -> Steps[Content]:
    timed = _Stopwatch(base), _Stopwatch(candidate)
    comparison = yield from compare.compare_models_steps(
        *timed, piece.text, top_k=_TOP_K, encoding=piece.encoding, **asked
    )
    arrays, data = record.to_record(comparison)
    place = {"text_index": piece.text_index, "start": piece.start, "stop": piece.start + len(piece.text)}
    return arrays, {**data, **place, "first": piece.first, "seconds": [watch.seconds for watch in timed]}


class _Stopwatch:
    """A model that counts the seconds spent in it."""

    def __init__(self, model: ScoringModel) -> None:
        self._model = model
        self.seconds = 0.0
        self.key, self.title, self.tokenizer = model.key, model.title, model.tokenizer
        self.vocab_size, self.context_length, self.bos_id = model.vocab_size, model.context_length, model.bos_id

    def hidden_states(self, token_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        return self._timed(lambda: self._model.hidden_states(token_ids, attention_mask))

    def hidden_pieces(self, token_ids: torch.Tensor, length: int) -> Iterator[torch.Tensor]:
        pieces = self._model.hidden_pieces(token_ids, length)
        while (found := self._timed(lambda: next(pieces, None))) is not None:
            yield found

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return self._timed(lambda: self._model.logits(hidden))

    def _timed(self, call: Callable[[], T]) -> T:
        started = perf_counter()
        try:
            return call()
        finally:
            self.seconds += perf_counter() - started

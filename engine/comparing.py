"""Two models on one text: how much better either predicts each piece, and how far their distributions are apart."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from engine import alignment, divergences, head, opening, scoring, steps
from engine.errors import ParameterError
from engine.model import ScoringModel
from engine.opening import Bos
from engine.results import FloatArray, ModelComparison, TextScores
from engine.scoring import ReadingSettings
from engine.steps import Progress, Steps
from engine.tokens import Encoding

_Pieces = Iterator[tuple[torch.Tensor, torch.Tensor]]
"""Hidden states (C, width) and the (C,) token ids they predict, piece by piece."""


def compare_models(
    a: ScoringModel,
    b: ScoringModel,
    text: str,
    *,
    top_k: int = 10,
    bos: Bos = "auto",
    window: int | None = None,
    stride: int | None = None,
    special_tokens: bool = False,
    prepend_bos: bool | None = None,
    n_changed: int = 5,
    on_progress: Callable[[Progress], None] | None = None,
) -> ModelComparison:
    """Compare two models on `text`. Parameters, result and errors as in `compare_models_steps`.

    on_progress
        Called with a `Progress` after each chunk.
    """
    work = compare_models_steps(
        a,
        b,
        text,
        top_k=top_k,
        bos=opening.choice(bos, prepend_bos),
        window=window,
        stride=stride,
        special_tokens=special_tokens,
        n_changed=n_changed,
    )
    return steps.run(work, on_progress)


def compare_models_steps(
    a: ScoringModel,
    b: ScoringModel,
    text: str,
    *,
    top_k: int = 10,
    bos: Bos = "auto",
    window: int | None = None,
    stride: int | None = None,
    special_tokens: bool = False,
    prepend_bos: bool | None = None,
    n_changed: int = 5,
    encoding: Encoding | None = None,
) -> Steps[ModelComparison]:
    """Compare two models on `text`, yielding a `Progress` after each chunk of positions.

    With one vocabulary both models walk the same tokens in step, so that KL and JS over the whole vocabulary are
    exact and nothing of size n x V is held. Otherwise each reads its own tokens, and log-probabilities are summed over
    the finest spans of characters that both tokenizations have.

    Parameters
    ----------
    a, b
        The two models; a is the reference. They may be on different devices.
    text
        As in `engine.scoring.score_text_steps`, like `top_k`, `bos`, `window`, `stride` and `special_tokens`, which
        hold for both models; with bos='auto' each opens as it must. With one vocabulary the window is by default the
        shorter of the two context lengths.
    n_changed
        Tokens to keep at each position whose probability differs most between the models.
    encoding
        The text's tokens in the shared vocabulary, where they are cut already, as for a piece of a longer text.

    Raises
    ------
    TextError, ParameterError, UnsupportedModelError
        As in `engine.scoring.score_text_steps`.
    """
    shared = a.tokenizer.vocabulary_id == b.tokenizer.vocabulary_id
    if shared and window is None:
        window = min(a.context_length, b.context_length)
    settings = ReadingSettings(top_k, opening.choice(bos, prepend_bos), window, stride, special_tokens)
    if shared and a.vocab_size == b.vocab_size:
        if not 0 <= n_changed <= a.vocab_size:
            raise ParameterError(f"n_changed is {n_changed:,}; it must be 0 to {a.vocab_size:,}.")
        return (yield from _in_step(a, b, text, settings, encoding, n_changed))
    encoding = encoding if shared else None
    scores_a = yield from scoring.score_text_steps(a, text, **asdict(settings), encoding=encoding)
    encoding = Encoding(scores_a.token_ids, scores_a.spans) if shared else None
    scores_b = yield from scoring.score_text_steps(b, text, **asdict(settings), encoding=encoding)
    return _comparison(scores_a, scores_b, shared, _reason(a, b, shared), {})


def correlations(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Pearson and Spearman correlation of two (m,) arrays over the places where both are numbers.

    NaN where fewer than two are left, or where either side is constant.

    Examples
    --------
    >>> correlations(np.array([np.nan, 1.0, 2.0, 4.0]), np.array([0.0, 1.0, 2.0, 4.0]))
    (1.0, 1.0)
    """
    from scipy.stats import rankdata

    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    return _pearson(x, y), _pearson(rankdata(x), rankdata(y))


def _pearson(x: FloatArray, y: FloatArray) -> float:
    if len(x) < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def _reason(a: ScoringModel, b: ScoringModel, shared: bool) -> str:
    if not shared:
        return (
            f"{a.title} and {b.title} have different vocabularies, so that there is no token-by-token KL between them."
        )
    return (
        f"{a.title} and {b.title} share a vocabulary but give {a.vocab_size:,} and {b.vocab_size:,} logits, "
        "so that their distributions are over different sets."
    )


class _Walk:
    """Both models' readings of the same tokens and what lies between them, chunk after chunk."""

    def __init__(self, a: ScoringModel, b: ScoringModel, top_k: int, n_changed: int) -> None:
        self.a, self.b, self.top_k, self.n_changed = a, b, top_k, n_changed
        self.readings_a: list[head.Readings] = []
        self.readings_b: list[head.Readings] = []
        self.apart: list[divergences.Divergences] = []
        self._spaces: tuple[head.Workspace, head.Workspace] | None = None

    @torch.inference_mode()
    def take(self, hidden_a: torch.Tensor, hidden_b: torch.Tensor, targets: torch.Tensor) -> None:
        """Read one chunk: (C, width) hidden states of either model and the (C,) tokens that came next."""
        logits_a = self.a.logits(hidden_a)
        logits_b = self.b.logits(hidden_b).to(logits_a.device)
        if self._spaces is None:
            width, device = self.a.vocab_size, logits_a.device
            self._spaces = head.Workspace(width, device), head.Workspace(width, device)
        space_a, space_b = self._spaces
        for start in range(0, len(targets), space_a.rows):
            rows = slice(start, start + space_a.rows)
            self.readings_a.append(space_a.read(logits_a[rows], targets[rows], self.top_k))
            self.readings_b.append(space_b.read(logits_b[rows], targets[rows], self.top_k))
            self.apart.append(divergences.between(space_a, space_b, self.n_changed))


def _in_step(
    a: ScoringModel,
    b: ScoringModel,
    text: str,
    settings: ReadingSettings,
    encoding: Encoding | None,
    n_changed: int,
) -> Steps[ModelComparison]:
    """Both models over the same tokens, window by window and chunk by chunk."""
    message = f"Comparing {a.title} and {b.title}"
    yield Progress(message, unit="tokens")
    reading_a, reading_b = scoring.prepare((a, b), text, settings, encoding)
    walk = _Walk(a, b, settings.top_k, n_changed)
    for part in reading_a.windows:
        done = part.first
        pieces = (scoring.hidden_and_targets(model, own, part) for model, own in ((a, reading_a), (b, reading_b)))
        for hidden_a, hidden_b, targets in _paired(*pieces):
            yield Progress(message, done, reading_a.n, "tokens")
            for chunk in head.chunks(a.vocab_size, hidden_a):
                yield Progress(message, done + chunk.start, reading_a.n, "tokens")
                walk.take(hidden_a[chunk], hidden_b[chunk], targets[chunk])
            done += len(targets)
    scores_a = scoring.text_scores(a, text, reading_a, walk.readings_a)
    scores_b = scoring.text_scores(b, text, reading_b, walk.readings_b)
    return _comparison(scores_a, scores_b, True, None, _columns(a, reading_a, walk.apart, n_changed))


def _paired(pieces_a: _Pieces, pieces_b: _Pieces) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Both models' hidden states of the same tokens, and these. Openings of unlike length shift one's pieces."""
    held = torch.empty(0)
    for hidden_a, targets in pieces_a:
        taken = 0
        while taken < len(targets):
            while not len(held):
                held, _ = next(pieces_b)
            part = slice(taken, taken + len(held))
            yield hidden_a[part], held[: len(targets) - taken], targets[part]
            taken, held = min(part.stop, len(targets)), held[len(targets) - taken :]


def _columns(
    model: ScoringModel, reading: scoring.Reading, apart: list[divergences.Divergences], n_changed: int
) -> dict[str, Any]:
    """The fields of a `ModelComparison` that only a shared vocabulary gives."""
    changed_ids = scoring.column(reading, apart, "changed_ids", -1, np.int64, n_changed)
    return {
        **{name: scoring.column(reading, apart, name, np.nan, np.float64) for name in ("kl_ab", "kl_ba", "js")},
        **{
            name: scoring.column(reading, apart, name, np.nan, np.float64, n_changed)
            for name in ("changed_log_probs_a", "changed_log_probs_b")
        },
        "same_top1": scoring.column(reading, apart, "same_top1", 0.0, np.float64),
        "changed_ids": changed_ids,
        "changed_tokens": scoring.token_table(model, changed_ids),
    }


def _comparison(
    a: TextScores, b: TextScores, shared: bool, reason: str | None, columns: dict[str, Any]
) -> ModelComparison:
    """Align two readings of one text and sum up how they agree."""
    aligned = alignment.token_by_token(a.spans) if shared else alignment.common_spans(a.spans, b.spans)
    log_probs_a = alignment.sums(a.log_probs, aligned.ranges_a)
    log_probs_b = alignment.sums(b.log_probs, aligned.ranges_b)
    differences = (log_probs_b - log_probs_a)[np.isfinite(log_probs_a) & np.isfinite(log_probs_b)]
    pearson, spearman = correlations(log_probs_a, log_probs_b)
    return ModelComparison(
        a=a,
        b=b,
        spans=aligned.spans,
        ranges_a=aligned.ranges_a,
        ranges_b=aligned.ranges_b,
        log_probs_a=log_probs_a,
        log_probs_b=log_probs_b,
        pearson=pearson,
        spearman=spearman,
        share_above=float(np.mean(differences > 0)) if differences.size else float("nan"),
        share_below=float(np.mean(differences < 0)) if differences.size else float("nan"),
        shared_vocabulary=shared,
        kl_undefined_reason=reason,
        **columns,
    )

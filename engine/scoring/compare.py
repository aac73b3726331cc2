"""Two models on one text: how much better either predicts each piece, and how far their distributions are apart."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from engine import steps
from engine.arrays import Floats
from engine.errors import ParameterError
from engine.models import opening
from engine.models.loaded import ScoringModel
from engine.models.opening import Bos
from engine.scoring import divergences, head, score, vocabularies
from engine.scoring.results import ModelComparison, TextScores
from engine.scoring.score import ReadingSettings
from engine.steps import Progress, Steps
from engine.text import alignment
from engine.text.tokens import Encoding

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
    common_tokens: bool = False,
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
        common_tokens=common_tokens,
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
    common_tokens: bool = False,
    n_changed: int = 5,
    encoding: Encoding | None = None,
) -> Steps[ModelComparison]:
    """Compare two models on `text`, yielding a `Progress` after each chunk of positions.

    With one vocabulary both models walk the same tokens in step, so that KL and JS over the whole vocabulary are
    exact and nothing of size n x V is held. Otherwise each reads its own tokens, and log-probabilities are summed over
    the finest spans of characters that both tokenizations have. Vocabularies that are one but for padding or added
    tokens have no KL unless `common_tokens` asks for the one over the tokens they share.

    Parameters
    ----------
    a, b
        The two models; a is the reference. They may be on different devices.
    text
        As in `engine.score_text_steps`, like `top_k`, `bos`, `window`, `stride` and `special_tokens`, which hold
        for both models; with bos='auto' each opens as it must. With one vocabulary the window is by default the
        shorter of the two context lengths.
    common_tokens
        Whether vocabularies that are one but for padding or added tokens are compared over the tokens that both know,
        with both distributions made to sum to one there. Without effect on other pairs. The result says over how many
        tokens, and how much probability that leaves out; if it is more than 1 % of either model's, there is no KL.
    n_changed
        Tokens to keep at each position whose probability differs most between the models.
    encoding
        The text's tokens in the shared vocabulary, where they are cut already, as for a piece of a longer text.

    Raises
    ------
    TextError, ParameterError, UnsupportedModelError
        As in `engine.scoring.score.score_text_steps`.
    """
    settings = ReadingSettings(top_k, opening.choice(bos, prepend_bos), window, stride, special_tokens)
    vocabulary = vocabularies.shared(a, b, None if encoding is not None else text, special_tokens=special_tokens)
    if vocabulary is not None:
        if window is None:
            settings = replace(settings, window=min(a.context_length, b.context_length))
        if vocabulary.whole or common_tokens:
            ids = None if vocabulary.whole else torch.from_numpy(vocabulary.ids)
            return (yield from _in_step((a, b), text, settings, encoding, _Walk(a, b, top_k, n_changed, ids)))
    scores_a = yield from score.score_text_steps(a, text, **asdict(settings), encoding=encoding)
    encoding = Encoding(scores_a.token_ids, scores_a.spans) if vocabulary is not None else None
    scores_b = yield from score.score_text_steps(b, text, **asdict(settings), encoding=encoding)
    return _comparison(scores_a, scores_b, vocabulary is not None, vocabularies.reason(a, b, vocabulary), {})


def correlations(x: Floats, y: Floats) -> tuple[float, float]:
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


def _pearson(x: Floats, y: Floats) -> float:
    if len(x) < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


@dataclass(frozen=True, eq=False)
class _Outside:
    """(C,) probability that each model gives to the tokens that are not common."""

    outside_a: torch.Tensor
    outside_b: torch.Tensor


class _Walk:
    """Both models' readings of the same tokens and what lies between them, chunk after chunk.

    With `common`, (c,) ids in ascending order, what lies between them is over these only; the readings are over all.
    """

    def __init__(
        self, a: ScoringModel, b: ScoringModel, top_k: int, n_changed: int, common: torch.Tensor | None
    ) -> None:
        most = a.vocab_size if common is None else len(common)
        if not 0 <= n_changed <= most:
            raise ParameterError(f"n_changed is {n_changed:,}; it must be 0 to {most:,}.")
        self.a, self.b, self.top_k, self.n_changed, self.common = a, b, top_k, n_changed, common
        self.readings_a: list[head.Readings] = []
        self.readings_b: list[head.Readings] = []
        self.apart: list[divergences.Divergences] = []
        self.outside: list[_Outside] = []
        self._spaces: list[head.Workspace] = []

    @torch.inference_mode()
    def take(self, hidden_a: torch.Tensor, hidden_b: torch.Tensor, targets: torch.Tensor) -> None:
        """Read one chunk: (C, width) hidden states of either model and the (C,) tokens that came next."""
        logits_a = self.a.logits(hidden_a)
        logits_b = self.b.logits(hidden_b).to(logits_a.device)
        spaces = self._spaces = self._spaces or self._made(logits_a.device)
        step = min(space.rows for space in spaces)
        for start in range(0, len(targets), step):
            rows = slice(start, start + step)
            self.readings_a.append(spaces[0].read(logits_a[rows], targets[rows], self.top_k))
            self.readings_b.append(spaces[1].read(logits_b[rows], targets[rows], self.top_k))
            if self.common is None:
                self.apart.append(divergences.between(spaces[0], spaces[1], self.n_changed))
            else:
                self._take_common(self.common.to(targets.device), logits_a[rows], logits_b[rows], targets[rows])

    def _made(self, device: torch.device) -> list[head.Workspace]:
        """A workspace for each model's logits and, if need be, for its logits of the common tokens."""
        widths = [self.a.vocab_size, self.b.vocab_size] + ([] if self.common is None else 2 * [len(self.common)])
        return [head.Workspace(width, device) for width in widths]

    def _take_common(
        self, common: torch.Tensor, logits_a: torch.Tensor, logits_b: torch.Tensor, targets: torch.Tensor
    ) -> None:
        columns = torch.searchsorted(common, targets)
        outside = []
        for space, logits, readings in zip(
            self._spaces[2:], (logits_a, logits_b), (self.readings_a, self.readings_b), strict=True
        ):
            inside = space.read(logits[:, common], columns, 0)
            # p over all tokens = p over the common ones times their mass
            outside.append(-torch.expm1(readings[-1].log_probs - inside.log_probs).clamp_(max=0.0))
        apart = divergences.between(self._spaces[2], self._spaces[3], self.n_changed)
        self.apart.append(replace(apart, changed_ids=common[apart.changed_ids]))
        self.outside.append(_Outside(*outside))


def _in_step(
    models: tuple[ScoringModel, ScoringModel],
    text: str,
    settings: ReadingSettings,
    encoding: Encoding | None,
    walk: _Walk,
) -> Steps[ModelComparison]:
    """Both models over the same tokens, window by window and chunk by chunk."""
    a, b = models
    message = f"Comparing {a.title} and {b.title}"
    yield Progress(message, unit="tokens")
    reading_a, reading_b = score.prepare(models, text, settings, encoding)
    for part in reading_a.windows:
        done = part.first
        pieces = (score.hidden_and_targets(model, own, part) for model, own in ((a, reading_a), (b, reading_b)))
        for hidden_a, hidden_b, targets in _paired(*pieces):
            yield Progress(message, done, reading_a.n, "tokens")
            for chunk in head.chunks(max(a.vocab_size, b.vocab_size), hidden_a):
                yield Progress(message, done + chunk.start, reading_a.n, "tokens")
                walk.take(hidden_a[chunk], hidden_b[chunk], targets[chunk])
            done += len(targets)
    scores_a = score.text_scores(a, text, reading_a, walk.readings_a)
    scores_b = score.text_scores(b, text, reading_b, walk.readings_b)
    columns = _columns(a, reading_a, walk)
    reason = vocabularies.too_much_outside(columns)
    return _comparison(scores_a, scores_b, True, reason, {} if reason else columns)


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


def _columns(model: ScoringModel, reading: score.Reading, walk: _Walk) -> dict[str, Any]:
    """The fields of a `ModelComparison` that only a shared vocabulary gives."""
    apart, n_changed = walk.apart, walk.n_changed
    changed_ids = score.column(reading, apart, "changed_ids", -1, np.int64, n_changed)
    columns = {
        **{name: score.column(reading, apart, name, np.nan, np.float64) for name in ("kl_ab", "kl_ba", "js")},
        **{
            name: score.column(reading, apart, name, np.nan, np.float64, n_changed)
            for name in ("changed_log_probs_a", "changed_log_probs_b")
        },
        "same_top1": score.column(reading, apart, "same_top1", 0.0, np.float64),
        "changed_ids": changed_ids,
        "changed_tokens": score.token_table(model, changed_ids),
    }
    if walk.common is None:
        return columns
    sides = {name: score.column(reading, walk.outside, name, np.nan, np.float64) for name in vocabularies.SIDES}
    return {**columns, **sides, "common_tokens": len(walk.common)}


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

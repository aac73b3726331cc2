"""Two models on one text: how much better either predicts each piece, and how far their distributions are apart."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from engine import correlations, steps
from engine.errors import ParameterError
from engine.models import opening
from engine.models.loaded import ScoringModel
from engine.models.opening import Bos
from engine.scoring import divergences, head, score, vocabularies
from engine.scoring.results import ModelComparison, TextScores
from engine.scoring.score import ReadingSettings
from engine.steps import Progress, Stages, Steps
from engine.text import alignment
from engine.text.tokens import Encoding


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
    """Compare two models on `text`.

    With one vocabulary both models walk the same tokens in step, so that KL and JS over the whole vocabulary are
    exact and nothing of size n x V is held. Otherwise each reads its own tokens, and log-probabilities are summed over
    the finest spans of characters that both tokenizations have. Vocabularies that are one but for padding or added
    tokens have no KL unless `common_tokens` asks for the one over the tokens they share.

    Parameters
    ----------
    a, b : the two models; a is the reference. They may be on different devices.
    text : as in `engine.score_text_steps`, like `top_k`, `bos`, `window`, `stride` and `special_tokens`, which hold for
        both models; with bos='auto' each opens as it must. With one vocabulary the window is by default the shorter of
        the two context lengths.
    common_tokens : whether vocabularies that are one but for padding or added tokens are compared over the tokens that
        both know, with both distributions made to sum to one there. Without effect on other pairs. The result says over
        how many tokens, and how much probability that leaves out; if it is more than 1 % of either model's, there is no
        KL.
    n_changed : tokens to keep at each position whose probability differs most between the models
    encoding : the text's tokens in the shared vocabulary, if they are cut already, as for a piece of a longer text

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
            return (yield from _in_step_steps((a, b), text, settings, encoding, _Walk(a, top_k, n_changed, ids)))
    stages = Stages(1, 1)
    scores_a = yield from stages.next(score.scored_steps(a, text, settings, encoding))
    encoding = Encoding(scores_a.token_ids, scores_a.spans) if vocabulary is not None else None
    scores_b = yield from stages.next(score.scored_steps(b, text, settings, encoding))
    return _comparison(scores_a, scores_b, vocabulary is not None, vocabularies.reason(a, b, vocabulary), {})


compare_models = steps.blocking(compare_models_steps)


class _Walk:
    """Both models' predictions of the same tokens and what lies between them, tile after tile.

    With `common`, (c,) ids in ascending order, what lies between them is over these only; the predictions are over all.
    """

    def __init__(self, a: ScoringModel, top_k: int, n_changed: int, common: torch.Tensor | None) -> None:
        most = a.vocab_size if common is None else len(common)
        if not 0 <= n_changed <= most:
            raise ParameterError(f"n_changed is {n_changed:,}; it must be 0 to {most:,}.")
        self.n_changed, self.common = n_changed, common
        self.readers = head.Reader(top_k), head.Reader(top_k)
        self.common_readers = head.Reader(0), head.Reader(0)
        self.apart: list[divergences.Divergences] = []

    def take(self, logits: list[torch.Tensor], targets: torch.Tensor) -> None:
        """Read one tile: (C, V) logits of either model and the (C,) tokens that came next."""
        a, b = self.readers
        a.read(logits[0], targets)
        b.read(logits[1], targets)
        if self.common is None:
            self.apart.append(divergences.between(a.space, b.space, self.n_changed))
            return
        a, b = self.common_readers
        common = self.common.to(targets.device)
        columns = torch.searchsorted(common, targets)
        a.read(logits[0][:, common], columns)
        b.read(logits[1][:, common], columns)
        apart = divergences.between(a.space, b.space, self.n_changed)
        self.apart.append(replace(apart, changed_ids=common[apart.changed_ids]))


def _in_step_steps(
    models: tuple[ScoringModel, ScoringModel],
    text: str,
    settings: ReadingSettings,
    encoding: Encoding | None,
    walk: _Walk,
) -> Steps[ModelComparison]:
    """Both models over the same tokens, window by window and tile by tile."""
    message = f"Comparing {models[0].title} and {models[1].title}"
    yield Progress(message, unit="tokens")
    readings = score.prepare(models, text, settings, encoding)
    yield from score.walk_steps(models, readings, message, walk.take)
    a, b = (
        score.text_scores(model, text, reading, reader.predictions)
        for model, reading, reader in zip(models, readings, walk.readers, strict=True)
    )
    columns = _columns(models[0], readings[0], walk)
    reason = vocabularies.too_much_outside(columns)
    return _comparison(a, b, True, reason, {} if reason else columns)


def _columns(model: ScoringModel, reading: score.Reading, walk: _Walk) -> dict[str, Any]:
    """The fields of a `ModelComparison` that only a shared vocabulary gives."""
    blank = dict.fromkeys(("kl_ab", "kl_ba", "js"), np.nan) | {"same_top1": 0.0}
    blank_changed = {"changed_ids": -1, "changed_log_probs_a": np.nan, "changed_log_probs_b": np.nan}
    changed = score.columns(reading, walk.apart, blank_changed, walk.n_changed)
    columns = score.columns(reading, walk.apart, blank) | changed
    columns["changed_tokens"] = score.token_table(model, changed["changed_ids"])
    if walk.common is None:
        return columns
    for side, whole, inside in zip(vocabularies.SIDES, walk.readers, walk.common_readers, strict=True):
        log_probs = (score.columns(reading, r.predictions, {"log_probs": np.nan})["log_probs"] for r in (whole, inside))
        # p over all tokens = p over the common ones times their mass
        columns[side] = -np.expm1(np.minimum(np.subtract(*log_probs), 0.0))
    return {**columns, "common_tokens": len(walk.common)}


def _comparison(
    a: TextScores, b: TextScores, shared: bool, reason: str | None, columns: dict[str, Any]
) -> ModelComparison:
    """Align two readings of one text and sum up how they agree."""
    aligned = alignment.token_by_token(a.spans) if shared else alignment.common_spans(a.spans, b.spans)
    log_probs_a = alignment.sums(a.log_probs, aligned.ranges_a)
    log_probs_b = alignment.sums(b.log_probs, aligned.ranges_b)
    differences = (log_probs_b - log_probs_a)[np.isfinite(log_probs_a) & np.isfinite(log_probs_b)]
    return ModelComparison(
        a=a,
        b=b,
        spans=aligned.spans,
        ranges_a=aligned.ranges_a,
        ranges_b=aligned.ranges_b,
        log_probs_a=log_probs_a,
        log_probs_b=log_probs_b,
        pearson=correlations.pearson(log_probs_a, log_probs_b),
        spearman=correlations.spearman(log_probs_a, log_probs_b),
        share_above=float(np.mean(differences > 0)) if differences.size else float("nan"),
        share_below=float(np.mean(differences < 0)) if differences.size else float("nan"),
        shared_vocabulary=shared,
        kl_undefined_reason=reason,
        **columns,
    )

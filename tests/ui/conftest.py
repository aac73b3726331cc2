"""Results made by hand, whose every value is known."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.scoring.results import ModelComparison, TextScores

MakeScores = Callable[..., TextScores]


def scores_of(pieces: list[str], log_probs: list[float], title: str = "Fake") -> TextScores:
    n = len(pieces)
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    ends = np.cumsum(lengths)
    known = np.isfinite(np.array(log_probs, dtype=np.float64))
    return TextScores(
        text="".join(pieces),
        model_key="fake",
        model_title=title,
        token_ids=np.arange(n),
        tokens=tuple(pieces),
        spans=np.stack([ends - lengths, ends], axis=1),
        log_probs=np.array(log_probs, dtype=np.float64),
        ranks=np.where(known, np.arange(n) + 1, 0),
        entropies=np.where(known, 1.0, np.nan),
        top_ids=np.where(known[:, None], [[7, 8]], -1),
        top_log_probs=np.where(known[:, None], [[-0.1, -3.0]], np.nan),
        top_tokens=tuple((" x", " y") if known[i] else ("", "") for i in range(n)),
        window=n,
        stride=n,
        ties=np.zeros(n, dtype=np.int64),
    )


@pytest.fixture
def make_scores() -> MakeScores:
    return scores_of


@pytest.fixture
def four_tokens() -> TextScores:
    """'The cat <b>\\n': the first token is unpredicted, then 1, 2 and 4 bits."""
    ln2 = float(np.log(2))
    return scores_of(["The", " cat", " <b>", "\n"], [float("nan"), -ln2, -2 * ln2, -4 * ln2])


@pytest.fixture
def comparison() -> ModelComparison:
    """Four tokens, two models, one vocabulary; b is better on one token, worse on another, equal on a third."""
    nan = float("nan")
    a = scores_of(["The", " cat", " <b>", "\n"], [nan, -1.0, -2.0, -4.0], "Model <A>")
    b = scores_of(["The", " cat", " <b>", "\n"], [nan, -1.0, -1.0, -6.0], "Model B")
    steps = np.array([[i, i + 1] for i in range(4)])
    return ModelComparison(
        a=a,
        b=b,
        spans=a.spans.copy(),
        ranges_a=steps,
        ranges_b=steps.copy(),
        log_probs_a=a.log_probs.copy(),
        log_probs_b=b.log_probs.copy(),
        pearson=0.9,
        spearman=0.8,
        share_above=1 / 3,
        share_below=1 / 3,
        shared_vocabulary=True,
        kl_undefined_reason=None,
        kl_ab=np.array([nan, 0.0, 0.5, 0.25]),
        kl_ba=np.array([nan, 0.0, 0.75, 0.5]),
        js=np.array([nan, 0.0, 0.125, 0.1]),
        same_top1=np.array([0.0, 1.0, 1.0, 0.5]),
        changed_ids=np.array([[-1], [3], [4], [5]]),
        changed_tokens=(("",), (" dog",), (" it",), (".",)),
        changed_log_probs_a=np.array([[nan], [-1.0], [-1.5], [-2.0]]),
        changed_log_probs_b=np.array([[nan], [-1.0], [-2.5], [-1.0]]),
    )

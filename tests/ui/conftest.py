"""Results made by hand, whose every value is known."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.scoring.results import ModelComparison, TextScores
from tests import readings

MakeScores = Callable[..., TextScores]
TOKENS = ("The", " cat", " <b>", "\n")
NAN = float("nan")


@pytest.fixture
def make_scores() -> MakeScores:
    return readings.scores_of


@pytest.fixture
def four_tokens() -> TextScores:
    """'The cat <b>\\n': the first token is unpredicted, then 1, 2 and 4 bits."""
    return readings.scores_of(TOKENS, -np.log(2) * np.array([NAN, 1, 2, 4]))


@pytest.fixture
def comparison() -> ModelComparison:
    """Four tokens, two models, one vocabulary; b is better on one token, worse on another, equal on a third."""
    return readings.compared(
        readings.scores_of(TOKENS, [NAN, -1.0, -2.0, -4.0], "Model <A>"),
        readings.scores_of(TOKENS, [NAN, -1.0, -1.0, -6.0], "Model B"),
        pearson=0.9,
        spearman=0.8,
        share_above=1 / 3,
        share_below=1 / 3,
        kl_ab=np.array([NAN, 0.0, 0.5, 0.25]),
        kl_ba=np.array([NAN, 0.0, 0.75, 0.5]),
        js=np.array([NAN, 0.0, 0.125, 0.1]),
        same_top1=np.array([0.0, 1.0, 1.0, 0.5]),
        changed_ids=np.array([[-1], [3], [4], [5]]),
        changed_tokens=(("",), (" dog",), (" it",), (".",)),
        changed_log_probs_a=np.array([[NAN], [-1.0], [-1.5], [-2.0]]),
        changed_log_probs_b=np.array([[NAN], [-1.0], [-2.5], [-1.0]]),
    )

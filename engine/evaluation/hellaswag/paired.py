"""Two models on the same questions: who is right where, how sure the difference is, and what it would take to know.

The interval and the test are Tango's score ones for paired proportions (T. Tango, "Equivalence test and confidence
interval for the difference in proportions for the paired-sample design", Statistics in Medicine 1998). Unlike a
bootstrap they do not become certain if no question differs. McNemar's test asks whether the two are *un*equal; a
large p of it is no evidence that they are equal.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from engine.arrays import Bools, Ints
from engine.evaluation.estimates import wilson_ends
from engine.evaluation.resampling import CONFIDENCE, Interval

_normal = NormalDist().inv_cdf
_AT_MOST = 1 - 1e-12
"""The largest difference tried: at 1 itself the score's variance is 0."""


@dataclass(frozen=True, slots=True)
class Flip:
    """How many of the questions changed in one way: count, share, and Wilson's 95 % interval of the share."""

    count: int
    share: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class PairedOutcome:
    """Counts of the four cases, McNemar's exact test, the difference of accuracies (b minus a), and the flips."""

    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float
    """Two-sided exact probability of a split of the disagreements this uneven, if both were equally good."""
    difference: float
    interval: Interval
    """Tango's 95 % interval of the difference; NaN without questions."""
    harmful: Flip
    """Right under a, wrong under b."""
    beneficial: Flip
    """Wrong under a, right under b."""
    churn: Flip | None
    """Wrong under both, by another answer; None if the answers are not known."""

    @property
    def items(self) -> int:
        """Number of questions."""
        return self.both_right + self.only_a + self.only_b + self.both_wrong

    def z(self, difference: float) -> float:
        """Tango's statistic at a `difference` (b minus a): above 1.645 at -margin, b loses at most the margin (5 %)."""
        return score_statistic(self.only_a, self.only_b, self.items, difference)


def compare_outcomes(
    right_a: Bools, right_b: Bools, *, choices_a: Ints | None = None, choices_b: Ints | None = None
) -> PairedOutcome:
    """Set two models' outcomes (n,) on the same questions side by side.

    Parameters
    ----------
    right_a, right_b
        Whether each model answered each question right.
    choices_a, choices_b
        What each answered, if known: wrong answers that changed count then too.

    Examples
    --------
    >>> a, b = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 1], bool)
    >>> outcome = compare_outcomes(a, b)
    >>> outcome.only_b, outcome.p_value, outcome.difference
    (2, 1.0, 0.25)
    """
    from scipy import stats

    items = right_a.size
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    both_right, disagreements = int((right_a & right_b).sum()), only_a + only_b
    churn = None
    if choices_a is not None and choices_b is not None:
        churn = _flip(int((~right_a & ~right_b & (choices_a != choices_b)).sum()), items)
    return PairedOutcome(
        both_right=both_right,
        only_a=only_a,
        only_b=only_b,
        both_wrong=items - both_right - disagreements,
        p_value=float(stats.binomtest(only_b, disagreements, 0.5).pvalue) if disagreements else 1.0,
        difference=(only_b - only_a) / items if items else float("nan"),
        interval=score_interval(only_a, only_b, items),
        harmful=_flip(only_a, items),
        beneficial=_flip(only_b, items),
        churn=churn,
    )


def score_statistic(only_a: int, only_b: int, items: int, difference: float) -> float:
    """Tango's z for 'the accuracies differ by `difference`' (b minus a); it falls as `difference` rises.

    Parameters
    ----------
    only_a, only_b
        Questions that only a, or only b, has right.
    items
        All questions.
    difference
        In (-1, 1). At minus a margin, z > 1.645 says (at 5 %) that b loses at most the margin, z < -1.645 that it
        loses more.

    Examples
    --------
    >>> round(score_statistic(0, 0, 400, -0.01), 3), round(score_statistic(10, 2, 100, 0.0), 3)
    (2.01, -2.309)
    """
    gain = only_b - only_a - items * difference
    # q: the likeliest share that only a has right, if the difference were true.
    linear = -(only_a + only_b) - (only_b - only_a) * difference + 2 * items * difference
    constant = -only_a * difference * (1 - difference)
    root = math.sqrt(max(0.0, linear**2 - 8 * items * constant))
    # Two forms of one root of 2 n q^2 + linear q + constant; each is exact where the other cancels.
    q = -2 * constant / (linear + root) if linear > 0 else (root - linear) / (4 * items)
    q = max(q, 0.0, -difference)  # neither share is negative, whatever rounding says
    variance = items * (2 * q + difference * (1 - difference))
    if variance <= 0:
        return 0.0 if gain == 0 else math.copysign(math.inf, gain)
    return gain / math.sqrt(variance)


def score_interval(only_a: int, only_b: int, items: int, confidence: float = CONFIDENCE) -> Interval:
    """All differences of the accuracies (b minus a) that Tango's statistic does not reject; NaN without questions.

    Examples
    --------
    >>> low, high = score_interval(0, 0, 12)
    >>> round(low, 3), round(high, 3)
    (-0.242, 0.242)
    """
    if not items:
        return (float("nan"), float("nan"))
    from scipy import optimize

    reach, centre = _normal((1 + confidence) / 2), (only_b - only_a) / items

    def end(sign: int) -> float:
        def beyond(difference: float) -> float:
            return sign * score_statistic(only_a, only_b, items, difference) + reach

        outermost = sign * _AT_MOST
        if sign * centre >= _AT_MOST or beyond(outermost) > 0:
            return float(sign)
        return float(optimize.brentq(beyond, centre, outermost, xtol=1e-12))

    return end(-1), end(1)


def wilson_interval(count: int, items: int) -> Interval:
    """Wilson's 95 % score interval of a share `count` / `items`; NaN without questions.

    Examples
    --------
    >>> low, high = wilson_interval(0, 12)
    >>> low, round(high, 3)
    (0.0, 0.242)
    """
    return wilson_ends(count / items if items else math.nan, items, _normal((1 + CONFIDENCE) / 2))


def largest_share_unseen(items: int) -> float:
    """Share of all questions that could differ although none of `items` does: exact, one-sided 95 %; about 3 / items.

    Examples
    --------
    >>> round(largest_share_unseen(12), 3), round(largest_share_unseen(400), 4)
    (0.221, 0.0075)
    """
    return float(-np.expm1(np.log1p(-CONFIDENCE) / items)) if items else 1.0


def items_needed(differing: float, margin: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """About how many questions show that two equally good models differ by at most `margin`.

    Parameters
    ----------
    differing
        Share of questions of which only one model has the answer right.
    margin
        Largest loss allowed, a share of the questions, above 0.
    alpha, power
        Largest chance of passing a model that loses the margin, and chance of passing one that loses nothing.

    Examples
    --------
    >>> [items_needed(share, 0.01) for share in (0.02, 0.05, 0.10)]
    [1237, 3092, 6183]
    """
    if margin <= 0:
        raise ValueError(f"the margin is {margin}; it must be above 0")
    return math.ceil((_normal(1 - alpha) + _normal(power)) ** 2 * differing / margin**2)


def _flip(count: int, items: int) -> Flip:
    return Flip(count, count / items if items else float("nan"), wilson_interval(count, items))

"""MAUVE's error, and what sets that are alike score: both sets cut into random halves and clustered anew.

Two disjoint halves are as independent as two new samples of their size, so half the mean square of the difference of
their scores is the variance of a score of that size, whether the sets are alike (where the score is of second order in
the texts, and subsamples that overlap vary too much) or not. A sample of twice the size has half that variance, as the
number of clusters grows with the texts. Each half's score is the mean over as many k-means seeds as the whole's, so
that the variance of the seeds comes in divided by their number. A bootstrap would draw from the histograms found,
which are further apart than the laws behind them: where sets are alike it is several times too wide
(benchmarks/mauve_coverage.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.arrays import Floats, Floats32
from engine.evaluation.estimates import Estimate
from engine.evaluation.mauve.clusters import clustered
from engine.steps import Progress, Steps

SPLITS = 10
"""Random splits into halves: the error is then known to a quarter or a third, and more splits hardly help."""
SPLIT_SEED = 0
_PARTS = 3
"""Of a split: both first halves, both second halves, human against human."""


@dataclass(frozen=True, slots=True)
class Measures:
    """MAUVE, MAUVE* and the frontier integral of one pair of sets, with their errors."""

    score: Estimate
    mauve_star: Estimate
    frontier_integral: Estimate


@dataclass(frozen=True, slots=True)
class Reference:
    """What sets that are alike score: half of the human texts against the other half.

    Attributes
    ----------
    texts : sizes of the two human sets compared
    other_texts : sizes of a half of the human texts and of a half of the other set
    buckets : clusters of both
    alike : human against human, mean over the splits; the errors are standard deviations of one such score
    other : human against the other set at `other_texts`, likewise, to hold against `alike`
    """

    texts: tuple[int, int]
    other_texts: tuple[int, int]
    buckets: int
    alike: Measures
    other: Measures


@dataclass(frozen=True, eq=False)
class Halves:
    """What the halves scored.

    Attributes
    ----------
    table : (splits, 3, seeds, 3); of each split the first halves of both sets, the second ones, human against human;
        of each seed MAUVE, MAUVE* and frontier integral
    texts_p, texts_q : size of a half of either set
    texts_human : size of the human half in Q's place: `texts_q` unless there are fewer human texts
    buckets : clusters
    """

    table: Floats
    texts_p: int
    texts_q: int
    texts_human: int
    buckets: int

    @property
    def splits(self) -> int:
        """Number of random splits."""
        return len(self.table)

    @property
    def alike(self) -> Floats:
        """Human against human (splits, seeds, 3)."""
        return self.table[:, -1]

    def errors(self) -> Floats:
        """Standard errors (3,) of the whole sets' MAUVE, MAUVE* and frontier integral (means over as many seeds)."""
        found: Floats = self._deviations() / np.sqrt(2)
        return found

    def reference(self) -> Reference:
        """Human against human beside human against the other set, at the size of the halves."""
        means = self.table.mean(axis=2)
        alike, other = means[:, 2], means[:, :2]
        return Reference(
            texts=(self.texts_p, self.texts_human),
            other_texts=(self.texts_p, self.texts_q),
            buckets=self.buckets,
            alike=Measures(*estimates_of(alike.mean(axis=0), alike.std(axis=0, ddof=1))),
            other=Measures(*estimates_of(other.mean(axis=(0, 1)), self._deviations())),
        )

    def _deviations(self) -> Floats:
        """Standard deviation of a half's measures (3,)."""
        means = self.table.mean(axis=2)
        found: Floats = np.sqrt(((means[:, 0] - means[:, 1]) ** 2).mean(axis=0) / 2)
        return found


def halves_steps(
    both: Floats32,
    human: Floats32,
    buckets: int,
    seeds: tuple[int, ...],
    splits: int = SPLITS,
    alike: Floats | None = None,
) -> Steps[Halves]:
    """Score halves of P and Q, a step per clustering.

    Parameters
    ----------
    both
        Reduced rows of Q then P.
    human
        Reduced rows of P alone (n_p, d), for human against human.
    buckets
        Clusters of the whole sets; the halves get half as many.
    seeds
        Of k-means, those of the whole sets' score.
    splits
        Number of random splits.
    alike
        Human against human (splits, seeds, 3) if it is known, from these human texts, seeds and splits and another
        set as large as Q.
    """
    texts_q = len(both) - len(human)
    half_p, half_q = len(human) // 2, texts_q // 2
    half_human = min(half_p, half_q)
    halved = min(max(2, round(buckets / 2)), half_p + half_human)
    scored = _PARTS if alike is None else _PARTS - 1
    table = np.empty((splits, _PARTS, len(seeds), 3))
    table[:, -1] = np.nan if alike is None else alike
    done, total = 0, splits * scored * len(seeds)
    for place, parts in enumerate(_splits(both[texts_q:], both[:texts_q], human, splits)):
        for part, (first, second) in enumerate(parts[:scored]):
            for number, seed in enumerate(seeds):
                yield Progress("Clustering halves of the sets", done, total, "clusterings")
                table[place, part, number] = _scored(first, second, halved, seed)
                done += 1
    return Halves(table, half_p, half_q, half_human, halved)


def _splits(p: Floats32, q: Floats32, human: Floats32, splits: int) -> Iterator[list[tuple[Floats32, Floats32]]]:
    """Of each split the pairs of sets to score; an odd text is left out."""
    half_p, half_q = len(p) // 2, len(q) // 2
    generator = np.random.default_rng(SPLIT_SEED)
    for _ in range(splits):
        of_p, of_q = generator.permutation(len(p)), generator.permutation(len(q))
        first, second = of_p[:half_p], of_p[half_p : 2 * half_p]
        yield [
            (p[first], q[of_q[:half_q]]),
            (p[second], q[of_q[half_q : 2 * half_q]]),
            (human[first], human[second[:half_q]]),
        ]


def _scored(p: Floats32, q: Floats32, buckets: int, seed: int) -> tuple[float, float, float]:
    return clustered(np.vstack([q, p]), len(q), buckets, seed).measures


def estimates_of(values: Floats, errors: Floats) -> tuple[Estimate, ...]:
    """The three measures (3,) with their errors (3,)."""
    return tuple(Estimate(value, error) for value, error in zip(values.tolist(), errors.tolist(), strict=True))

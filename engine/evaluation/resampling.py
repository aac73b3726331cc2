"""A bootstrap over texts: whole texts are drawn again, so that tokens of one text stay together, and both models' too.

Intervals are percentile intervals widened to Student's t (T. Hesterberg, "What Teachers Should Know About the
Bootstrap", arXiv:1411.5279, section 5): the plain ones are too narrow by sqrt((G - 1) / G) and by t over z, which
matters below some fifty texts.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from engine.arrays import Floats, Floats32, Ints

Interval = tuple[float, float]

CONFIDENCE = 0.95
FEWEST_TEXTS = 5
"""Below, the few sums that can be drawn say nothing about the tails: nominal 95 % intervals covered 71 % at 3 texts."""
MOST_DRAWS, FEWEST_DRAWS = 2000, 200
_TOKENS_DRAWN, _TEXTS_DRAWN = 50_000_000, 10_000_000
"""Draws are fewer if the corpus is large: about a second for a column and tens of megabytes for all draws."""
_BEYOND = 5
"""Tokens that must lie beyond a percentile for the draws to tell how it varies; an extreme has none."""
_NONE = (float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Draws:
    """How often each text is in each draw.

    Attributes
    ----------
    owner : (n,) int64, number of each token's text, from 0
    sizes : (G,) float64, tokens of each text
    counts : (draws, G) float32, each row sums to G
    """

    owner: Ints
    sizes: Floats
    counts: Floats32

    @classmethod
    def of(cls, texts: Ints, *, seed: int = 0, most: int = MOST_DRAWS) -> Self:
        """Draws of the texts that (n,) `texts` labels, `most` of them or as many as a corpus of this size affords."""
        _, owner = np.unique(texts, return_inverse=True)
        sizes = np.bincount(owner).astype(np.float64)
        rng = np.random.default_rng(seed)
        affordable = min(_TOKENS_DRAWN // max(1, len(owner)), _TEXTS_DRAWN // max(1, len(sizes)))
        number = min(most, max(FEWEST_DRAWS, affordable)) if len(sizes) >= FEWEST_TEXTS else 0
        counts = np.zeros((number, len(sizes)), dtype=np.float32)
        for row in counts:
            row[:] = np.bincount(rng.integers(len(sizes), size=len(sizes)), minlength=len(sizes))
        return cls(owner, sizes, counts)

    def means(self, values: Floats) -> Floats:
        """(draws,) mean of (n,) token values in each draw."""
        sums = np.bincount(self.owner, weights=values, minlength=len(self.sizes))
        found: Floats = (self.counts @ sums) / (self.counts @ self.sizes)
        return found

    def quantiles(self, values: Floats, fractions: tuple[float, ...]) -> Floats:
        """(draws, fractions) percentiles of (n,) token values in each draw, by linear interpolation."""
        order = np.argsort(values, kind="stable")
        ranked, owner, wanted = values[order], self.owner[order], np.asarray(fractions)
        found = np.empty((len(self.counts), len(fractions)))
        for place, row in enumerate(self.counts):
            reach = np.cumsum(row[owner], dtype=np.float64)  # tokens of the draw up to and with this one
            at = wanted * (reach[-1] - 1)
            below = np.floor(at)
            low = ranked[np.searchsorted(reach, below, side="right")]
            high = ranked[np.minimum(np.searchsorted(reach, below + 1, side="right"), len(ranked) - 1)]
            found[place] = low + (at - below) * (high - low)
        return found

    def interval(self, drawn: Floats) -> Interval:
        """95 % interval of a number from its value in each draw; NaN with too few texts."""
        texts = len(self.sizes)
        if not len(drawn) or not np.isfinite(drawn).all():
            return _NONE
        from scipy import special

        reach = np.sqrt(texts / (texts - 1)) * special.stdtrit(texts - 1, (1 + CONFIDENCE) / 2)
        tail = float(special.ndtr(-reach))
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return float(low), float(high)

    def quantile_intervals(self, values: Floats, fractions: tuple[float, ...]) -> tuple[Interval, ...]:
        """95 % interval of each percentile; NaN if too few tokens lie beyond it, or with too few texts."""
        if not len(self.counts):
            return (_NONE,) * len(fractions)
        drawn = self.quantiles(values, fractions)
        beyond = [min(fraction, 1 - fraction) * len(values) for fraction in fractions]
        return tuple(
            self.interval(column) if count >= _BEYOND else _NONE for count, column in zip(beyond, drawn.T, strict=True)
        )

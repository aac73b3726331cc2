"""A number with its standard errors: over tokens, as tools print it, and over texts, the one to trust."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.arrays import Floats, Ints
from engine.evaluation.resampling import CONFIDENCE

SOUND_TEXTS = 20
"""Below, even intervals with Student's t are too short where texts differ much: they covered 86 to 88 % at 5 and 8
texts with log-normal means, and 91 % at 20, in a simulation."""

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, its standard errors and what they rest on. Errors have the number's unit; NaN if unknown.

    Attributes
    ----------
    value : the number
    error : standard error with tokens (or questions) taken as independent
    error_by_text : standard error with only texts taken as independent: the one to trust. NaN for one text
    texts : number of texts, 0 if unknown or if texts are not the unit
    tokens : number of tokens (or questions), 0 if unknown
    low, high : ends of the 95 % interval if it is not value plus and minus t times the error: of shares, of
        exponentials, and of what whole texts were drawn again for
    """

    value: float
    error: float = _NAN
    error_by_text: float = _NAN
    texts: int = 0
    tokens: int = 0
    low: float = _NAN
    high: float = _NAN

    @property
    def by_text(self) -> bool:
        """Whether the error takes texts as the unit: from two texts on."""
        return bool(np.isfinite(self.error_by_text))

    @property
    def standard_error(self) -> float:
        """The error to state: over texts from two texts on, else over tokens."""
        return self.error_by_text if self.by_text else self.error

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Where the number lies with that confidence: `low` and `high` if known, else value ± t × `standard_error`.

        Student's t has one degree of freedom less than there are texts (or tokens, with one text); if their number
        is not known it is the normal quantile. NaN without an error.

        Examples
        --------
        >>> [round(end, 3) for end in Estimate(0.3, 0.01, 0.03, texts=8).interval()]
        [0.229, 0.371]
        """
        if confidence == CONFIDENCE and np.isfinite(self.low) and np.isfinite(self.high):
            return self.low, self.high
        reach = _student(confidence, self.texts if self.by_text else self.tokens) * self.standard_error
        return self.value - reach, self.value + reach

    @property
    def design_effect(self) -> float:
        """How many times the variance over texts is that over tokens; NaN if either is unknown or 0."""
        return (self.error_by_text / self.error) ** 2 if self.by_text and self.error > 0 else _NAN

    @property
    def effective_tokens(self) -> float:
        """Number of independent tokens that would tell as much; NaN if unknown."""
        return self.tokens / self.design_effect if self.tokens and self.design_effect > 0 else _NAN


def _student(confidence: float, units: int) -> float:
    """Quantile of t that leaves (1 - confidence) / 2 above, `units` values known; the normal one if none are."""
    from scipy import special

    upper = (1 + confidence) / 2
    return float(special.stdtrit(units - 1, upper) if units > 1 else special.ndtri(upper))


def few_texts_note(texts: int) -> str | None:
    """A sentence on how far errors can be trusted with so few texts; None if there are enough."""
    if texts >= SOUND_TEXTS:
        return None
    if texts < 2:
        return (
            "The corpus is one text: its errors take tokens as independent, which they are not, so they are too small. "
            f"Give {SOUND_TEXTS} texts or more."
        )
    return (
        f"Only {texts} texts: intervals, even with Student's t, are too short where texts differ much. "
        f"Below {SOUND_TEXTS} texts take them as a hint."
    )


def ratio(numerators: npt.ArrayLike, denominators: npt.ArrayLike, groups: Ints | None = None) -> Estimate:
    """Sum of `numerators` over sum of `denominators` (n,), with the error of a ratio over values and over groups.

    With sums S_g and m_g of each group and R the ratio, the error is sqrt(G / (G - 1) sum (S_g - R m_g)^2) / sum m_g.

    Parameters
    ----------
    numerators, denominators
        Any units; no NaN. A value without a denominator (a token that begins no new byte) may have 0.
    groups
        Group (text) of each value, any labels.

    Examples
    --------
    >>> bits, octets = [2.0, 2.0, 6.0], [4.0, 4.0, 12.0]
    >>> estimate = ratio(bits, octets, np.array([0, 0, 1]))
    >>> estimate.value, estimate.error_by_text, estimate.texts
    (0.5, 0.0, 2)
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    whole = float(below.sum())
    if not whole:
        return Estimate(_NAN)
    value = float(above.sum()) / whole
    residuals = above - value * below
    error, by_text, texts = _spread(residuals) / whole, _NAN, 0
    if groups is not None:
        _, index = np.unique(groups, return_inverse=True)
        sums: Floats = np.bincount(index, weights=residuals).astype(np.float64)
        by_text, texts = _spread(sums) / whole, sums.size
    return Estimate(value, error, by_text, texts, above.size)


def mean(values: npt.ArrayLike, groups: Ints | None = None) -> Estimate:
    """Mean of `values` (n,), its standard error, and its standard error with whole groups taken as the unit.

    Examples
    --------
    >>> estimate = mean([1.0, 2.0, 3.0, 4.0])
    >>> estimate.value, round(estimate.error, 4)
    (2.5, 0.6455)
    """
    values = np.asarray(values, dtype=np.float64)
    return ratio(values, np.ones_like(values), groups)


def _spread(residuals: Floats) -> float:
    """Standard error of a sum of independent values from their residuals (k,); NaN for fewer than two."""
    k = residuals.size
    return float(np.sqrt((residuals @ residuals) * k / (k - 1))) if k > 1 else _NAN


def share(flags: npt.ArrayLike, groups: Ints | None = None) -> Estimate:
    """Mean of `flags` (n,) in [0, 1]; of true and false the error is the binomial sqrt(p (1 - p) / (n - 1)).

    The interval is Wilson's for as many independent flags as would have this error, with Student's t for the normal
    quantile: it stays within 0 and 1, and flags that are all alike do not make it a point (then all n count).

    Examples
    --------
    >>> share([True, True, False, True]).value
    0.75
    >>> [round(end, 3) for end in share([True] * 100, np.arange(100) // 10).interval()]
    [0.951, 1.0]
    """
    found = mean(np.asarray(flags, dtype=np.float64), groups)
    if not np.isfinite(found.standard_error):
        return found
    varied = found.standard_error > 0
    units = found.value * (1 - found.value) / found.standard_error**2 if varied else found.tokens
    reach = _student(CONFIDENCE, found.texts if found.by_text else found.tokens)
    low, high = wilson_ends(found.value, units, reach)
    return replace(found, low=low, high=high)


def wilson_ends(value: float, units: float, reach: float) -> tuple[float, float]:
    """Shares that a share `value` of so many independent units is within `reach` standard errors of."""
    if not units:
        return _NAN, _NAN
    middle = value + reach**2 / (2 * units)
    half = reach * float(np.sqrt(value * (1 - value) / units + (reach / (2 * units)) ** 2))
    whole = 1 + reach**2 / units
    # At 0 and 1 the two terms are equal but for rounding.
    return (middle - half) / whole if value > 0 else 0.0, (middle + half) / whole if value < 1 else 1.0

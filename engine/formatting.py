"""Numbers as people read them: sizes, times, counts, shares, values with their error."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.evaluation.estimates import Estimate


def size(count: float) -> str:
    """`count` bytes, in megabytes or gigabytes of powers of ten.

    >>> size(541_619_073), size(1_230_000_000), size(25_400_000_000)
    ('542 MB', '1.2 GB', '25 GB')
    """
    if count < 1e9:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB" if count < 1e10 else f"{count / 1e9:.0f} GB"


def duration(seconds: float) -> str:
    """Seconds, rounded to what one waits by.

    >>> [duration(seconds) for seconds in (4.2, 200, 9000)]
    ['4 s', '3 min', '2 h 30 min']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def counted(count: int, noun: str) -> str:
    """A count with its noun, in the plural unless it is one.

    >>> counted(1, "text"), counted(12_000, "text")
    ('1 text', '12,000 texts')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def fixed(value: float, decimals: int = 2) -> str:
    """A number with so many decimals; 'none' if it is not finite.

    >>> fixed(12.3456), fixed(12.3456, 3), fixed(float("nan"))
    ('12.35', '12.346', 'none')
    """
    return f"{value:.{decimals}f}" if math.isfinite(value) else "none"


def share(value: float) -> str:
    """A share in percent, to a tenth below ten; 'none' if it is not finite.

    >>> share(0.416), share(0.0312), share(float("nan"))
    ('42 %', '3.1 %', 'none')
    """
    return f"{100 * value:.{1 if abs(value) < 0.1 else 0}f} %" if math.isfinite(value) else "none"


def number(value: float, *, percent: bool = False, digits: int = 4) -> str:
    """A number with so many significant digits, or in percent with two decimals; empty if it is not finite.

    >>> number(0.0123456), number(24.78336), number(31_415.9), number(-0.0312, percent=True), number(float("nan"))
    ('0.01235', '24.78', '31,416', '-3.12 %', '')
    """
    if not math.isfinite(value):
        return ""
    if percent:
        return f"{100 * value:.2f} %"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def interval(low: float, high: float, *, percent: bool = False) -> str:
    """Both ends of an interval; empty unless both are finite.

    >>> interval(0.22513, 0.36649), interval(-0.0312, 0.004, percent=True), interval(float("nan"), 1.0)
    ('0.225 to 0.366', '-3.1 to 0.4 %', '')
    """
    if not math.isfinite(low) or not math.isfinite(high):
        return ""
    if percent:
        return f"{100 * low:.1f} to {100 * high:.1f} %"
    return f"{number(low, digits=3)} to {number(high, digits=3)}"


def with_error(estimate: "Estimate", *, percent: bool = False) -> str:
    """A value with its standard error, to two digits of the error; 'none' if the value is not finite.

    >>> from engine.evaluation.estimates import Estimate
    >>> with_error(Estimate(0.29581, 0.01114, 0.0301)), with_error(Estimate(0.66532, 0.0212), percent=True)
    ('0.296 ± 0.030', '66.5 ± 2.1 %')
    >>> with_error(Estimate(3.0))
    '3'
    """
    scale, unit = (100.0, " %") if percent else (1.0, "")
    value, error = estimate.value * scale, estimate.standard_error * scale
    if not math.isfinite(value):
        return "none"
    if not math.isfinite(error) or error <= 0:
        return f"{value:.3g}{unit}"
    decimals = min(max(1 - math.floor(math.log10(error)), 0), 6)
    return f"{value:,.{decimals}f} ± {error:.{decimals}f}{unit}"

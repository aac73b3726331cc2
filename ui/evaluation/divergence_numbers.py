"""Every number of the divergence table: how it is written, and which tokens it opens to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine import formatting
from engine.arrays import Floats, Ints
from engine.evaluation.divergence.result import CorpusDivergence
from engine.evaluation.estimates import Estimate
from engine.evaluation.statistics import DivergenceStatistics, Percentile

MOST_TOKENS = 40
"""Tokens a number opens to."""
SURPRISING, LOST = "most surprising tokens", "tokens that the candidate lost most on"


@dataclass(frozen=True)
class Number:
    """One line of the table. `opens` gives token indices; `mark` says where it lies on the chart 'kl' or 'delta'.

    `by_text` is the error to trust and `interval` the 95 % one that goes with it; `by_token` takes tokens as
    independent, as llama.cpp does.
    """

    label: str
    value: str
    by_text: str
    interval: str
    by_token: str
    opens: Callable[[], Ints]
    about: str
    mark: tuple[str, float] | None = None


def lines(result: CorpusDivergence) -> list[Number]:
    """The whole table for a shared vocabulary; else the lines that are defined without one."""
    table, kl, delta = result.statistics, result.kl, result.delta_p
    if table is None or kl is None or result.same_top1 is None:
        return [*_perplexity_lines(result), _bits_lost(result)]
    return [
        *_perplexity_lines(result),
        *_ratio_lines(result, table),
        _mean("Mean KL", table.kl, kl, "kl"),
        *(_percentile("KL", result, kl, item) for item in table.kl_percentiles),
        _same_first_guess(table.same_top1, kl, result.same_top1),
        _mean("Mean Δp", table.delta_p, delta, "delta", percent=True),
        _line(
            "RMS Δp", table.delta_p_rms, lambda: largest(np.abs(delta)), "tokens of the largest change", percent=True
        ),
        *(_percentile("Δp", result, delta, item) for item in table.delta_p_percentiles),
        _bits_lost(result),
    ]


def _mean(label: str, estimate: Estimate, values: Floats, chart: str, *, percent: bool = False) -> Number:
    def opens() -> Ints:
        return near_value(values, estimate.value)

    return _line(label, estimate, opens, "tokens at the mean", (chart, estimate.value), percent=percent)


def _same_first_guess(estimate: Estimate, kl: Floats, same: Floats) -> Number:
    def opens() -> Ints:
        differ = np.flatnonzero(same < 1.0)
        return differ[np.argsort(-kl[differ], kind="stable")][:MOST_TOKENS]

    about = "tokens whose first guesses differ or are tied, largest KL first"
    return _line("Same first guess", estimate, opens, about, percent=True)


def _bits_lost(result: CorpusDivergence) -> Number:
    return _line("Bits per byte, difference", result.bits_per_byte_difference, _lost(result), LOST)


def _perplexity_lines(result: CorpusDivergence) -> list[Number]:
    def worst(values: Floats) -> Callable[[], Ints]:
        return lambda: largest(-values)

    of_base, of_candidate = worst(result.base), worst(result.candidate)
    return [
        _line("Perplexity, base", result.perplexity_base, of_base, "its most surprising tokens"),
        _line("Perplexity, candidate", result.perplexity_candidate, of_candidate, SURPRISING),
        _line("Bits per byte, base", result.bits_per_byte_base, of_base, SURPRISING),
        _line("Bits per byte, candidate", result.bits_per_byte_candidate, of_candidate, SURPRISING),
        *_correlation_lines(result),
    ]


def _lost(result: CorpusDivergence) -> Callable[[], Ints]:
    return lambda: largest(result.base - result.candidate)


def _correlation_lines(result: CorpusDivergence) -> list[Number]:
    """Of log-probabilities; with two tokenizers also per character, since length alone correlates common spans."""
    found = {"Correlation of log-probabilities": result.pearson}
    if not result.shared_vocabulary:
        found["Correlation per character"] = result.pearson_per_character

    def furthest() -> Ints:
        return largest(np.abs(result.candidate - result.base))

    return [
        Number(label, f"{value:.4f}", "", "", "", furthest, "tokens furthest from the line")
        for label, value in found.items()
    ]


def _ratio_lines(result: CorpusDivergence, table: DivergenceStatistics) -> list[Number]:
    numbers = table.perplexity
    named = {"Ratio candidate / base": numbers.ratio, "ln ratio": numbers.ln_ratio, "Difference": numbers.difference}
    return [_line(label, estimate, _lost(result), LOST) for label, estimate in named.items()]


def _line(
    label: str,
    estimate: Estimate,
    opens: Callable[[], Ints],
    about: str,
    mark: tuple[str, float] | None = None,
    *,
    percent: bool = False,
) -> Number:
    value = formatting.number(estimate.value, percent=percent)
    by_text = formatting.number(estimate.error_by_text, percent=percent, digits=2)
    by_token = formatting.number(estimate.error, percent=percent, digits=2)
    ends = formatting.interval(*estimate.interval(), percent=percent) if estimate.by_text else ""
    return Number(label, value, by_text, ends, by_token, opens, about, mark)


def _percentile(name: str, result: CorpusDivergence, values: Floats, item: Percentile) -> Number:
    named = {1.0: "Maximum", 0.5: "Median", 0.0: "Minimum"}
    label = f"{named.get(item.fraction, f'{item.fraction:.1%}')} {name}"
    percent = name == "Δp"
    shown, ends = (
        formatting.number(item.value, percent=percent),
        formatting.interval(item.low, item.high, percent=percent),
    )
    mark = ("kl" if name == "KL" else "delta", item.value)

    def opens() -> Ints:
        return result.near(values, item.fraction)

    return Number(label, shown, "", ends, "", opens, "tokens around this percentile", mark)


def rests_on(estimate: Estimate, *, percent: bool = False) -> str:
    """What a stated error rests on, as a sentence; empty without one.

    >>> rests_on(Estimate(0.3, 0.01, 0.03, texts=8))
    'Over 8 texts; 95 % interval 0.229 to 0.371.'
    """
    ends = formatting.interval(*estimate.interval(), percent=percent)
    if not ends:
        return ""
    if estimate.by_text:
        over = f"Over {estimate.texts:,} texts" if estimate.texts else "Over texts"
        return f"{over}; 95 % interval {ends}."
    return "The corpus is one text: ± takes its tokens as independent, which is too small."


def largest(values: Floats, count: int = MOST_TOKENS) -> Ints:
    """Indices of the largest `values` (n,), largest first."""
    return np.argsort(-values, kind="stable")[:count].astype(np.int64)


def near_value(values: Floats, value: float, count: int = 12) -> Ints:
    """Indices of the `values` (n,) nearest to `value`, nearest first."""
    return np.argsort(np.abs(values - value), kind="stable")[:count].astype(np.int64)

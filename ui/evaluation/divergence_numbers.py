"""Every number of the divergence table: how it is written, and which tokens it opens to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine import formatting
from engine.arrays import Floats, Ints
from engine.evaluation.divergence.result import CorpusDivergence
from engine.evaluation.statistics import DivergenceStatistics, Estimate, Percentile

MOST_TOKENS = 40
"""Tokens a number opens to."""
AT_MEAN, SURPRISING = "tokens at the mean", "most surprising tokens"
LARGEST_CHANGE = "tokens of the largest change"


@dataclass(frozen=True)
class Number:
    """One line of the table. `opens` gives token indices; `mark` says where it lies on the chart 'kl' or 'delta'.

    `by_text` is the error to trust and `interval` the 95 % one that goes with it; `by_token` takes tokens as
    independent, as llama.cpp does.
    """

    group: str
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
    if result.statistics is None or result.kl is None or result.same_top1 is None:
        return [*_perplexity_lines(result), _bits_lost(result)]
    table, kl, delta = result.statistics, result.kl, result.delta_p
    differ = np.flatnonzero(result.same_top1 < 1.0)
    return [
        *_perplexity_lines(result),
        *_ratio_lines(result, table),
        _line(
            "KL",
            "Mean KL",
            table.kl,
            lambda: near_value(kl, table.kl.value),
            AT_MEAN,
            ("kl", table.kl.value),
        ),
        *(_percentile("KL", "KL", result, kl, item) for item in table.kl_percentiles),
        _line(
            "First guess",
            "Same first guess",
            table.same_top1,
            lambda: differ[np.argsort(-kl[differ], kind="stable")][:MOST_TOKENS],
            "tokens where the first guesses differ or are tied, largest KL first",
            percent=True,
        ),
        _line(
            "Δp",
            "Mean Δp",
            table.delta_p,
            lambda: near_value(delta, table.delta_p.value),
            AT_MEAN,
            ("delta", table.delta_p.value),
            percent=True,
        ),
        _line(
            "Δp",
            "RMS Δp",
            table.delta_p_rms,
            lambda: largest(np.abs(delta)),
            "tokens of the largest change",
            percent=True,
        ),
        *(_percentile("Δp", "Δp", result, delta, item) for item in table.delta_p_percentiles),
        _bits_lost(result),
    ]


def _bits_lost(result: CorpusDivergence) -> Number:
    def opens() -> Ints:
        return largest(result.base - result.candidate)

    about = "tokens that the candidate lost most on"
    return _line("Perplexity", "Bits per byte, difference", result.bits_per_byte_difference, opens, about)


def _perplexity_lines(result: CorpusDivergence) -> list[Number]:
    def worst(values: Floats) -> Callable[[], Ints]:
        return lambda: largest(-values)

    return [
        _line(
            "Perplexity", "Perplexity, base", result.perplexity_base, worst(result.base), "its most surprising tokens"
        ),
        _line(
            "Perplexity",
            "Perplexity, candidate",
            result.perplexity_candidate,
            worst(result.candidate),
            SURPRISING,
        ),
        _line("Perplexity", "Bits per byte, base", result.bits_per_byte_base, worst(result.base), SURPRISING),
        _line(
            "Perplexity",
            "Bits per byte, candidate",
            result.bits_per_byte_candidate,
            worst(result.candidate),
            SURPRISING,
        ),
        *_correlation_lines(result),
    ]


def _correlation_lines(result: CorpusDivergence) -> list[Number]:
    """Of log-probabilities; with two tokenizers also per character, since length alone correlates common spans."""
    found = {"Correlation of log-probabilities": result.pearson}
    if not result.shared_vocabulary:
        found["Correlation per character"] = result.pearson_per_character

    def furthest() -> Ints:
        return largest(np.abs(result.candidate - result.base))

    return [
        Number("Perplexity", label, f"{value:.4f}", "", "", "", furthest, "tokens furthest from the line")
        for label, value in found.items()
    ]


def _ratio_lines(result: CorpusDivergence, table: DivergenceStatistics) -> list[Number]:
    def opens() -> Ints:
        return largest(result.base - result.candidate)

    about, numbers = "tokens that the candidate lost most on", table.perplexity
    return [
        _line("Perplexity", "Ratio candidate / base", numbers.ratio, opens, about),
        _line("Perplexity", "ln ratio", numbers.ln_ratio, opens, about),
        _line("Perplexity", "Difference", numbers.difference, opens, about),
    ]


def _line(
    group: str,
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
    return Number(group, label, value, by_text, ends, by_token, opens, about, mark)


def _percentile(group: str, name: str, result: CorpusDivergence, values: Floats, item: Percentile) -> Number:
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

    return Number(group, label, shown, "", ends, "", opens, "tokens around this percentile", mark)


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

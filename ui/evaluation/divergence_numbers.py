"""Every number of the divergence table: how it is written, and which tokens it opens to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine import formatting
from engine.arrays import Floats, Ints
from engine.evaluation.divergence.result import CorpusDivergence
from engine.evaluation.estimates import Estimate
from engine.evaluation.statistics import Percentile

MOST_TOKENS = 40
"""Tokens a number opens to."""
_AT_THE_MEAN = 12
SURPRISING, LOST = "most surprising tokens", "tokens that the candidate lost most on"
UNLIKE = "tokens whose first guesses differ or are tied, largest KL first"
CHANGED = "tokens of the largest change"


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
    table, kl, delta, same = result.statistics, result.kl, result.delta_p, result.same_top1

    def lost(label: str, estimate: Estimate) -> Number:
        return _line(label, estimate, lambda: largest(result.base - result.candidate), LOST)

    bits = lost("Bits per byte, difference", result.bits_per_byte_difference)
    if table is None or kl is None or same is None:
        return [*_of_either(result), bits]
    return [
        *_of_either(result),
        lost("Ratio candidate / base", table.perplexity.ratio),
        lost("ln ratio", table.perplexity.ln_ratio),
        lost("Difference", table.perplexity.difference),
        _mean("Mean KL", table.kl, kl, "kl"),
        *(_percentile("KL", result, kl, item) for item in table.kl_percentiles),
        _line("Same first guess", table.same_top1, lambda: _unlike(kl, same), UNLIKE, percent=True),
        _mean("Mean Δp", table.delta_p, delta, "delta", percent=True),
        _line("RMS Δp", table.delta_p_rms, lambda: largest(np.abs(delta)), CHANGED, percent=True),
        *(_percentile("Δp", result, delta, item) for item in table.delta_p_percentiles),
        bits,
    ]


def _mean(label: str, estimate: Estimate, values: Floats, chart: str, *, percent: bool = False) -> Number:
    def nearest() -> Ints:
        return largest(-np.abs(values - estimate.value))[:_AT_THE_MEAN]

    return _line(label, estimate, nearest, "tokens at the mean", (chart, estimate.value), percent=percent)


def _unlike(kl: Floats, same: Floats) -> Ints:
    differ = np.flatnonzero(same < 1.0)
    return differ[largest(kl[differ])]


def _of_either(result: CorpusDivergence) -> list[Number]:
    """Each model's own numbers, and their correlation.

    It is of log-probabilities; with two tokenizers also per character, since length alone correlates common spans.
    """

    def of_base() -> Ints:
        return largest(-result.base)

    def of_candidate() -> Ints:
        return largest(-result.candidate)

    def furthest() -> Ints:
        return largest(np.abs(result.candidate - result.base))

    correlations = {"Correlation of log-probabilities": result.pearson}
    if not result.shared_vocabulary:
        correlations["Correlation per character"] = result.pearson_per_character
    return [
        _line("Perplexity, base", result.perplexity_base, of_base, "its most surprising tokens"),
        _line("Perplexity, candidate", result.perplexity_candidate, of_candidate, SURPRISING),
        _line("Bits per byte, base", result.bits_per_byte_base, of_base, SURPRISING),
        _line("Bits per byte, candidate", result.bits_per_byte_candidate, of_candidate, SURPRISING),
        *(
            Number(label, f"{value:.4f}", "", "", "", furthest, "tokens furthest from the line")
            for label, value in correlations.items()
        ),
    ]


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
    shown = formatting.number(item.value, percent=percent)
    ends = formatting.interval(item.low, item.high, percent=percent)
    mark = ("delta" if percent else "kl", item.value)
    about = "tokens around this percentile"
    return Number(label, shown, "", ends, "", lambda: result.near(values, item.fraction), about, mark)


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


def largest(values: Floats) -> Ints:
    """Indices of the largest `values` (n,), largest first."""
    return np.argsort(-values, kind="stable")[:MOST_TOKENS].astype(np.int64)

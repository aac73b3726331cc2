"""Whether the trained model is what it was made to be: five numbers against their bounds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tools.distil.config import Goals

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal: what it asks, its bound, the measured value (None where it could not be), whether it is met."""

    about: str
    bound: str
    value: float | None
    detail: str
    met: bool

    @property
    def sentence(self) -> str:
        """For a person."""
        value = "not measured" if self.value is None else f"{self.value:.3f}{self.detail}"
        return f"{'met' if self.met else 'NOT met'}: {self.about} {value} ({self.bound})"


def verdicts(figures: Figures, goals: Goals) -> list[Verdict]:
    """Every goal, in order. A goal that could not be measured is not met."""
    held_out, wikitext = figures.get("held_out", {}), figures.get("wikitext", {})
    acc_norm = _value(lambda: figures["hellaswag"]["models"][1]["acc_norm"])
    return [
        _at_most(
            "held-out teacher text, perplexity over the teacher's",
            _value(lambda: held_out["perplexity_candidate"]["value"] / held_out["perplexity_base"]["value"]),
            goals.held_out_perplexity_ratio,
        ),
        _at_least(
            "held-out teacher text, correlation of log-probabilities with the teacher's",
            _value(lambda: held_out["pearson"]),
            goals.held_out_correlation,
        ),
        _at_most(
            "WikiText-2, bits per byte over the teacher's",
            _value(lambda: wikitext["bits_per_byte_candidate"]["value"] / wikitext["bits_per_byte_base"]["value"]),
            goals.wikitext_bits_per_byte_ratio,
        ),
        _at_least(
            "HellaSwag acc_norm",
            None if acc_norm is None else acc_norm["value"],
            goals.hellaswag_acc_norm,
            "" if acc_norm is None or acc_norm["error"] is None else f" ± {acc_norm['error']:.3f}",
            strictly=True,
        ),
        _at_least(
            "scoring on the processor, times faster than the teacher",
            _value(lambda: figures["speed"]["ratio"]),
            goals.scoring_speed_ratio,
        ),
    ]


def all_met(figures: Figures, goals: Goals) -> bool:
    """Whether every goal is."""
    return all(verdict.met for verdict in verdicts(figures, goals))


def _value(read: Callable[[], Any]) -> Any:
    """What `read` finds in the figures, or None where a part of them is absent or no number."""
    try:
        return read()
    except (KeyError, TypeError):
        return None


def _at_most(about: str, value: float | None, bound: float) -> Verdict:
    return Verdict(about, f"at most {bound:g}", value, "", value is not None and value <= bound)


def _at_least(about: str, value: float | None, bound: float, detail: str = "", *, strictly: bool = False) -> Verdict:
    met = value is not None and (value > bound if strictly else value >= bound)
    return Verdict(about, f"{'above' if strictly else 'at least'} {bound:g}", value, detail, met)

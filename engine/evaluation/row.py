"""One line of the table at a glance, and how numbers come out of the summary of a run that may be older."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from engine.evaluation.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of both models. None if nothing was measured; `better` is 'lower', 'higher' or ''."""

    measure: str
    unit: str
    better: str
    base: Estimate | None
    candidate: Estimate | None
    basis: str
    """What it was measured on, for a person."""
    units: str = "tokens"
    """What the errors take as independent if they are not by text."""
    cost: bool = False
    """Whether it is what a model costs; costs stand last in the table."""
    run_id: str | None = None
    kind: str = ""
    """The evaluation that measures it."""

    def error_over(self, estimate: Estimate | None) -> str:
        """What the stated error of `estimate` takes as independent; empty if it has none."""
        if estimate is None or not np.isfinite(estimate.standard_error):
            return ""
        return "texts" if estimate.by_text else self.units


def kept_estimate(value: Mapping[str, Any] | None) -> Estimate | None:
    """An estimate out of a summary; None if there is none. What other versions kept beside it is left out."""
    if value is None or value["value"] is None:
        return None
    known = [field.name for field in fields(Estimate) if field.name in value]
    read: dict[str, Any] = {name: np.nan if value[name] is None else value[name] for name in known}
    return Estimate(**read)

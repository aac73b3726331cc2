"""What the panels of all evaluations have in common: choices, then the run they ask for, then its result and files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine.evaluation import runner
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import Run
from engine.models.request import ModelRequest
from ui import engine_access, exports, layout, messages
from ui.evaluation import runs
from ui.exports import Export

How = Mapping[str, Any]
"""How texts are read and compared, as the evaluation's plan takes it."""


@dataclass(frozen=True)
class Panel:
    """One evaluation on the page.

    Attributes
    ----------
    kind : of evaluation
    empty : title and text of what is shown before there is a run
    choose : draws the choice of data for a base and a candidate, and returns how texts are read
    result : draws a finished run's result
    files : a result's files, under a stem of their names
    example : plans the run of two models on the example data, if there is any
    """

    kind: str
    empty: tuple[str, str]
    choose: Callable[[ModelRequest, ModelRequest], How]
    result: Callable[[Run, Any], None]
    files: Callable[[Run, Any, str], list[Export]]
    example: Callable[..., Plan] | None = None

    def show(self, a: ModelRequest, b: ModelRequest) -> None:
        """Draw the panel for base `a` and candidate `b`."""
        how = self.choose(a, b)
        run = runs.asked(self.kind, (a, b), how) or self._example_run(a, b, how)
        if run is None:
            layout.empty_state(*self.empty)
            return
        for note in run.notes:
            st.caption(messages.plain(note))
        if runs.at_work(run):
            return
        result = runs.result(run)
        self.result(run, result)
        stem = f"{run.kind}-{run.id}"
        summary = exports.of_json("Summary (JSON)", f"{stem}.json", lambda: runner.described(run))
        exports.menu(*self.files(run, result, stem), summary)

    def _example_run(self, a: ModelRequest, b: ModelRequest, how: How) -> Run | None:
        """The example under the choices made, if it is finished or at work. That of the first view is begun."""
        if self.example is None:
            return None
        plan = self.example(a, b, **how)
        run = runs.store().find(plan.id)
        if run is not None and (run.finished or runs.drivers().find(run.id) is not None):
            return run
        return runs.start(plan) if plan.id == self.example(*engine_access.PAIR).id else None

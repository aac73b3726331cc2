"""When a run counts as run away, in either direction of the divergence."""

import math
from dataclasses import replace

import pytest

from engine.models.loaded import LoadedModel
from engine.training import loop
from engine.training.config import BiasConfig
from engine.training.guard import PATIENCE, Guard
from engine.training.losses import REVERSE_MIX

V = 50_257
CEILING = math.log(V / REVERSE_MIX)  # 17.73: all probability on tokens that nobody wants
SMALL = BiasConfig(
    layers=2, width=64, batch_size=2, context_length=32, steps=12, measure_every=40, sample_every=1000, device="cpu"
)


def test_a_reverse_run_whose_loss_falls_goes_on_however_far_the_other_direction_rises() -> None:
    """D(P||Q) is content with a few of the wanted tokens, so D(Q||P) rises above any bound set for it."""
    run = loop.train_bias(replace(SMALL, direction="reverse", steps=40, learning_rate=2e-2)).run
    assert run.outcome == "finished", run.message
    assert run.kept_step == 40
    assert max(step.kl for step in run.steps) > 2 * run.steps[0].kl
    assert run.steps[-1].loss < 0.7 * run.steps[0].loss
    assert run.steps[-1].wanted_mass > 10 * run.steps[0].wanted_mass


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize(("optimiser", "rate"), [("adamw", 1.0), ("adamw", 100.0), ("sgd", 100.0)])
def test_a_huge_learning_rate_is_caught_in_both_directions(direction: str, optimiser: str, rate: float) -> None:
    config = replace(SMALL, direction=direction, optimiser=optimiser, learning_rate=rate)  # type: ignore[arg-type]
    run = loop.train_bias(config).run
    assert run.outcome == "diverged"
    assert run.kept_step == 0
    assert run.last_measured.step == 0


def test_a_run_that_only_its_last_update_ruins_is_caught() -> None:
    config = replace(SMALL, direction="reverse", optimiser="sgd", learning_rate=100.0, steps=1)
    run = loop.train_bias(config).run
    assert run.outcome == "diverged"


def test_one_batch_near_the_ceiling_is_no_end_and_several_are() -> None:
    guard = Guard("reverse", V)
    assert guard.holds(6.7, 6.7, 0.1)
    bad = CEILING - 0.001
    for _ in range(5):
        assert guard.holds(bad, bad, 0.0)
        assert guard.holds(3.5, 3.5, 0.1)
    assert [guard.holds(bad, bad, 0.0) for _ in range(PATIENCE)] == [True] * (PATIENCE - 1) + [False]


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_a_start_that_is_as_far_as_can_be_is_not_taken_for_lost(direction: str) -> None:
    """A sharp model that gives the wanted tokens nothing starts at the ceiling of D(P||Q)."""
    guard = Guard(direction, V)  # type: ignore[arg-type]
    assert all(guard.holds(CEILING - 0.3 + 0.29 * (step % 2), 20.0, 1.0 + step % 3) for step in range(50))
    assert not guard.is_in_doubt


@pytest.mark.parametrize("numbers", [(math.nan, 1.0, 1.0), (1.0, math.inf, 1.0), (1.0, 1.0, math.nan)])
def test_what_is_no_number_is_unsound(numbers: tuple[float, float, float]) -> None:
    guard = Guard("forward", V)
    assert guard.holds(4.0, 4.0, 1.0)
    assert not guard.holds(*numbers)


def test_a_leash_turned_up_on_the_way_is_not_taken_for_divergence(tiny_gpt2: LoadedModel) -> None:
    """The loss jumps by beta times what the leash had let pass; the run then goes back."""
    config = replace(SMALL, learning_rate=5e-3, steps=24)
    controls = loop.Controls.of(config)
    steps = loop.train_bias_steps(config, tiny_gpt2, controls)
    result = None
    while result is None:
        try:
            event = getattr(next(steps), "event", None)
        except StopIteration as stop:
            result = stop.value
        else:
            if getattr(event, "step", -1) == 18:
                controls.beta = 100.0
    assert result.run.outcome == "finished"
    losses = [step.loss for step in result.run.steps]
    assert max(losses) > 2 * losses[0] + 10

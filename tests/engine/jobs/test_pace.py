"""Rate and time left, by a clock that the test moves: every expected number is distance over time."""

from collections.abc import Iterator

import pytest

from engine.jobs.pace import LEAST_SECONDS, WINDOW_SECONDS, Meter, Status
from engine.steps import Progress, Stages, Steps


def measured(*steps: tuple[float, Progress]) -> Status:
    meter = Meter()
    for at, progress in steps:
        meter.note(progress, at)
    return meter.status


def items(done: int, total: int = 100, **more: object) -> Progress:
    return Progress("Answering", done, total, "items", **more)


def counting(total: int, unit: str) -> Steps[None]:
    for done in range(total):
        yield Progress(f"Counting {unit}", done, total, unit)


def test_nothing_is_said_before_there_is_something_to_tell_it_from() -> None:
    assert Meter().status == Status()
    soon = measured((0.0, items(0)), (LEAST_SECONDS / 2, items(50)))
    assert (soon.rate, soon.seconds_left) == (None, None)
    stuck = measured((0.0, items(10)), (60.0, items(10)))
    assert (stuck.rate, stuck.seconds_left) == (None, None)


def test_steady_work_has_its_rate_and_what_is_left_over_it() -> None:
    status = measured(*((float(second), items(4 * second)) for second in range(11)))
    assert status.rate == pytest.approx(4.0)
    assert status.seconds_left == pytest.approx((100 - 40) / 4)


def test_time_left_is_that_of_all_stages() -> None:
    """Two stages of 10 steps, the second with three times the work per step: 10 s and 30 s, 20 s of it done."""
    stages = Stages(10, 30)
    work = [*stages.next(counting(10, "words")), *stages.next(counting(10, "pages"))]
    times = [*map(float, range(10)), *(10.0 + 3 * step for step in range(10))]
    status = measured(*zip(times[:14], work, strict=False))
    assert times[13] == 19.0
    assert status.seconds_left == pytest.approx(40 - 19.0)
    assert status.rate == pytest.approx(1 / 3)  # of the present unit only
    assert status.progress == work[13]


def test_stages_in_one_unit_have_one_rate() -> None:
    stages = Stages(1, 1)
    work = [*stages.next(counting(10, "items")), *stages.next(counting(10, "items"))]
    status = measured(*((0.5 * number, step) for number, step in enumerate(work)))
    # 9 + 9 items counted in 19 steps of half a second: the step from 9 of 10 to 0 of 10 counts none
    assert status.rate == pytest.approx(18 / 9.5)
    assert status.seconds_left == pytest.approx(0.5)


def test_a_guess_at_the_stages_that_was_wrong_is_mended_by_the_last_half_minute() -> None:
    """Said to be equal, the second stage takes ten times as long: 10 s, then 100 s, of which 50 are over."""
    first = [(float(t), items(0, overall=0.05 * t)) for t in range(11)]
    second = [(10.0 + t, items(0, overall=0.5 + 0.005 * t)) for t in range(1, 51)]
    assert second[-1][0] - WINDOW_SECONDS > 10.0
    assert measured(*first, *second).seconds_left == pytest.approx(50.0)


def test_steps_longer_than_the_window_are_measured_too() -> None:
    status = measured((0.0, items(0)), (2 * WINDOW_SECONDS, items(10)), (4 * WINDOW_SECONDS, items(20)))
    assert status.rate == pytest.approx(10 / (2 * WINDOW_SECONDS))
    assert status.seconds_left == pytest.approx(8 * 2 * WINDOW_SECONDS)


def test_what_was_found_done_makes_nobody_faster() -> None:
    kept = Progress("Looking", kept=True)
    found = [(0.001 * n, step) for n in range(51) for step in (kept, items(n))]
    status = measured(*found, *((0.05 + 2.0 * n, items(50 + n)) for n in range(1, 6)))
    assert status.rate == pytest.approx(0.5)
    assert status.seconds_left == pytest.approx(45 / 0.5)


def test_work_that_tells_of_one_stage_only_is_measured_anew_with_each() -> None:
    first = [(float(second), Progress("A", second, 10, "a")) for second in range(11)]
    second = [(10.0 + 2 * n, Progress("B", n, 5, "b")) for n in range(3)]
    status = measured(*first, *second)
    assert status.rate == pytest.approx(0.5)
    assert status.seconds_left == pytest.approx(3 / 0.5)


def test_without_a_total_there_is_a_rate_and_no_end() -> None:
    status = measured(*((float(second), Progress("Reading", 7 * second, None, "tokens")) for second in range(4)))
    assert (status.rate, status.seconds_left) == (pytest.approx(7.0), None)


def test_the_clock_is_asked_if_no_time_is_given() -> None:
    now: Iterator[float] = iter([100.0, 104.0])
    meter = Meter(clock=lambda: next(now))
    meter.note(items(0))
    meter.note(items(8))
    assert meter.status.rate == pytest.approx(2.0)

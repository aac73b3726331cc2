"""The one-thread queue. Every wait is on an event: nothing here sleeps."""

import gc
import threading
from collections.abc import Callable

import numpy as np
import pytest

from engine.errors import Cancelled, TextError
from engine.jobs.worker import Ticket, Worker
from engine.steps import Progress, Steps

SECONDS = 20.0


class Gate:
    """Work that stops after its first step until it is let on, and says what became of it."""

    def __init__(self, result: object = "done") -> None:
        self.result = result
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.closed = threading.Event()
        self.starts = 0

    def steps(self) -> Steps[object]:
        self.starts += 1
        try:
            self.begun.set()
            yield Progress("first", 1, 2)
            assert self.go_on.wait(SECONDS)
            yield Progress("second", 2, 2)
            return self.result
        finally:
            self.closed.set()


def returning(value: object) -> Callable[[], Steps[object]]:
    def steps() -> Steps[object]:
        yield Progress("only")
        return value

    return steps


def running(worker: Worker, gate: Gate, key: str = "gate") -> Ticket[object]:
    ticket = worker.submit(key, gate.steps)
    assert gate.begun.wait(SECONDS)
    return ticket


def test_the_result_comes_with_the_last_progress() -> None:
    worker, gate = Worker(), Gate()
    ticket = running(worker, gate)
    gate.go_on.set()
    assert ticket.result(SECONDS) == "done"
    assert ticket.progress == Progress("second", 2, 2)


def test_jobs_run_one_at_a_time_in_the_order_asked() -> None:
    worker, gate = Worker(), Gate()
    order: list[int] = []
    blocking = running(worker, gate)

    def noting(number: int) -> Callable[[], Steps[None]]:
        def steps() -> Steps[None]:
            order.append(number)
            yield Progress("noted")

        return steps

    tickets = [worker.submit(number, noting(number)) for number in range(5)]
    assert order == []
    gate.go_on.set()
    for ticket in [blocking, *tickets]:
        ticket.result(SECONDS)
    assert order == [0, 1, 2, 3, 4]


def test_position_counts_those_ahead() -> None:
    worker, gate = Worker(), Gate()
    first = running(worker, gate)
    second, third = worker.submit("b", returning(1)), worker.submit("c", returning(2))
    assert (first.position, second.position, third.position) == (0, 1, 2)
    second.leave()
    assert third.position == 1
    gate.go_on.set()
    assert third.result(SECONDS) == 2
    assert third.position == 0


def test_the_same_key_shares_one_run() -> None:
    worker, gate = Worker(), Gate()
    first = running(worker, gate)
    second = worker.submit("gate", gate.steps)
    gate.go_on.set()
    assert first.result(SECONDS) is second.result(SECONDS)
    assert gate.starts == 1


def test_the_same_key_waits_once_in_the_queue() -> None:
    worker, gate = Worker(), Gate()
    blocking = running(worker, gate)
    first, second = worker.submit("b", returning(object())), worker.submit("b", returning(object()))
    assert (first.position, second.position) == (1, 1)
    gate.go_on.set()
    assert first.result(SECONDS) is second.result(SECONDS)
    assert blocking.done


def test_a_finished_result_is_kept() -> None:
    worker, gate = Worker(), Gate()
    gate.go_on.set()
    worker.submit("gate", gate.steps).result(SECONDS)
    again = worker.submit("gate", gate.steps)
    assert again.done
    assert again.result() == "done"
    assert gate.starts == 1


def test_the_result_asked_for_longest_ago_is_dropped_first() -> None:
    worker = Worker(keep=2)
    for key in "ab":
        worker.submit(key, returning(key)).result(SECONDS)
    worker.submit("a", returning("anew"))  # asked for again, so b is now the oldest
    worker.submit("c", returning("c")).result(SECONDS)
    assert worker.submit("a", returning("anew")).result(SECONDS) == "a"
    assert worker.submit("b", returning("anew")).result(SECONDS) == "anew"


def test_kept_results_stay_within_their_bytes() -> None:
    worker = Worker(keep_bytes=1000)
    for key in "ab":
        worker.submit(key, returning((np.zeros(75), [np.zeros(10)]))).result(SECONDS)  # 680 bytes each
    assert worker.submit("b", returning("anew")).result(SECONDS) != "anew"
    assert worker.submit("a", returning("anew")).result(SECONDS) == "anew"


def test_leaving_the_queue_means_the_work_never_begins() -> None:
    worker, gate, queued = Worker(), Gate(), Gate()
    blocking = running(worker, gate)
    ticket = worker.submit("queued", queued.steps)
    ticket.leave()
    with pytest.raises(Cancelled):
        ticket.result(SECONDS)
    gate.go_on.set()
    worker.submit("after", returning(None)).result(SECONDS)
    assert queued.starts == 0
    assert blocking.result(SECONDS) == "done"


def test_leaving_running_work_stops_it_at_its_next_step() -> None:
    worker, gate = Worker(), Gate()
    running(worker, gate).leave()
    gate.go_on.set()
    worker.submit("after", returning(None)).result(SECONDS)
    assert gate.closed.is_set()
    anew = Gate("anew")
    anew.go_on.set()
    assert worker.submit("gate", anew.steps).result(SECONDS) == "anew"


def test_work_goes_on_while_one_still_waits() -> None:
    worker, gate = Worker(), Gate()
    first = running(worker, gate)
    second = worker.submit("gate", gate.steps)
    first.leave()
    gate.go_on.set()
    assert second.result(SECONDS) == "done"


def test_work_that_was_left_can_be_joined_before_it_notices() -> None:
    worker, gate = Worker(), Gate()
    running(worker, gate).leave()
    again = worker.submit("gate", gate.steps)
    gate.go_on.set()
    assert again.result(SECONDS) == "done"
    assert gate.starts == 1


def test_a_dropped_ticket_has_left() -> None:
    worker, gate = Worker(), Gate()
    ticket = running(worker, gate)
    del ticket
    gc.collect()
    gate.go_on.set()
    assert gate.closed.wait(SECONDS)
    worker.submit("after", returning(None)).result(SECONDS)
    assert worker.submit("gate", returning("anew")).result(SECONDS) == "anew"


def test_an_error_goes_to_all_who_wait_and_is_not_kept() -> None:
    worker = Worker()
    gate = threading.Event()

    def failing() -> Steps[None]:
        yield Progress("about to fail")
        assert gate.wait(SECONDS)
        raise TextError("too short")

    tickets = [worker.submit("same", failing) for _ in range(3)]
    gate.set()
    for ticket in tickets:
        with pytest.raises(TextError, match="too short"):
            ticket.result(SECONDS)
    assert worker.submit("same", returning("fine")).result(SECONDS) == "fine"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError])
def test_the_thread_outlives_whatever_a_job_raises(error: type[BaseException]) -> None:
    worker = Worker()

    def failing() -> Steps[None]:
        yield Progress("about to fail")
        raise error

    with pytest.raises(error):
        worker.submit("a", failing).result(SECONDS)
    assert worker.submit("b", returning("alive")).result(SECONDS) == "alive"


def test_the_thread_outlives_work_that_cannot_begin_or_end() -> None:
    worker, gate = Worker(), Gate()

    def cannot_begin() -> Steps[None]:
        raise ValueError("cannot begin")

    def cannot_be_closed() -> Steps[None]:
        try:
            gate.begun.set()
            yield Progress("first")
            gate.go_on.wait(SECONDS)
            yield Progress("second")
        finally:
            raise ValueError("cannot be closed")

    with pytest.raises(ValueError, match="begin"):
        worker.submit("a", cannot_begin).result(SECONDS)
    ticket = worker.submit("b", cannot_be_closed)
    assert gate.begun.wait(SECONDS)
    ticket.leave()
    gate.go_on.set()
    assert worker.submit("c", returning("alive")).result(SECONDS) == "alive"


def test_waiting_gives_up_in_time() -> None:
    worker, gate = Worker(), Gate()
    ticket = running(worker, gate)
    assert not ticket.wait(0.01)
    with pytest.raises(TimeoutError):
        ticket.result(0.01)
    gate.go_on.set()
    assert ticket.wait(SECONDS)


def test_many_threads_asking_at_once_all_get_their_answer() -> None:
    worker = Worker(keep=4)
    answers: dict[tuple[int, int], object] = {}

    def ask(thread: int) -> None:
        for number in range(20):
            answers[thread, number] = worker.submit(number % 7, returning(number % 7)).result(SECONDS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(answers) == 160
    assert all(answer == number % 7 for (_, number), answer in answers.items())

"""The one-thread queue. Every wait is on an event: nothing here sleeps."""

import gc
import threading
from collections.abc import Callable, Collection

import numpy as np
import pytest

from engine.errors import Cancelled, TextError
from engine.jobs.queue import Queue, Ticket
from engine.jobs.results import Results
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


def running(queue: Queue, gate: Gate, owners: Collection[str] = ()) -> Ticket[object]:
    ticket = queue.submit("gate", gate.steps, owners=owners)
    assert gate.begun.wait(SECONDS)
    return ticket


def test_the_result_comes_with_the_last_progress() -> None:
    queue, gate = Queue(Results()), Gate()
    ticket = running(queue, gate)
    gate.go_on.set()
    assert ticket.result(SECONDS) == "done"
    assert ticket.status.progress == Progress("second", 2, 2)


def test_jobs_run_one_at_a_time_in_the_order_asked() -> None:
    queue, gate = Queue(Results()), Gate()
    order: list[int] = []
    blocking = running(queue, gate)

    def noting(number: int) -> Callable[[], Steps[None]]:
        def steps() -> Steps[None]:
            order.append(number)
            yield Progress("noted")

        return steps

    tickets = [queue.submit(number, noting(number)) for number in range(5)]
    assert order == []
    gate.go_on.set()
    for ticket in [blocking, *tickets]:
        ticket.result(SECONDS)
    assert order == [0, 1, 2, 3, 4]


def place(ticket: Ticket[object]) -> tuple[int, str | None]:
    return ticket.status.ahead, ticket.status.behind


def test_position_counts_those_of_others_ahead() -> None:
    queue, gate = Queue(), Gate()
    first = running(queue, gate, ["anna"])
    second, third = (queue.submit(name, returning(name), owners=[name]) for name in ("ben", "cleo"))
    assert [place(ticket)[0] for ticket in (first, second, third)] == [0, 1, 2]
    second.leave()
    assert place(third)[0] == 1
    gate.go_on.set()
    assert third.result(SECONDS) == "cleo"
    assert place(third) == (0, None)


@pytest.mark.parametrize("before", [["anna"], [], ["ben", "anna"]])
def test_nobody_is_ahead_of_a_person_but_their_own_or_the_programs_work(before: list[str]) -> None:
    queue, gate = Queue(), Gate()
    blocking = running(queue, gate, before)
    while blocking.status.progress is None:
        gate.begun.wait(0.001)
    queued = queue.submit("queued", returning(None), owners=before)
    mine = queue.submit("mine", returning(None), owners=["anna"])
    assert place(mine) == (0, "first")  # what is being done is said instead
    assert place(queue.submit("others", returning(None), owners=["cleo"]))[0] == (3 if before else 1)
    gate.go_on.set()
    queued.result(SECONDS)


def test_work_that_everybody_left_is_nobodys() -> None:
    queue, gate = Queue(), Gate()
    running(queue, gate, ["anna"]).leave()
    assert place(queue.submit("next", returning(None), owners=["ben"]))[0] == 0
    gate.go_on.set()


def test_who_joins_the_work_of_others_owns_it_too() -> None:
    queue, gate = Queue(), Gate()
    tickets = [running(queue, gate, ["anna"]), queue.submit("gate", gate.steps, owners=["ben"])]
    after = {name: queue.submit(name, returning(None), owners=[name]) for name in ("ben", "anna", "cleo")}
    assert {name: place(ticket)[0] for name, ticket in after.items()} == {"ben": 0, "anna": 1, "cleo": 3}
    gate.go_on.set()
    assert [ticket.result(SECONDS) for ticket in tickets] == ["done", "done"]


def test_left_work_is_stopping_until_its_step_is_over() -> None:
    queue, gate = Queue(), Gate()
    ticket = running(queue, gate)
    ticket.leave()
    assert ticket.done
    assert ticket.status.stopping
    assert not ticket.ended
    gate.go_on.set()
    ticket.end()
    assert ticket.ended
    assert gate.closed.is_set()


def test_work_left_before_it_began_is_over_at_once() -> None:
    queue, gate = Queue(), Gate()
    running(queue, gate)
    queued = queue.submit("queued", returning(None))
    queued.leave()
    assert queued.ended
    gate.go_on.set()


def test_what_is_not_to_be_kept_is_done_anew_but_shared_meanwhile() -> None:
    queue, gate = Queue(Results()), Gate()
    first, second = (queue.submit("gate", gate.steps, keep=False) for _ in range(2))
    gate.go_on.set()
    assert first.result(SECONDS) is second.result(SECONDS)
    assert queue.submit("gate", returning("anew"), keep=False).result(SECONDS) == "anew"


def test_a_result_of_none_is_kept_too() -> None:
    queue = Queue(Results())
    queue.submit("nothing", returning(None)).result(SECONDS)
    assert queue.submit("nothing", returning("anew")).result(SECONDS) is None


def test_the_same_key_shares_one_run() -> None:
    queue, gate = Queue(Results()), Gate()
    first = running(queue, gate)
    second = queue.submit("gate", gate.steps)
    gate.go_on.set()
    assert first.result(SECONDS) is second.result(SECONDS)
    assert gate.starts == 1


def test_the_same_key_waits_once_in_the_queue() -> None:
    queue, gate = Queue(Results()), Gate()
    blocking = running(queue, gate, ["anna"])
    first, second = (queue.submit("b", returning(object()), owners=[name]) for name in ("ben", "cleo"))
    assert (first.status.ahead, second.status.ahead) == (1, 1)
    gate.go_on.set()
    assert first.result(SECONDS) is second.result(SECONDS)
    assert blocking.done


def test_a_finished_result_is_kept() -> None:
    queue, gate = Queue(Results()), Gate()
    gate.go_on.set()
    queue.submit("gate", gate.steps).result(SECONDS)
    again = queue.submit("gate", gate.steps)
    assert again.done
    assert again.result() == "done"
    assert gate.starts == 1


def test_the_result_asked_for_longest_ago_is_dropped_first() -> None:
    queue = Queue(Results(most=2))
    for key in "ab":
        queue.submit(key, returning(key)).result(SECONDS)
    queue.submit("a", returning("anew"))  # asked for again, so b is now the oldest
    queue.submit("c", returning("c")).result(SECONDS)
    assert queue.submit("a", returning("anew")).result(SECONDS) == "a"
    assert queue.submit("b", returning("anew")).result(SECONDS) == "anew"


def test_kept_results_stay_within_their_bytes() -> None:
    queue = Queue(Results(most_bytes=1000))
    for key in "ab":
        queue.submit(key, returning((np.zeros(75), [np.zeros(10)]))).result(SECONDS)  # 680 bytes each
    assert queue.submit("b", returning("anew")).result(SECONDS) != "anew"
    assert queue.submit("a", returning("anew")).result(SECONDS) == "anew"


def test_leaving_the_queue_means_the_work_never_begins() -> None:
    queue, gate, queued = Queue(Results()), Gate(), Gate()
    blocking = running(queue, gate)
    ticket = queue.submit("queued", queued.steps)
    ticket.leave()
    with pytest.raises(Cancelled):
        ticket.result(SECONDS)
    gate.go_on.set()
    queue.submit("after", returning(None)).result(SECONDS)
    assert queued.starts == 0
    assert blocking.result(SECONDS) == "done"


def test_leaving_running_work_stops_it_at_its_next_step() -> None:
    queue, gate = Queue(Results()), Gate()
    running(queue, gate).leave()
    gate.go_on.set()
    queue.submit("after", returning(None)).result(SECONDS)
    assert gate.closed.is_set()
    anew = Gate("anew")
    anew.go_on.set()
    assert queue.submit("gate", anew.steps).result(SECONDS) == "anew"


def test_work_goes_on_while_one_still_waits() -> None:
    queue, gate = Queue(Results()), Gate()
    first = running(queue, gate)
    second = queue.submit("gate", gate.steps)
    first.leave()
    gate.go_on.set()
    assert second.result(SECONDS) == "done"


def test_work_that_was_left_can_be_joined_before_it_notices() -> None:
    queue, gate = Queue(Results()), Gate()
    running(queue, gate).leave()
    again = queue.submit("gate", gate.steps)
    gate.go_on.set()
    assert again.result(SECONDS) == "done"
    assert gate.starts == 1


def test_a_dropped_ticket_has_left() -> None:
    queue, gate = Queue(Results()), Gate()
    ticket = running(queue, gate)
    del ticket
    gc.collect()
    gate.go_on.set()
    assert gate.closed.wait(SECONDS)
    queue.submit("after", returning(None)).result(SECONDS)
    assert queue.submit("gate", returning("anew")).result(SECONDS) == "anew"


def test_an_error_goes_to_all_who_wait_and_is_not_kept() -> None:
    queue = Queue(Results())
    gate = threading.Event()

    def failing() -> Steps[None]:
        yield Progress("about to fail")
        assert gate.wait(SECONDS)
        raise TextError("too short")

    tickets = [queue.submit("same", failing) for _ in range(3)]
    gate.set()
    for ticket in tickets:
        with pytest.raises(TextError, match="too short"):
            ticket.result(SECONDS)
    assert queue.submit("same", returning("fine")).result(SECONDS) == "fine"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError])
def test_the_thread_outlives_whatever_a_job_raises(error: type[BaseException]) -> None:
    queue = Queue(Results())

    def failing() -> Steps[None]:
        yield Progress("about to fail")
        raise error

    with pytest.raises(error):
        queue.submit("a", failing).result(SECONDS)
    assert queue.submit("b", returning("alive")).result(SECONDS) == "alive"


def test_the_thread_outlives_work_that_cannot_begin_or_end() -> None:
    queue, gate = Queue(Results()), Gate()

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
        queue.submit("a", cannot_begin).result(SECONDS)
    ticket = queue.submit("b", cannot_be_closed)
    assert gate.begun.wait(SECONDS)
    ticket.leave()
    gate.go_on.set()
    assert queue.submit("c", returning("alive")).result(SECONDS) == "alive"


def test_waiting_gives_up_in_time() -> None:
    queue, gate = Queue(Results()), Gate()
    ticket = running(queue, gate)
    assert not ticket.wait(0.01)
    with pytest.raises(TimeoutError):
        ticket.result(0.01)
    gate.go_on.set()
    assert ticket.wait(SECONDS)


def test_many_threads_asking_at_once_all_get_their_answer() -> None:
    queue = Queue(Results(most=4))
    answers: dict[tuple[int, int], object] = {}

    def ask(thread: int) -> None:
        for number in range(20):
            answers[thread, number] = queue.submit(number % 7, returning(number % 7)).result(SECONDS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(answers) == 160
    assert all(answer == number % 7 for (_, number), answer in answers.items())

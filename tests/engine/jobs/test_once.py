"""One of a kind per process, whoever asks and however often."""

import threading
from collections.abc import Iterator

import pytest

from engine.jobs import once


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    once.forget_all()
    yield
    once.forget_all()


def test_threads_that_ask_at_once_get_one_thing_made_once() -> None:
    made: list[object] = []
    at_once = threading.Barrier(8)

    @once.per_process
    def thing() -> object:
        made.append(object())
        return made[-1]

    found: list[object] = []

    def ask() -> None:
        at_once.wait(20)
        found.append(thing())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(made) == 1
    assert found == made * 8


def test_one_thing_may_be_made_of_another() -> None:
    inner = once.per_process(lambda: ["inner"])
    outer = once.per_process(lambda: [inner()])
    assert outer()[0] is inner()


def test_what_could_not_be_made_is_tried_again() -> None:
    answers = iter([False, True])

    @once.per_process
    def fails_first() -> str:
        if not next(answers):
            raise OSError("the disk is full")
        return "made"

    with pytest.raises(OSError, match="full"):
        fails_first()
    assert fails_first() == "made"


def test_a_new_process_makes_everything_anew() -> None:
    thing = once.per_process(object)
    first = thing()
    once.forget_all()
    assert thing() is not first

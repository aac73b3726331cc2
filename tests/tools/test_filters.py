"""What is kept, by properties that hold for any text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.distil import filters
from tools.distil.filters import Ids, Sieve


def text(seed: int, length: int = 200) -> Ids:
    return np.random.default_rng(seed).integers(0, 50_000, size=length).astype(np.uint16)


@given(st.lists(st.integers(0, 65_535), min_size=1, max_size=60))
def test_the_repeated_share_counts_sequences_of_four(ids: list[int]) -> None:
    fours = [tuple(ids[i : i + 4]) for i in range(max(1, len(ids) - 3))]
    expected = 1 - len(set(fours)) / len(fours)
    assert filters.repeated_share(np.array(ids, dtype=np.uint16)) == pytest.approx(expected)


def test_texts_are_dropped_for_the_right_reason() -> None:
    sieve = Sieve(least_tokens=20, most_repeated=0.3)
    assert sieve.fault(text(0, 19)) == "short"
    assert sieve.fault(np.tile(text(1, 10), 10)) == "repetitive"
    assert sieve.fault(text(2)) is None
    assert sieve.fault(text(2)) == "duplicate"


def test_a_text_with_one_token_changed_is_a_duplicate_and_another_text_is_not() -> None:
    sieve = Sieve(20, 0.3)
    assert sieve.fault(text(0)) is None
    changed = text(0)
    changed[100] += 1
    assert sieve.fault(changed) == "duplicate"
    assert sum(sieve.fault(text(seed)) is None for seed in range(1, 100)) == 99


def test_a_sieve_that_remembers_decides_as_one_that_saw_for_itself() -> None:
    first, second = Sieve(20, 0.3), Sieve(20, 0.3)
    first.fault(text(0))
    second.remember(text(0))
    assert first.seen == second.seen


def test_held_out_is_the_share_that_was_asked_for_and_a_matter_of_the_text_alone() -> None:
    chosen = [filters.is_held_out(text(seed, 40), 0.2) for seed in range(2000)]
    assert abs(np.mean(chosen) - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 2000)
    assert chosen == [filters.is_held_out(text(seed, 40), 0.2) for seed in range(2000)]
    held = [seed for seed in range(2000) if chosen[seed]]
    assert all(filters.is_held_out(text(seed, 40), 0.3) for seed in held), "a larger share holds the smaller one"

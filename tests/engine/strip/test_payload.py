"""The strip's data: exact and small."""

import dataclasses
import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from engine.scoring.results import TextScores
from engine.strip import payload
from tests import readings

TEXTS = [name for name in readings.TEXTS if name != "huge"]


def cell_texts(data: dict[str, Any]) -> list[str]:
    return [data["strings"][at] for at in data["cell_text"]]


@pytest.mark.parametrize("name", TEXTS)
def test_cells_and_words_cover_the_text_exactly(name: str) -> None:
    data = payload.payload(readings.reading(readings.TEXTS[name]))
    assert "".join(cell_texts(data)) == readings.TEXTS[name]
    assert data["cell"][0] == data["word"][0] == 0
    assert set(data["word"]) <= set(data["cell"]) < set(range(len(data["token"]) + 1))
    assert all(left < right for left, right in pairwise(data["word"]))


def test_tokens_of_one_character_make_one_cell() -> None:
    data = payload.payload(readings.reading("hi 😀!"))
    assert cell_texts(data) == ["hi", " ", "😀", "!"]
    assert data["cell"] == [0, 1, 2, 4]
    assert [data["strings"][at] for at in data["token"]][2:4] == ["⟨F0 9F⟩", "⟨98 80⟩"]


def test_payload_is_plain_json_with_null_where_nothing_was_predicted() -> None:
    data = payload.payload(readings.reading(readings.ENGLISH))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    for column in data["columns"].values():
        assert column[0] is None
        assert None not in column[1:]
    assert data["top"]["log_prob"][: readings.K] == [None] * readings.K


def test_numbers_keep_four_significant_digits() -> None:
    values = np.concatenate([-np.logspace(-5, 2, 500), [0.0]])
    rounded = np.array(payload._rounded(values))
    # Below 0.001 six decimals are all there is: as probabilities these are 1 to a millionth.
    assert np.allclose(rounded, values, rtol=5e-4, atol=5e-7)
    assert max(len(str(value)) for value in rounded.tolist()) <= 9


def test_each_string_is_sent_once_and_a_token_costs_little() -> None:
    scores = readings.reading(readings.TEXTS["long"])
    data = payload.payload(scores)
    assert len(set(data["strings"])) == len(data["strings"])
    n_bytes = len(json.dumps(data, separators=(",", ":")))
    assert n_bytes / len(scores) < 25 + 16 * readings.K + 10
    without = len(json.dumps(payload.payload(scores, top_k=0), separators=(",", ":")))
    assert without / len(scores) < 50


def test_top_k_limits_the_alternatives() -> None:
    scores = readings.reading(readings.ENGLISH)
    data = payload.payload(scores, top_k=2)
    assert data["top"]["k"] == 2
    assert data["top"]["log_prob"][2:4] == pytest.approx(scores.top_log_probs[1, :2], rel=5e-4)
    assert len(data["top"]["token"]) == 2 * len(scores)


def test_signature_follows_the_cells_and_nothing_else() -> None:
    def signature(text: str, shift: int = 0) -> str:
        return payload.payload(readings.reading(text, shift=shift))["signature"]

    assert signature("a b") == signature("a b", shift=3)
    assert signature("a b") != signature("a c")


@pytest.mark.parametrize("end", [" b", ""])
def test_signature_tells_apart_cells_of_other_tokens(end: str) -> None:
    cut = readings.reading(f"a 😀{end}")
    together = np.delete(np.arange(len(cut)), 3)  # the second half of the emoji, as if the vocabulary had it whole
    fields = ("token_ids", "spans", "log_probs", "ranks", "entropies", "top_ids", "top_log_probs", "ties")
    whole = replace(
        cut,
        tokens=tuple(cut.tokens[i] for i in together),
        top_tokens=tuple(cut.top_tokens[i] for i in together),
        **{name: getattr(cut, name)[together] for name in fields},
    )
    one, other = payload.payload(cut), payload.payload(whole)
    assert cell_texts(one) == cell_texts(other)
    assert one["signature"] != other["signature"]


def tied(scores: TextScores, ties: dict[int, int]) -> TextScores:
    """The reading with `ties[i]` tokens of the same rank as token i."""
    found = np.zeros(len(scores), dtype=np.int64)
    found[list(ties)] = list(ties.values())
    return replace(scores, ties=found)


def test_ties_are_sent_only_where_there_are_any() -> None:
    scores = readings.reading(readings.ENGLISH)
    assert payload.payload(scores)["ties"] == {}
    assert payload.payload(tied(scores, {3: 2, 7: 1}))["ties"] == {"3": 2, "7": 1}
    both = readings.comparison(readings.ENGLISH)
    data = payload.comparison_payload(replace(both, b=tied(both.b, {4: 5})))
    assert (data["ties_a"], data["ties_b"]) == ({}, {"4": 5})
    assert json.loads(json.dumps(data)) == data


def test_what_stands_in_front_of_the_text_is_shown_and_no_part_of_it() -> None:
    opened, plain = (readings.reading(readings.ENGLISH, first_predicted=first) for first in (True, False))
    data = payload.payload(opened)
    assert data["opening"] == ["<s>"]
    assert "".join(cell_texts(data)) == readings.ENGLISH
    assert data["signature"] == payload.payload(plain)["signature"]
    assert payload.payload(plain)["opening"] == []


def test_the_strip_of_a_difference_shows_an_opening_that_both_models_have() -> None:
    both = readings.comparison(readings.ENGLISH)
    opened = replace(both.a, opening_ids=(0,), opening_tokens=("<s>",))
    one, two = replace(both, a=opened), replace(both, a=opened, b=replace(opened, model_title="Large model"))
    assert payload.comparison_payload(one)["opening"] == []
    assert payload.comparison_payload(one, "a")["opening"] == ["<s>"]
    assert payload.comparison_payload(two)["opening"] == ["<s>"]


def test_comparison_carries_both_models_and_the_divergences() -> None:
    both = readings.comparison(readings.ENGLISH)
    data = payload.comparison_payload(both)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    columns = data["columns"]
    difference = np.array(columns["log_prob_b"][1:]) - np.array(columns["log_prob_a"][1:])
    assert difference == pytest.approx(both.differences[1:], abs=0.02)
    assert {"rank_a", "rank_b", "entropy_a", "entropy_b", "kl_ab", "kl_ba", "js"} <= set(columns)
    assert data["changed"]["log_prob_a"][3:6] == pytest.approx(both.changed_log_probs_a[1], rel=5e-4)


def test_comparison_without_shared_vocabulary_has_no_divergence() -> None:
    data = payload.comparison_payload(readings.comparison(readings.ENGLISH, shared=False))
    assert set(data["columns"]) == {"log_prob_a", "log_prob_b", "pieces_a", "pieces_b"}
    assert data["changed"] is None
    assert "".join(cell_texts(data)) == readings.ENGLISH


def test_both_sides_of_a_comparison_share_one_scale() -> None:
    both = readings.comparison(readings.ENGLISH)
    a, b = (payload.comparison_payload(both, side) for side in ("a", "b"))
    assert a["domain"] == b["domain"]
    every = np.concatenate([both.a.log_probs[1:], both.b.log_probs[1:]])
    assert a["domain"]["logprob"] == [every.min(), every.max()]
    entropies_bits = np.concatenate([both.a.entropies[1:], both.b.entropies[1:]]) / np.log(2)
    assert a["domain"]["entropy"] == pytest.approx([entropies_bits.min(), entropies_bits.max()])
    assert a["title"] == "Small model"
    assert b["title"] == "Large model"


def test_an_infinite_divergence_still_makes_json() -> None:
    both = readings.comparison(readings.ENGLISH)
    kl = both.kl_ab.copy()
    kl[3] = np.inf  # model b rules out a token that model a allows
    data = payload.comparison_payload(dataclasses.replace(both, kl_ab=kl))
    assert data["columns"]["kl_ab"][3] is None
    json.dumps(data, allow_nan=False)

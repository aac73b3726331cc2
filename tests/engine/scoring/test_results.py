import csv
import dataclasses
import io
import json
import math

import numpy as np
import pytest

from engine.scoring import compare, score
from tests import readings
from tests.engine import fakes


def test_arrays_of_the_wrong_shape_are_refused() -> None:
    scores = readings.reading("one two three")
    with pytest.raises(ValueError, match=r"entropies has shape \(2,\), expected \(3,\)"):
        dataclasses.replace(scores, entropies=np.zeros(2))
    with pytest.raises(ValueError, match="2 tokens"):
        dataclasses.replace(scores, tokens=("a", "b"))


def test_arrays_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        readings.reading("one two").log_probs[0] = 0.0


def test_a_comparison_has_either_kl_or_the_reason_why_not() -> None:
    with pytest.raises(ValueError, match="either KL or the reason"):
        dataclasses.replace(readings.comparison("one two"), kl_ab=None)


def test_perplexity_of_a_uniform_model_is_the_vocabulary_size() -> None:
    scores = score.score_text(fakes.uniform_model(), "any text at all")
    assert scores.perplexity == pytest.approx(257, rel=1e-6)
    assert scores.mean_log_prob == pytest.approx(-math.log(257), rel=1e-6)


@pytest.mark.parametrize("prepend_bos", [False, True])
def test_bits_per_byte_of_a_byte_model_are_its_bits_per_token(prepend_bos: bool) -> None:
    scores = score.score_text(fakes.uniform_model(), "a½🙂", prepend_bos=prepend_bos)
    assert scores.bits_per_byte == pytest.approx(math.log2(257), rel=1e-6)


def test_bits_per_byte_leaves_out_an_unpredicted_first_character() -> None:
    tokenizer = fakes.byte_tokenizer((("Â", "½"),))
    scores = score.score_text(fakes.uniform_model(258, tokenizer=tokenizer), "½ab")
    assert scores.bits_per_byte == pytest.approx(2 * math.log2(258) / 2, rel=1e-6)


def test_bits_per_byte_counts_a_character_that_a_predicted_token_shares() -> None:
    scores = score.score_text(fakes.uniform_model(), "½")
    assert scores.bits_per_byte == pytest.approx(math.log2(257) / 2, rel=1e-6)


def test_one_token_alone_has_no_perplexity() -> None:
    scores = score.score_text(fakes.uniform_model(), "a")
    assert math.isnan(scores.perplexity)
    assert math.isnan(scores.bits_per_byte)


def test_groups_hold_the_tokens_of_one_character_together() -> None:
    scores = score.score_text(fakes.uniform_model(), "a½🙂b")
    assert scores.groups == [(0, 1), (1, 3), (3, 7), (7, 8)]


def test_top1_ratio_is_one_where_the_token_is_the_top_one() -> None:
    scores = score.score_text(fakes.random_model(0), "The ratio lies between nought and one.")
    ratio = scores.top1_ratio[1:]
    assert ((ratio > 0) & (ratio <= 1)).all()
    assert ((ratio == 1) == (scores.ranks[1:] == 1)).all()


def test_json_has_null_where_nothing_was_predicted_and_survives_a_round_trip() -> None:
    scores = score.score_text(fakes.random_model(0), "½ \ud7ff", top_k=2)
    read = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert read["log_probs"][0] is None
    assert read["log_probs"][1:] == scores.log_probs[1:].tolist()
    assert read["token_ids"] == scores.token_ids.tolist()
    assert read["perplexity"] == scores.perplexity


def test_csv_keeps_tokens_as_they_are_and_gives_a_spreadsheet_no_formula() -> None:
    text = '=1+1,"x"\n\t½'
    tokenizer = fakes.byte_tokenizer((("=", "1"),))
    scores = score.score_text(fakes.uniform_model(258, tokenizer=tokenizer), text, top_k=1)
    rows = list(csv.DictReader(io.StringIO(scores.to_csv())))
    assert [json.loads(row["token"]) for row in rows] == list(scores.tokens)
    assert all(row["token"].startswith('"') for row in rows)
    assert rows[0]["log_prob_nats"] == ""
    assert float(rows[1]["log_prob_nats"]) == scores.log_probs[1]


def test_a_comparisons_csv_has_divergences_just_where_they_are_defined() -> None:
    a = fakes.random_model(1)
    shared = compare.compare_models(a, fakes.random_model(2), "some text")
    apart = compare.compare_models(a, _other_tokenizer(), "some text")
    assert len(list(csv.DictReader(io.StringIO(shared.to_csv())))) == len("some text")
    assert "kl_ab_nats" in shared.to_csv().splitlines()[0]
    assert "kl_ab_nats" not in apart.to_csv().splitlines()[0]
    assert json.loads(json.dumps(apart.to_dict(), allow_nan=False))["kl_ab"] is None


def _other_tokenizer() -> fakes.TableModel:
    return fakes.random_model(2, 258, tokenizer=fakes.byte_tokenizer((("s", "o"),)))

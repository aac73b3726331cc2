import gc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from engine import steps
from engine.errors import ParameterError, TextError, UnsupportedModelError
from engine.models.loaded import LoadedModel, ScoringModel
from engine.models.loading import load_model
from engine.scoring import compare, head, score
from tests.engine import fakes, plain

TEXT = (
    "The goal of a correlation analysis is to say how ½ of 1,234 🙂 things move together. The goal of a text is a text."
)


def test_every_log_prob_of_a_uniform_model_is_minus_log_v() -> None:
    scores = score.score_text(fakes.uniform_model(), "héllo")
    assert np.isnan(scores.log_probs[0])
    np.testing.assert_allclose(scores.log_probs[1:], -np.log(257), rtol=1e-6)
    np.testing.assert_allclose(scores.entropies[1:], np.log(257), rtol=1e-6)
    assert scores.ranks.tolist() == [0, 1, 1, 1, 1, 1]


def test_a_bigram_models_numbers_are_those_of_its_table() -> None:
    model = fakes.random_model(0)
    scores = score.score_text(model, TEXT[:60], top_k=4)
    rows = torch.log_softmax(model.table.double(), 1)[torch.from_numpy(scores.token_ids[:-1].copy())].numpy()
    after = scores.token_ids[1:]
    np.testing.assert_allclose(scores.log_probs[1:], rows[np.arange(len(after)), after], atol=1e-5)
    np.testing.assert_allclose(scores.entropies[1:], -(np.exp(rows) * rows).sum(1), atol=1e-5)
    order = np.argsort(-rows, axis=1)
    assert (order[np.arange(len(after)), scores.ranks[1:] - 1] == after).all()
    np.testing.assert_array_equal(scores.top_ids[1:], order[:, :4])
    np.testing.assert_allclose(scores.top_log_probs[1:], np.take_along_axis(rows, order[:, :4], 1), atol=1e-5)


def test_rank_counts_strictly_larger_logits_only() -> None:
    table = torch.zeros(257, 257)
    table[:, ord("x")] = 2.0
    table[:, ord("y")] = table[:, ord("z")] = 1.0
    scores = score.score_text(fakes.TableModel(table), "-xyz-")
    assert scores.ranks.tolist() == [0, 1, 2, 2, 4]


def test_certainty_has_entropy_zero_and_log_prob_zero() -> None:
    table = torch.full((257, 257), -100.0)
    table[:, ord("a")] = 100.0
    scores = score.score_text(fakes.TableModel(table), "aaa")
    assert scores.log_probs[1:].tolist() == [0.0, 0.0]
    assert scores.entropies[1:].tolist() == [0.0, 0.0]


def test_a_bos_token_predicts_the_first_token_and_is_not_in_the_result() -> None:
    model = fakes.random_model(0)
    scores = score.score_text(model, "abc", prepend_bos=True)
    expected = torch.log_softmax(model.table[256], 0)[ord("a")].item()
    assert scores.log_probs[0] == pytest.approx(expected, abs=1e-6)
    assert len(scores) == 3
    assert scores.predicted.all()


def test_windows_do_not_change_a_bigram_model() -> None:
    model = fakes.random_model(0)
    whole = score.score_text(model, TEXT[:60])
    for window, stride in ((2, 1), (7, 3), (10, 9)):
        part = score.score_text(model, TEXT[:60], window=window, stride=stride)
        np.testing.assert_array_equal(part.log_probs, whole.log_probs)
        np.testing.assert_array_equal(part.top_ids, whole.top_ids)
        assert (part.window, part.stride) == (window, stride)


def test_no_window_is_longer_than_asked_with_the_bos_token_in_it() -> None:
    model = fakes.random_model(0)
    score.score_text(model, "x" * 200, window=16, prepend_bos=True)
    assert max(model.calls) == 16


def test_a_text_longer_than_the_context_is_scored_in_full() -> None:
    scores = score.score_text(fakes.uniform_model(), "x" * 1000)
    assert (scores.window, scores.stride) == (64, 32)
    assert np.isfinite(scores.log_probs[1:]).all()


def test_one_token_alone_runs_no_transformer() -> None:
    model = fakes.uniform_model()
    scores = score.score_text(model, "a")
    assert np.isnan(scores.log_probs).all()
    assert scores.top_tokens == (("",) * 10,)
    assert model.calls == []


@pytest.mark.parametrize("top_k", [0, 1, 5, 200, 257])
def test_any_number_of_alternatives_can_be_asked_for(top_k: int) -> None:
    scores = score.score_text(fakes.random_model(0), "abc", top_k=top_k)
    assert scores.top_ids.shape == (3, top_k)
    assert (np.diff(scores.top_log_probs[1:], axis=1) <= 0).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"top_k": -1}, "top_k is -1; it must be 0 to 257"),
        ({"top_k": 258}, "top_k is 258"),
        ({"window": 65}, "The window is 65 tokens; this model reads 2 to 64"),
        ({"stride": 64}, "The stride is 64 tokens"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, int], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        score.score_text(fakes.uniform_model(), "abc", **settings)


def test_a_bos_token_the_model_lacks_is_refused() -> None:
    with pytest.raises(ParameterError, match="no token that opens a text"):
        score.score_text(fakes.uniform_model(bos_id=None), "abc", prepend_bos=True)


def test_empty_text_is_refused() -> None:
    with pytest.raises(TextError, match="empty"):
        score.score_text(fakes.uniform_model(), "")


def test_outputs_that_are_not_numbers_are_refused() -> None:
    broken = fakes.TableModel(torch.full((257, 257), float("nan")))
    with pytest.raises(UnsupportedModelError, match="not numbers"):
        score.score_text(broken, "abc")


def test_a_tokenizer_wider_than_the_logits_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="do not belong together"):
        score.score_text(fakes.uniform_model(100), "z")


def test_steps_count_up_to_all_tokens() -> None:
    seen: list[steps.Progress] = []
    score.score_text(fakes.uniform_model(), "x" * 500, on_progress=seen.append)
    counts = [progress.done for progress in seen]
    assert counts == sorted(counts)
    assert (seen[-1].done, seen[-1].total, seen[-1].unit) == (500, 500, "tokens")
    assert len(seen) > 10


@pytest.mark.parametrize("settings", [{}, {"prepend_bos": True}, {"window": 40, "stride": 11}])
def test_a_window_read_in_pieces_gives_the_same_and_can_be_stopped_on_its_way(
    tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    other = load_model(replace(tiny_gpt2.spec, source=replace(tiny_gpt2.spec.source, seed=1)), "float32", "cpu")
    whole = compare.compare_models(tiny_gpt2, other, TEXT * 2, **settings)
    monkeypatch.setattr(score, "_PIECE", 7)
    seen: list[int] = []
    parts = compare.compare_models(
        tiny_gpt2, other, TEXT * 2, **settings, on_progress=lambda step: seen.append(step.done)
    )
    for name in ("log_probs_a", "log_probs_b", "kl_ab", "js"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=2e-5)
    np.testing.assert_allclose(score.score_text(other, TEXT * 2, **settings).log_probs, whole.b.log_probs, atol=2e-5)
    assert seen == sorted(seen)
    assert len(set(seen)) > len(parts.log_probs_a) / 8


def test_stopped_work_does_no_more_and_frees_what_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[head.Workspace]] = []
    make = head.Workspace

    def watched(*arguments: object) -> head.Workspace:
        space = make(*arguments)  # type: ignore[arg-type]
        held.append(weakref.ref(space))
        return space

    monkeypatch.setattr(head, "Workspace", watched)
    model = fakes.uniform_model()
    work = score.score_text_steps(model, "x" * 500)
    next(work)
    next(work)
    assert held[0]() is not None
    work.close()
    gc.collect()
    assert held[0]() is None
    assert len(model.calls) == 1


@pytest.mark.parametrize(("rows", "columns", "k"), [(3, 640, 10), (5, 64, 3), (2, 6400, 99), (4, 128, 2)])
def test_top_k_through_block_maxima_is_exact(rows: int, columns: int, k: int) -> None:
    generator = torch.Generator().manual_seed(columns)
    values = torch.randn(rows, columns, generator=generator)
    found, places = head.largest(values, k, columns // 64)
    expected = values.topk(k, dim=1)
    assert torch.equal(found, expected.values)
    assert torch.equal(places, expected.indices)


def test_top_k_holds_ties_within_one_block() -> None:
    values = torch.zeros(1, 640)
    values[0, [3, 13, 23]] = 5.0  # all in block 3 of 10
    assert set(head.largest(values, 3, 10)[1][0].tolist()) == {3, 13, 23}


def assert_agree(model: ScoringModel, text: str, tolerance: float) -> None:
    scores = score.score_text(model, text)
    expected = plain.score(model, scores.token_ids)
    np.testing.assert_allclose(scores.log_probs[1:], expected.log_probs, atol=tolerance, rtol=0)
    np.testing.assert_allclose(scores.entropies[1:], expected.entropies, atol=tolerance, rtol=0)
    np.testing.assert_allclose(scores.top_log_probs[1:], expected.top_log_probs, atol=tolerance, rtol=0)
    np.testing.assert_array_equal(scores.ranks[1:], expected.ranks)


def test_the_fast_path_equals_the_plain_one_in_float32(smollm2: LoadedModel, tiny_gpt2: LoadedModel) -> None:
    assert_agree(tiny_gpt2, TEXT, 1e-5)
    assert_agree(smollm2, TEXT, 1e-4)  # nats, on log-probabilities down to -20: the head's sums run in another order


def test_the_fast_path_is_no_less_exact_than_the_plain_one_in_bfloat16(smollm2: LoadedModel) -> None:
    low = load_model("smollm2-135m", precision="bfloat16", device="cpu")
    fast = score.score_text(low, TEXT)
    exact, rough = plain.score(smollm2, fast.token_ids), plain.score(low, fast.token_ids)
    tolerance = 0.005  # nats; logits near 20 have steps of 0.125 in bfloat16
    for name in ("log_probs", "entropies"):
        own_error = np.abs(getattr(fast, name)[1:] - getattr(exact, name)).mean()
        assert own_error <= np.abs(getattr(rough, name) - getattr(exact, name)).mean() + tolerance


def test_later_tokens_do_not_change_earlier_ones(tiny_gpt2: LoadedModel) -> None:
    text = "The goal of a correlation analysis"
    short = score.score_text(tiny_gpt2, text)
    long = score.score_text(tiny_gpt2, text + " is open")
    np.testing.assert_allclose(long.log_probs[: len(short)], short.log_probs, atol=1e-5)


def test_a_forced_word_is_far_likelier_than_an_open_one(smollm2: LoadedModel) -> None:
    scores = score.score_text(smollm2, "The goal of a correlation analysis is to find the correlation coefficient.")
    known = dict(zip(scores.tokens, scores.log_probs, strict=True))
    assert known[" analysis"] > -1.0
    assert known[" goal"] < -8.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_numbers_on_a_gpu_are_those_of_the_cpu(smollm2: LoadedModel) -> None:
    on_gpu = load_model("smollm2-135m", precision="float32", device="cuda")
    here, there = score.score_text(smollm2, TEXT), score.score_text(on_gpu, TEXT)
    np.testing.assert_allclose(there.log_probs, here.log_probs, atol=2e-3)
    np.testing.assert_allclose(there.entropies, here.entropies, atol=2e-3)

import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ParameterError
from engine.models.loaded import LoadedModel
from engine.scoring import compare, score
from engine.scoring.results import ModelComparison
from tests.engine import fakes, plain

TEXT = "Two models read ½ of 1,234 🙂 texts."


def by_hand(a: fakes.TableModel, b: fakes.TableModel, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """KL both ways and JS of two bigram models after each of the tokens but the last, in float64."""
    rows = torch.from_numpy(ids[:-1].copy())
    log_p, log_q = (torch.log_softmax(model.table.double(), 1)[rows] for model in (a, b))
    log_m = torch.logaddexp(log_p, log_q) - np.log(2)
    kl = [(x.exp() * (x - y)).sum(1) for x, y in ((log_p, log_q), (log_q, log_p), (log_p, log_m), (log_q, log_m))]
    return kl[0].numpy(), kl[1].numpy(), ((kl[2] + kl[3]) / 2).numpy()


def test_divergences_of_bigram_models_are_those_of_their_tables() -> None:
    a, b = fakes.random_model(1), fakes.random_model(2)
    found = compare.compare_models(a, b, TEXT)
    kl_ab, kl_ba, js = by_hand(a, b, found.a.token_ids)
    assert found.kl_ab is not None
    assert np.isnan(found.kl_ab[0])
    np.testing.assert_allclose(found.kl_ab[1:], kl_ab, rtol=1e-5)
    np.testing.assert_allclose(found.kl_ba[1:], kl_ba, rtol=1e-5)
    np.testing.assert_allclose(found.js[1:], js, rtol=1e-5)


@given(scale=st.floats(0, 30), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_kl_is_never_negative_and_js_at_most_log_two(scale: float, seed: int) -> None:
    a, b = fakes.random_model(seed), fakes.random_model(seed)
    b.table = a.table + scale * fakes.random_model(seed + 1).table
    found = compare.compare_models(a, b, "ab")
    assert found.kl_ab[1] >= 0
    assert found.kl_ba[1] >= 0
    assert 0 <= found.js[1] <= np.log(2)


def test_small_divergences_keep_their_digits() -> None:
    a = fakes.random_model(1)
    b = fakes.TableModel(a.table + 0.03 * fakes.random_model(2).table)
    found = compare.compare_models(a, b, TEXT)
    kl_ab, kl_ba, js = by_hand(a, b, found.a.token_ids)
    assert kl_ab.max() < 0.02
    np.testing.assert_allclose(found.kl_ab[1:], kl_ab, atol=3e-7)
    np.testing.assert_allclose(found.kl_ba[1:], kl_ba, atol=3e-7)
    np.testing.assert_allclose(found.js[1:], js, atol=3e-7)


def test_a_model_against_itself_has_no_divergence_and_correlation_one(tiny_gpt2: LoadedModel) -> None:
    for model in (fakes.random_model(0), tiny_gpt2):
        found = compare.compare_models(model, model, TEXT)
        for divergence in (found.kl_ab, found.kl_ba, found.js):
            assert (divergence[1:] == 0.0).all()
        assert found.pearson == pytest.approx(1.0, abs=1e-12)
        assert found.spearman == pytest.approx(1.0, abs=1e-12)
        assert (found.share_above, found.share_below) == (0.0, 0.0)
        assert found.same_top1[1:].all()


def test_what_changed_most_comes_first_with_both_log_probs() -> None:
    a, b = fakes.random_model(1), fakes.random_model(2)
    found = compare.compare_models(a, b, "abc", n_changed=3)
    p_a, p_b = (torch.softmax(model.table.double(), 1)[ord("b")] for model in (a, b))
    expected = (p_a - p_b).abs().topk(3).indices
    assert found.changed_ids[2].tolist() == expected.tolist()
    np.testing.assert_allclose(np.exp(found.changed_log_probs_a[2]), p_a[expected], atol=1e-6)
    np.testing.assert_allclose(np.exp(found.changed_log_probs_b[2]), p_b[expected], atol=1e-6)
    assert found.changed_tokens[0] == ("", "", "")


def test_shares_count_the_spans_each_model_predicts_better() -> None:
    base = torch.zeros(257, 257)
    better = base.clone()
    better[:, ord("x")] = 1.0  # raises x, lowers all others
    found = compare.compare_models(fakes.TableModel(base), fakes.TableModel(better), "-xxyz")
    assert (found.share_above, found.share_below) == (0.5, 0.5)


def test_swapping_the_models_swaps_the_divergences() -> None:
    a, b = fakes.random_model(1), fakes.random_model(2)
    there, back = compare.compare_models(a, b, TEXT), compare.compare_models(b, a, TEXT)
    np.testing.assert_allclose(there.kl_ab, back.kl_ba, rtol=1e-5)
    np.testing.assert_allclose(there.js, back.js, rtol=1e-5)
    np.testing.assert_array_equal(there.changed_ids, back.changed_ids)


def test_a_chunk_leaves_nothing_behind_for_the_next() -> None:
    a, b = fakes.random_model(1), fakes.random_model(2)
    whole = compare.compare_models(a, b, TEXT)
    parts = compare.compare_models(a, b, TEXT, window=8, stride=5)
    np.testing.assert_array_equal(parts.kl_ab, whole.kl_ab)
    np.testing.assert_array_equal(parts.changed_ids, whole.changed_ids)


def test_both_read_windows_of_the_shorter_context() -> None:
    a, b = fakes.random_model(1, context_length=16), fakes.random_model(2, context_length=64)
    found = compare.compare_models(a, b, "x" * 100)
    assert (found.a.window, found.b.window) == (16, 16)


def test_each_models_scores_are_those_it_gets_alone() -> None:
    a, b = fakes.random_model(1), fakes.random_model(2)
    found = compare.compare_models(a, b, TEXT, top_k=3, prepend_bos=True)
    for scores, model in ((found.a, a), (found.b, b)):
        alone = score.score_text(model, TEXT, top_k=3, prepend_bos=True)
        np.testing.assert_array_equal(scores.log_probs, alone.log_probs)
        np.testing.assert_array_equal(scores.top_ids, alone.top_ids)
        assert scores.model_key == model.key


def test_a_constant_side_has_no_correlation() -> None:
    found = compare.compare_models(fakes.uniform_model(), fakes.random_model(1), TEXT)
    assert np.isnan(found.pearson)
    assert np.isnan(found.spearman)


def test_one_token_alone_compares_to_nothing() -> None:
    found = compare.compare_models(fakes.random_model(1), fakes.random_model(2), "a")
    assert np.isnan(found.kl_ab).all()
    assert np.isnan([found.pearson, found.share_above]).all()
    assert found.n_predicted == 0


def test_padded_outputs_of_another_width_share_tokens_but_have_no_kl() -> None:
    found = compare.compare_models(fakes.random_model(1), fakes.random_model(2, 320), TEXT)
    assert found.shared_vocabulary
    assert found.kl_ab is None
    assert "257 and 320 logits" in found.kl_undefined_reason
    assert len(found.spans) == len(found.a) == len(found.b)
    assert np.isfinite(found.pearson)


def padded(seed: int, padding: float, width: int = 320) -> fakes.TableModel:
    """A model with logits for ids that no token has, all of them at `padding`."""
    model = fakes.random_model(seed, width)
    model.table[:, 257:] = padding
    return model


def common_log_probs(model: fakes.TableModel, text: str) -> np.ndarray:
    """(n - 1, 257) in float64: the table's rows, made to sum to one over the first 257 ids."""
    rows = model.table[list(text.encode())[:-1], :257].double()
    return rows.log_softmax(-1).numpy()


def test_padded_outputs_are_compared_over_the_common_tokens_when_asked_to() -> None:
    a, b = fakes.random_model(1), padded(2, -9.0)
    found = compare.compare_models(a, b, TEXT, n_changed=3, common_tokens=True)
    log_p, log_q = common_log_probs(a, TEXT), common_log_probs(b, TEXT)
    p, q = np.exp(log_p), np.exp(log_q)
    assert found.common_tokens == 257
    np.testing.assert_allclose(found.kl_ab[1:], (p * (log_p - log_q)).sum(1), rtol=1e-5)
    np.testing.assert_allclose(found.kl_ba[1:], (q * (log_q - log_p)).sum(1), rtol=1e-5)
    middle = np.log((p + q) / 2)
    js = ((p * (log_p - middle)).sum(1) + (q * (log_q - middle)).sum(1)) / 2
    np.testing.assert_allclose(found.js[1:], js, rtol=1e-5)
    np.testing.assert_array_equal(found.changed_ids[1:, 0], np.abs(p - q).argmax(1))
    assert found.kl_undefined_reason is None


def test_probability_outside_the_common_tokens_is_stated_and_scores_stay_over_all_tokens() -> None:
    a, b = fakes.random_model(1), padded(2, -1.0)
    found = compare.compare_models(a, b, TEXT, common_tokens=True)
    rows = b.table[list(TEXT.encode())[:-1]].double().softmax(-1).numpy()
    np.testing.assert_allclose(found.outside_b[1:], rows[:, 257:].sum(1), atol=1e-6)
    np.testing.assert_allclose(found.outside_a[1:], 0.0, atol=1e-6)
    np.testing.assert_allclose(found.b.log_probs, score.score_text(b, TEXT).log_probs, atol=1e-6)
    assert found.kl_basis == f"the 257 common tokens (probability outside: 0 / {np.nanmean(found.outside_b):.2g})"


def test_no_kl_is_given_where_much_probability_lies_outside_the_common_tokens() -> None:
    found = compare.compare_models(fakes.random_model(1), padded(2, 6.0), TEXT, common_tokens=True)
    assert found.kl_ab is None
    assert found.common_tokens is None
    assert "lie outside the 257 tokens they share" in found.kl_undefined_reason


def test_a_tokenizer_with_a_token_added_shares_the_others() -> None:
    tuned = padded(2, -9.0, 258)
    tuned.tokenizer = fakes.byte_tokenizer(special=(fakes.BOS, "<|pad|>"))
    offered = compare.compare_models(fakes.random_model(1), tuned, TEXT)
    assert offered.shared_vocabulary
    assert offered.kl_ab is None
    assert "share 257 tokens" in offered.kl_undefined_reason
    found = compare.compare_models(fakes.random_model(1), tuned, TEXT, common_tokens=True)
    assert found.common_tokens == 257


def test_one_vocabulary_is_compared_whole_whether_common_tokens_are_asked_for_or_not() -> None:
    whole, asked = (
        compare.compare_models(fakes.random_model(1), fakes.random_model(2), TEXT, common_tokens=common)
        for common in (False, True)
    )
    np.testing.assert_array_equal(whole.kl_ab, asked.kl_ab)
    assert asked.common_tokens is None


@pytest.mark.parametrize(("opening_a", "opening_b"), [((256,), ()), ((), (256,)), ((256, 65), (256,))])
def test_each_of_two_models_is_opened_as_its_own_tokenizer_opens(
    opening_a: tuple[int, ...], opening_b: tuple[int, ...]
) -> None:
    text, models = TEXT * 4, (fakes.random_model(1), fakes.random_model(2))
    for model, ids in zip(models, (opening_a, opening_b), strict=True):
        model.tokenizer = fakes.byte_tokenizer()
        model.tokenizer.opening_ids = ids
    found = compare.compare_models(*models, text, window=24, stride=7)
    assert (found.a.opening_ids, found.b.opening_ids) == (opening_a, opening_b)
    data = list(text.encode())
    for side, model in zip((found.a, found.b), models, strict=True):
        expected = model.table.double().log_softmax(-1).numpy()[data[:-1], data[1:]]
        np.testing.assert_allclose(side.log_probs[1:], expected, atol=1e-5)
    assert np.isfinite(found.a.log_probs[0]) == bool(opening_a and opening_b)


def merged(*merges: tuple[str, str]) -> fakes.TableModel:
    return fakes.random_model(3, 257 + len(merges), tokenizer=fakes.byte_tokenizer(merges), bos_id=None)


def test_different_vocabularies_are_compared_on_common_spans() -> None:
    found = compare.compare_models(merged(("a", "b")), merged(("b", "c")), "xabcy")
    assert not found.shared_vocabulary
    assert found.kl_ab is None
    assert "different vocabularies" in found.kl_undefined_reason
    assert found.span_texts() == ["x", "abc", "y"]
    assert found.log_probs_a[1] == pytest.approx(found.a.log_probs[1] + found.a.log_probs[2])
    assert found.ranges_b.tolist() == [[0, 1], [1, 3], [3, 4]]
    assert np.isnan(found.log_probs_a[0])


def assert_same_totals(found: ModelComparison) -> None:
    """All predicted log-probability of a model is in its spans, but for those that begin the text."""
    first = found.ranges_a[0, 1]
    assert np.nansum(found.log_probs_a) == pytest.approx(np.nansum(found.a.log_probs[first:]))


def test_smollm2_against_gpt2s_tokenizer(smollm2: LoadedModel, tiny_gpt2: LoadedModel) -> None:
    text = "The capital of France is Paris, and the capital of Italy is Rome. ½ of 1,234 🙂"
    found = compare.compare_models(smollm2, tiny_gpt2, text)
    assert found.kl_undefined_reason is not None
    assert "".join(found.span_texts()) == text
    assert_same_totals(found)
    assert found.share_below > 0.8  # a trained model against random weights


def test_kl_of_real_models_equals_the_plain_one(tiny_gpt2: LoadedModel) -> None:
    other = moved_head(tiny_gpt2)
    found = compare.compare_models(tiny_gpt2, other, TEXT)
    log_p = plain.score(tiny_gpt2, found.a.token_ids).all_log_probs.double()
    log_q = plain.score(other, found.a.token_ids).all_log_probs.double()
    np.testing.assert_allclose(found.kl_ab[1:], (log_p.exp() * (log_p - log_q)).sum(1), atol=1e-5)
    np.testing.assert_array_equal(found.same_top1[1:], (log_p.argmax(1) == log_q.argmax(1)).numpy())


def moved_head(model: LoadedModel) -> LoadedModel:
    """The same network with a head that has moved a little."""
    network = copy.deepcopy(model.network)
    generator = torch.Generator().manual_seed(0)
    head = network.get_output_embeddings()
    with torch.no_grad():
        head.weight += 0.3 * head.weight.std() * torch.randn(head.weight.shape, generator=generator)
    return dataclasses.replace(model, network=network, revision="moved")


def test_n_changed_out_of_range_is_refused() -> None:
    with pytest.raises(ParameterError, match="n_changed is 300"):
        compare.compare_models(fakes.random_model(1), fakes.random_model(2), "ab", n_changed=300)

"""Corpus divergence against a plain recomputation, on models known by hand and on a random GPT-2."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from engine import steps
from engine.errors import InputError, ParameterError
from engine.evaluation.divergence import evaluate, record
from engine.evaluation.divergence import result as divergence_result
from engine.models.loaded import LoadedModel
from engine.models.opening import Bos
from engine.scoring.compare import compare_models
from engine.scoring.score import score_text
from engine.text.tokens import TextTokenizer
from tests.engine import fakes
from tests.engine.keepers import MemoryKeeper

TEXTS = ["The goal of a correlation analysis is plain.", "Ünïcode 🙂 too.", "A third text, a little longer than that."]


def plain_columns(
    base: fakes.TableModel, candidate: fakes.TableModel, texts: list[str], opening: tuple[int, ...] = ()
) -> dict[str, np.ndarray]:
    """All columns in numpy, whole rows at once, with `opening` in front of each text."""
    rows: dict[str, list[float]] = {"base": [], "candidate": [], "kl": [], "same": []}
    for text in texts:
        ids = np.array([*opening, *base.tokenizer.encode(text).token_ids])
        p = log_softmax(base.table.numpy().astype(np.float64)[ids[:-1]], axis=1)
        q = log_softmax(candidate.table.numpy().astype(np.float64)[ids[:-1]], axis=1)
        at = np.arange(len(ids) - 1), ids[1:]
        rows["base"] += p[at].tolist()
        rows["candidate"] += q[at].tolist()
        rows["kl"] += (np.exp(p) * (p - q)).sum(axis=1).tolist()
        rows["same"] += (p.argmax(axis=1) == q.argmax(axis=1)).tolist()
    return {name: np.array(values) for name, values in rows.items()}


def test_columns_and_means_equal_a_plain_recomputation() -> None:
    base, candidate = fakes.random_model(1), fakes.random_model(2)
    result = evaluate.corpus_divergence(base, candidate, TEXTS)
    plain = plain_columns(base, candidate, TEXTS)
    np.testing.assert_allclose(result.base, plain["base"], atol=1e-5)
    np.testing.assert_allclose(result.kl, plain["kl"], atol=1e-5)
    np.testing.assert_array_equal(result.same_top1, plain["same"])
    assert result.statistics is not None
    assert result.statistics.kl.value == pytest.approx(plain["kl"].mean(), abs=1e-5)
    assert result.perplexity_candidate.value == pytest.approx(np.exp(-plain["candidate"].mean()), rel=1e-5)
    # The first byte of each text is not predicted; that of "Ü" shares its character with one that is.
    octets = sum(len(text.encode()) - (text[0] < "\x80") for text in TEXTS)
    assert result.bits_per_byte_base.value == pytest.approx(-plain["base"].sum() / np.log(2) / octets, rel=1e-5)


def test_windows_count_every_token_once_and_give_a_bigram_model_its_own_numbers() -> None:
    base, candidate = fakes.random_model(1, context_length=16), fakes.random_model(2, context_length=16)
    text = "A text of more than sixteen bytes, which a bigram model reads alike in any window. " * 2
    result = evaluate.corpus_divergence(base, candidate, [text, "short one"], stride=5)
    plain = plain_columns(base, candidate, [text, "short one"])
    np.testing.assert_allclose(result.kl, plain["kl"], atol=1e-5)
    assert max(base.calls) <= 16


def opens(model: fakes.TableModel) -> fakes.TableModel:
    """The model with a tokenizer of the same vocabulary that opens each text."""
    return replace(model, tokenizer=fakes.opening_tokenizer(), calls=[])


LONG = "A text of more than sixteen bytes, which a bigram model reads alike in any window. " * 2


@pytest.mark.parametrize("bos", ["auto", "on", "off"])
def test_an_opening_token_makes_the_first_token_of_each_text_count(bos: Bos) -> None:
    base, candidate = (opens(fakes.random_model(seed, context_length=16)) for seed in (1, 2))
    texts = [LONG, "x", "short one"]
    result = evaluate.corpus_divergence(base, candidate, texts, bos=bos, stride=5)
    plain = plain_columns(base, candidate, texts, () if bos == "off" else (256,))
    np.testing.assert_allclose(result.base, plain["base"], atol=1e-5)
    np.testing.assert_allclose(result.kl, plain["kl"], atol=1e-5)
    assert max(base.calls + candidate.calls) == 16


@pytest.mark.parametrize("sides", [(True, False), (False, True)])
def test_a_first_token_that_only_one_model_predicts_does_not_count(sides: tuple[bool, bool]) -> None:
    models = [fakes.random_model(seed, context_length=16) for seed in (1, 2)]
    base, candidate = (opens(model) if own else model for model, own in zip(models, sides, strict=True))
    result = evaluate.corpus_divergence(base, candidate, [LONG, "x", "short one"], stride=5)
    plain = plain_columns(base, candidate, [LONG, "x", "short one"])
    np.testing.assert_allclose(result.kl, plain["kl"], atol=1e-5)
    assert max(base.calls + candidate.calls) == 16
    assert result.perplexity_base.value == pytest.approx(np.exp(-plain["base"].mean()), rel=1e-5)


def test_special_tokens_are_read_as_such_if_asked() -> None:
    base, candidate = fakes.random_model(1), fakes.random_model(2)
    text = f"a{fakes.BOS}b"
    as_text = evaluate.corpus_divergence(base, candidate, [text])
    as_token = evaluate.corpus_divergence(base, candidate, [text], special_tokens=True)
    assert len(as_text) == 14
    ids = np.array([ord("a"), 256, ord("b")])
    expected = log_softmax(base.table.numpy().astype(np.float64)[ids[:-1]], axis=1)[[0, 1], ids[1:]]
    np.testing.assert_allclose(as_token.base, expected, atol=1e-5)


def test_a_text_without_any_token_is_passed_over() -> None:
    words = Tokenizer(WordLevel({fakes.BOS: 256, "one": 1, "two": 2, "?": 0}, unk_token="?"))
    words.pre_tokenizer = Whitespace()
    tokenizer = TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=words))
    base, candidate = (fakes.random_model(seed, tokenizer=tokenizer) for seed in (1, 2))
    result = evaluate.corpus_divergence(base, candidate, ["one two", "  \n", "two one two"], bos="on")
    assert result.texts.tolist() == [0, 0, 2, 2, 2]
    assert "1 text in which a tokenizer finds no token: left out." in result.notes


def test_a_text_without_any_token_ends_no_run_of_two_vocabularies() -> None:
    words = Tokenizer(WordLevel({"one": 1, "two": 2, "?": 0}, unk_token="?"))
    words.pre_tokenizer = Whitespace()
    base = fakes.random_model(1, tokenizer=TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=words)))
    result = evaluate.corpus_divergence(base, fakes.random_model(2), ["one two one", "  \n", "two one two"])
    assert set(result.texts.tolist()) == {0, 2}


def padded(seed: int, padding: float) -> fakes.TableModel:
    """A model of 320 logits whose tokenizer knows 257 tokens; the others are all at `padding`."""
    model = fakes.random_model(seed, 320)
    model.table[:, 257:] = padding
    return model


def test_vocabularies_that_are_one_but_for_padding_have_a_kl_over_the_common_tokens_if_asked() -> None:
    base, candidate, keep = fakes.random_model(1), padded(2, -3.0), MemoryKeeper()
    offered = evaluate.corpus_divergence(base, candidate, TEXTS)
    assert offered.statistics is None
    assert "Ask for the KL over the common tokens" in str(offered.kl_undefined_reason)
    work = evaluate.corpus_divergence_steps(base, candidate, TEXTS, window=16, common_tokens=True, keep=keep)
    result = steps.run(work)
    rows = [np.frombuffer(text.encode(), dtype=np.uint8)[:-1] for text in TEXTS]
    ids = np.concatenate(rows)
    log_p, log_q = (log_softmax(model.table.double().numpy()[ids, :257], axis=1) for model in (base, candidate))
    np.testing.assert_allclose(result.kl, (np.exp(log_p) * (log_p - log_q)).sum(1), rtol=1e-5)
    outside = np.exp(log_softmax(candidate.table.double().numpy()[ids], axis=1))[:, 257:].sum(1).mean()
    assert result.outside == pytest.approx((0.0, outside), abs=1e-6)
    assert str(result.kl_basis).startswith("the 257 common tokens (probability outside: ")
    batches = [keep.get(evaluate.STAGE, place) for place in range(result.pieces.max() + 1)]
    again = divergence_result.reopened([batch for batch in batches if batch], TEXTS)
    assert (again.common_tokens, again.outside) == (result.common_tokens, result.outside)


def test_one_text_with_much_probability_outside_the_common_tokens_leaves_no_kl() -> None:
    candidate = padded(2, -3.0)
    candidate.table[ord("z"), 257:] = 9.0
    result = evaluate.corpus_divergence(fakes.random_model(1), candidate, [*TEXTS, "zzzz"], common_tokens=True)
    assert result.kl is None
    assert result.common_tokens is None
    assert "lie outside the 257 tokens" in str(result.kl_undefined_reason)
    assert len(result) == sum(len(text.encode()) - 1 for text in [*TEXTS, "zzzz"])


def test_an_opening_token_that_cannot_be_put_in_front_is_refused() -> None:
    without = fakes.random_model(1, bos_id=None)
    with pytest.raises(ParameterError, match="no token that opens a text"):
        evaluate.corpus_divergence(without, without, TEXTS, bos="on")
    with pytest.raises(ParameterError, match="'auto', 'on' or 'off'"):
        evaluate.corpus_divergence(without, without, TEXTS, bos="yes")  # type: ignore[arg-type]


def test_kl_is_never_negative_and_zero_against_itself() -> None:
    model = fakes.random_model(4)
    result = evaluate.corpus_divergence(model, model, TEXTS)
    assert result.kl is not None
    assert (result.kl == 0).all()
    assert result.statistics is not None
    assert result.statistics.same_top1.value == 1.0


def test_different_vocabularies_compare_in_bits_per_byte_and_say_why_there_is_no_kl() -> None:
    base = fakes.uniform_model()
    candidate = fakes.uniform_model(259, tokenizer=fakes.byte_tokenizer((("t", "h"), ("th", "e"))))
    result = evaluate.corpus_divergence(base, candidate, ["the other theatre"])
    assert result.kl is None
    assert result.statistics is None
    assert "different vocabularies" in str(result.kl_undefined_reason)
    # Both from the end of "the" on, the first border that both have predicted up to: 14 bytes, 10 tokens of the second.
    assert result.octets.sum() == 14
    assert result.bits_per_byte_base.value == pytest.approx(np.log2(257))
    assert result.bits_per_byte_candidate.value == pytest.approx(10 * np.log2(259) / 14)
    assert result.bits_per_byte_difference.value == pytest.approx(10 * np.log2(259) / 14 - np.log2(257))
    assert result.tokens_base > result.tokens_candidate


def test_the_same_model_under_two_tokenizers_has_the_bytes_both_predict() -> None:
    """Each text's unpredicted first piece has one byte under one tokenizer and many under the other."""
    word = "abcdefgh"
    merges = tuple((word[:n], word[n]) for n in range(1, 8))
    base = fakes.uniform_model()
    candidate = fakes.uniform_model(264, tokenizer=fakes.byte_tokenizer(merges))
    texts = ["abcdefgh x y", "abcd xx", "abcdef xyz yyy"]
    result = evaluate.corpus_divergence(base, candidate, texts)
    left = sum(len(text) - len(text.split(" ")[0]) for text in texts)
    assert result.octets.sum() == left
    assert result.bits_per_byte_base.value == pytest.approx(np.log2(257))
    assert result.bits_per_byte_candidate.value == pytest.approx(np.log2(264))  # beyond the first word both have bytes


EMOJI = "🎉👩🏽‍🚀𝔘𝔫é" * 12


@pytest.mark.parametrize(("window", "stride"), [(16, 1), (16, 3), (64, 32)])
def test_windows_change_neither_bits_nor_bytes_where_they_cut_characters(window: int, stride: int) -> None:
    models = [fakes.random_model(seed, context_length=2048) for seed in (1, 2)]
    whole = evaluate.corpus_divergence(*models, [EMOJI, "short 🙂 one"])
    parts = evaluate.corpus_divergence(*models, [EMOJI, "short 🙂 one"], window=window, stride=stride)
    assert parts.pieces.max() > whole.pieces.max()
    assert parts.octets.sum() == whole.octets.sum()
    for name in ("bits_per_byte_base", "bits_per_byte_candidate", "bits_per_byte_difference"):
        assert getattr(parts, name).value == pytest.approx(getattr(whole, name).value, rel=1e-5)
        assert getattr(parts, name).error_by_text == pytest.approx(getattr(whole, name).error_by_text, rel=1e-5)


@pytest.mark.parametrize("text", [EMOJI, "Ünïcode 🙂 too.", "plain text"])
def test_bits_per_byte_are_those_of_the_scored_text(text: str) -> None:
    model = fakes.random_model(3, context_length=2048)
    result = evaluate.corpus_divergence(model, model, [text])
    assert result.bits_per_byte_base.value == pytest.approx(score_text(model, text).bits_per_byte)


def test_the_error_of_bits_per_byte_goes_by_bytes() -> None:
    """Texts of one, two, three and four bytes to a token: bits per token differ little, bytes a lot."""
    merges = (("a", "b"), ("c", "d"), ("cd", "e"), ("f", "g"), ("h", "i"), ("fg", "hi"))
    model = fakes.uniform_model(263, tokenizer=fakes.byte_tokenizer(merges))
    texts = ["x" * 30, "ab" * 20, "cde" * 25, "fghi" * 10]
    result = evaluate.corpus_divergence(model, model, texts)
    octets = np.array([29, 38, 72, 36])  # each text without its first token
    bits = np.log2(263) * octets / [1, 2, 3, 4]
    ratio = bits.sum() / octets.sum()
    error = np.sqrt(4 / 3 * ((bits - ratio * octets) ** 2).sum()) / octets.sum()
    assert result.bits_per_byte_base.value == pytest.approx(ratio)
    assert result.bits_per_byte_base.error_by_text == pytest.approx(error)
    assert result.bits_per_byte_difference.error_by_text == 0.0


def test_few_texts_are_noted_and_twenty_are_not() -> None:
    model = fakes.uniform_model()
    assert "Only 3 texts" in evaluate.corpus_divergence(model, model, TEXTS).notes[0]
    assert evaluate.corpus_divergence(model, model, [f"text {n}" for n in range(20)]).notes == ()


def test_correlation_per_character_is_given_with_two_tokenizers_only() -> None:
    base = fakes.random_model(1)
    other = fakes.random_model(2, 259, tokenizer=fakes.byte_tokenizer((("t", "h"), ("th", "e"))))
    text = "the other theatre of the north"
    result = evaluate.corpus_divergence(base, other, [text])
    comparison = compare_models(base, other, text)
    lengths = np.diff(comparison.spans, axis=1)[1:, 0]
    a, b = comparison.log_probs_a[1:] / lengths, comparison.log_probs_b[1:] / lengths
    assert result.pearson_per_character == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert result.pearson_per_character != pytest.approx(result.pearson, abs=0.01)
    assert np.isnan(evaluate.corpus_divergence(base, base, [text]).pearson_per_character)


def test_percentiles_open_to_the_tokens_they_speak_of() -> None:
    result = evaluate.corpus_divergence(fakes.random_model(1), fakes.random_model(2), TEXTS)
    assert result.kl is not None
    top = result.near(result.kl, 1.0, count=3)
    assert result.kl[top[0]] == result.kl.max()
    assert list(result.kl[top]) == sorted(result.kl[top], reverse=True)
    middle = result.kl[result.near(result.kl, 0.5, count=3)]
    assert middle.min() <= np.median(result.kl) <= middle.max()


def test_kept_pieces_reopen_to_the_same_result_without_a_model(tiny_gpt2: LoadedModel) -> None:
    keep = MemoryKeeper()
    texts = [TEXTS[0] * 9, TEXTS[1]]
    result = steps.run(evaluate.corpus_divergence_steps(tiny_gpt2, tiny_gpt2, texts, window=64, keep=keep))
    batches = [keep.get(evaluate.STAGE, place) for place in range(result.pieces.max() + 1)]
    again = divergence_result.reopened([batch for batch in batches if batch], texts)
    np.testing.assert_array_equal(again.base, result.base)
    assert again.perplexity_base == result.perplexity_base
    assert len(batches) > 2


@pytest.mark.parametrize("bos", ["off", "on"])
def test_a_long_text_in_pieces_equals_the_whole_in_rolling_windows(tiny_gpt2: LoadedModel, bos: Bos) -> None:
    text = TEXTS[0] * 9
    whole = compare_models(tiny_gpt2, tiny_gpt2, text, window=64, bos=bos)
    result = evaluate.corpus_divergence(tiny_gpt2, tiny_gpt2, [text], window=64, bos=bos)
    np.testing.assert_allclose(result.base, whole.a.log_probs[bos == "off" :], atol=1e-5)


def test_a_kept_comparison_is_the_one_computed(tiny_gpt2: LoadedModel) -> None:
    comparison = compare_models(tiny_gpt2, tiny_gpt2, TEXTS[1], top_k=3, bos="on", special_tokens=True)
    again = record.from_record(*record.to_record(comparison), TEXTS[1])
    np.testing.assert_array_equal(again.a.log_probs, comparison.a.log_probs)
    assert again.a.tokens == comparison.a.tokens
    assert again.b.top_tokens == comparison.b.top_tokens
    assert again.changed_tokens == comparison.changed_tokens
    for name in ("bos", "opening_ids", "opening_tokens", "special_tokens"):
        assert getattr(again.a, name) == getattr(comparison.a, name)
    assert again.a.opening_tokens == ("<|endoftext|>",)
    np.testing.assert_allclose(again.a.entropies, comparison.a.entropies, rtol=1e-6)


def test_a_comparison_kept_with_truth_values_for_first_guesses_opens() -> None:
    comparison = compare_models(fakes.random_model(1), fakes.random_model(2), TEXTS[0])
    arrays, data = record.to_record(comparison)
    arrays["same_top1"] = arrays["same_top1"] == 1.0  # as runs were kept before ties were shared out
    again = record.from_record(arrays, data, TEXTS[0])
    assert again.same_top1.dtype == np.float64
    np.testing.assert_array_equal(again.same_top1, comparison.same_top1)


def test_memory_beyond_the_columns_does_not_grow_with_the_corpus() -> None:
    base, candidate = fakes.random_model(1, context_length=32), fakes.random_model(2, context_length=32)
    evaluate.corpus_divergence(base, candidate, ["word " * 80], window=32)
    assert max(base.calls) <= 32
    assert len(base.calls) > 20


@pytest.mark.parametrize(
    ("texts", "error", "said"),
    [
        ([], InputError, "no texts"),
        (["a", "b"], InputError, "every text has one token"),
    ],
)
def test_corpora_without_a_prediction_are_refused(texts: list[str], error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        evaluate.corpus_divergence(fakes.uniform_model(), fakes.uniform_model(), texts)


def test_a_window_wider_than_the_context_is_refused() -> None:
    with pytest.raises(ParameterError, match="window"):
        evaluate.corpus_divergence(fakes.uniform_model(), fakes.uniform_model(), TEXTS, window=65)


def test_torch_is_not_left_in_inference_mode() -> None:
    evaluate.corpus_divergence(fakes.uniform_model(), fakes.uniform_model(), TEXTS)
    assert not torch.is_inference_mode_enabled()

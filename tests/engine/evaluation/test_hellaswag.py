"""HellaSwag's log-likelihoods against one plain forward pass an ending, and its conventions by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers, processors

from engine import steps
from engine.errors import InputError, ParameterError
from engine.evaluation import hidden_states
from engine.evaluation.hellaswag import evaluate, packing
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.mauve import writing
from engine.evaluation.runs.store import Batch
from engine.models import proofs
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.text.tokens import TextTokenizer
from tests.engine import fakes, small_networks
from tests.engine.keepers import MemoryKeeper

ITEMS = (
    HellaSwagItem(
        "Gardening: A woman plants a row of beans. She", ("waters them.", "eats the spade.", "is 7.", "flies"), 0
    ),
    HellaSwagItem(
        "How to boil an egg ", ("Put it in water.", "Throw it.", "½ cup of 🙂", "Sing to it until it is done."), 0
    ),
    HellaSwagItem("A dog", ("barks", "files taxes for the whole of the family", "is", "was a"), 2),
)


def plain_log_likelihood(model: LoadedModel, context: str, ending: str) -> float:
    """As lm-evaluation-harness: context and ending encoded together, cut at the context's own length."""
    spaces = len(context) - len(context.rstrip())
    moved, context = (context[-spaces:] if spaces else ""), context.rstrip()
    backend = model.tokenizer.backend
    whole = backend(context + moved + " " + ending, add_special_tokens=False)["input_ids"]
    start = len(backend(context, add_special_tokens=False)["input_ids"])
    with torch.inference_mode():
        logits = model.network(input_ids=torch.tensor([whole])).logits[0].float()
    log_probs = logits.log_softmax(dim=1)
    return sum(log_probs[at - 1, whole[at]].item() for at in range(start, len(whole)))


def opened_by(template: str) -> TextTokenizer:
    """A token a byte, with <s> and </s> put around texts as the template says."""
    tokenizer = fakes.byte_tokenizer(special=("<s>", "</s>"))
    tokenizer.backend.bos_token, tokenizer.backend.eos_token = "<s>", "</s>"
    named = [("<s>", 256), ("</s>", 257)]
    tokenizer.backend.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=named
    )
    return tokenizer


def harness_pair(tokenizer: TextTokenizer, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Tokens of both as lm-evaluation-harness 0.4.13 cuts them: the tokenizer's defaults, and the context's length."""
    spaces = len(context) - len(context.rstrip())
    if spaces:
        continuation, context = context[-spaces:] + continuation, context[:-spaces]
    whole, alone = tokenizer.backend.encode(context + continuation), tokenizer.backend.encode(context)
    return alone, whole[len(alone) :]


FAMILY_ITEMS = (
    HellaSwagItem("a ball", (" b", "on it", "zq", "sat"), 0),
    HellaSwagItem("a ball and a dog", ("on the mat", "came in with a cat", "zq", "sat and sat"), 0),
    HellaSwagItem("a", ("b c", "d", "e f", "g, and then a longer one that goes beyond every window here"), 0),
    HellaSwagItem("all that it was and is " * 3 + "not", ("so", "a dog came in", "x", "here or there"), 0),
)
"""Packed rows of 19 to 97 tokens, single ones of 9 to 88; windows are 16 tokens wide."""


@pytest.mark.parametrize("name", small_networks.NAMES)
@pytest.mark.parametrize("batch_tokens", [1, 1000], ids=["one by one", "together"])
def test_every_family_gives_the_sums_of_a_plain_forward_an_ending(
    name: str, batch_tokens: int, tiny_gpt2: LoadedModel
) -> None:
    model = small_networks.model(name, tiny_gpt2)
    result = steps.run(evaluate.evaluate_hellaswag_steps(model, FAMILY_ITEMS, batch_tokens=batch_tokens))
    plain = [[family_sum(name, item.context, ending) for ending in item.endings] for item in FAMILY_ITEMS]
    np.testing.assert_allclose(result.log_likelihoods, plain, atol=1e-2)


def family_sum(name: str, context: str, ending: str) -> float:
    ids = list(f"{context} {ending}".encode())
    log_probs = small_networks.logits(name, ids).log_softmax(-1)
    return sum(log_probs[at - 1, ids[at]].item() for at in range(len(context.encode()), len(ids)))


@pytest.mark.parametrize("name", small_networks.NAMES)
def test_the_way_that_is_taken_is_said(name: str, tiny_gpt2: LoadedModel) -> None:
    model = small_networks.model(name, tiny_gpt2)
    said: list[str] = []
    work = evaluate.evaluate_hellaswag_steps(model, FAMILY_ITEMS[1:2])
    result = steps.run(work, lambda progress: said.append(progress.message))
    assert result.notes == (() if name in {"gpt2", "llama"} else (evaluate.APART,))
    assert (evaluate.APART in said[-1]) == bool(result.notes)


def test_rows_beyond_a_window_are_not_packed(tiny_gpt2: LoadedModel) -> None:
    for name in ("mistral", "gemma3", "gpt_neo"):
        assert not packing.packs(small_networks.model(name, tiny_gpt2), small_networks.WINDOW + 1)
    assert packing.packs(small_networks.model("llama", tiny_gpt2), small_networks.WINDOW + 1)


@pytest.mark.parametrize("precision", ["bfloat16", "int8", "nf4"])
def test_rounding_does_not_refute_and_a_mistake_does(precision: str) -> None:
    """Logits as two ways through a rounded network give them: all a little apart, single ones far; or one row wrong."""
    generator = torch.Generator().manual_seed(0)
    exact = 3 * torch.randn(40, 500, generator=generator)
    noise = torch.randn(40, 500, generator=generator) * torch.rand(40, 1, generator=generator)
    assert (0.05 * 3 * noise).abs().max() > 0.1 * 3
    assert proofs.same(exact + 0.05 * 3 * noise, exact, precision)
    assert not proofs.same(exact + 0.05 * 3 * noise, exact, "float32")
    mistaken = exact.clone()
    mistaken[::5] = exact[::5].roll(1, dims=1)  # each fifth position is another one
    assert not proofs.same(mistaken, exact, precision)
    assert not proofs.same(exact * float("nan"), exact, precision)


def test_whatever_a_network_raises_when_asked_to_pack_refutes_packing(tiny_gpt2: LoadedModel) -> None:
    model = small_networks.model("bloom", tiny_gpt2)
    assert not packing.packs(model, 20)
    assert small_networks.proved(model)["packed"] is False


@pytest.mark.parametrize("context", ["The dog", "The dog ", "The dog  "])
def test_tokens_are_the_harnesss_for_a_tokenizer_that_opens_texts(context: str) -> None:
    tokenizer = opened_by("<s> $A")
    item = HellaSwagItem(context, ("barks.", "is", "7", "½ 🙂"), 0)
    ours = packing.encode_item(tokenizer, item)
    theirs = [harness_pair(tokenizer, context, " " + ending) for ending in item.endings]
    assert [ours.context.tolist()] * 4 == [alone for alone, _ in theirs]
    assert [ending.tolist() for ending in ours.endings] == [ending for _, ending in theirs]
    assert ours.context[0] == 256


def test_nothing_is_put_behind_a_text_even_if_the_tokenizer_does() -> None:
    tokenizer = opened_by("<s> $A </s>")
    item = HellaSwagItem("The dog", ("barks.", "is", "7", "x"), 0)
    ours = packing.encode_item(tokenizer, item)
    assert ours.context.tolist() == [256, *b"The dog"]
    assert [bytes(ending.tolist()) for ending in ours.endings] == [b" barks.", b" is", b" 7", b" x"]
    alone, cut = harness_pair(tokenizer, "The dog", " barks.")
    assert (alone[-1], cut) == (257, [*b"barks.", 257])  # a token late, and with the closing one: not followed


@pytest.mark.parametrize(("bos", "opening"), [("auto", [256]), ("on", [256]), ("off", [])])
def test_log_likelihoods_are_those_behind_the_opening_token(
    bos: str, opening: list[int], tiny_gpt2: LoadedModel
) -> None:
    model = replace(small_networks.model("llama", tiny_gpt2), tokenizer=opened_by("<s> $A"))
    item = FAMILY_ITEMS[1]
    result = evaluate.evaluate_hellaswag(model, [item], bos=bos)  # type: ignore[arg-type]
    for ending, found in zip(item.endings, result.log_likelihoods[0], strict=True):
        context, ids = [*opening, *item.context.encode()], list(f" {ending}".encode())
        log_probs = small_networks.logits("llama", context + ids).log_softmax(-1)
        wanted = sum(log_probs[len(context) + at - 1, token].item() for at, token in enumerate(ids))
        assert found == pytest.approx(wanted, abs=1e-3)


def test_an_opening_token_that_there_is_not_is_refused() -> None:
    with pytest.raises(ParameterError, match="no token that opens"):
        evaluate.evaluate_hellaswag(fakes.uniform_model(bos_id=None), ITEMS, bos="on")


def test_a_context_without_tokens_is_read_as_the_token_that_opens_a_text() -> None:
    model = fakes.random_model(1)
    item = HellaSwagItem("", ("a", "b", "cd", "e"), 0)
    log_probs = model.table.log_softmax(-1)
    space = log_probs[256, ord(" ")]
    ends = [log_probs[ord(" "), ord("a")], log_probs[ord(" "), ord("b")]]
    result = evaluate.evaluate_hellaswag(model, [item])
    np.testing.assert_allclose(result.log_likelihoods[0, :2], [float(space + end) for end in ends], rtol=1e-5)


def swallowing_tokenizer() -> TextTokenizer:
    """A token a byte, but one for "cat" and one for "cat x"."""
    tokenizer = fakes.byte_tokenizer((("c", "a"), ("ca", "t"), ("cat", "Ġ"), ("catĠ", "x")))
    backend = tokenizer.backend.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer


def test_items_that_cannot_be_scored_are_left_out_and_counted() -> None:
    tokenizer = swallowing_tokenizer()
    model = fakes.uniform_model(261, tokenizer=tokenizer)
    swallowed = HellaSwagItem("cat", ("x", "y", "z", "w"), 0)  # "cat x" is one token, as "cat" is
    too_long = HellaSwagItem("A dog", ("barks", "x" * 64, "is", "was"), 0)  # with its space one more than are read
    just_read = HellaSwagItem("A dog", ("barks", "x" * 63, "is", "was"), 0)
    result = evaluate.evaluate_hellaswag(model, [swallowed, ITEMS[0], too_long, just_read])
    assert result.items.tolist() == [1, 3]
    assert result.left_out == 2
    assert result.notes[0].startswith("2 items were left out")
    np.testing.assert_allclose(result.log_likelihoods, -np.log(261) * result.tokens, rtol=1e-5)
    with pytest.raises(InputError, match="No item can be evaluated"):
        evaluate.evaluate_hellaswag(model, [swallowed, too_long])


def test_two_results_are_set_side_by_side_over_the_items_that_both_have() -> None:
    tokenizer = swallowing_tokenizer()
    swallowed = HellaSwagItem("cat", ("x", "y", "z", "w"), 3)
    items = [swallowed, *ITEMS]
    both = [
        evaluate.evaluate_hellaswag(model, items)
        for model in (fakes.uniform_model(261, tokenizer=tokenizer), fakes.random_model(3))
    ]
    assert [len(one) for one in both] == [3, 4]
    kept, (first, second) = evaluate.shared(items, both)
    assert kept == ITEMS
    assert first.labels.tolist() == second.labels.tolist() == [item.label for item in ITEMS]
    np.testing.assert_array_equal(second.log_likelihoods, both[1].log_likelihoods[1:])


def test_shared_contexts_give_the_log_likelihoods_of_four_separate_passes(tiny_gpt2: LoadedModel) -> None:
    result = evaluate.evaluate_hellaswag(tiny_gpt2, ITEMS)
    plain = [[plain_log_likelihood(tiny_gpt2, item.context, ending) for ending in item.endings] for item in ITEMS]
    np.testing.assert_allclose(result.log_likelihoods, plain, atol=1e-4)


def test_the_embedded_model_too(smollm2: LoadedModel) -> None:
    result = evaluate.evaluate_hellaswag(smollm2, ITEMS[:2])
    plain = [[plain_log_likelihood(smollm2, item.context, ending) for ending in item.endings] for item in ITEMS[:2]]
    np.testing.assert_allclose(result.log_likelihoods, plain, atol=1e-3)
    assert result.choices("acc").tolist() == np.argmax(plain, axis=1).tolist()


def test_the_embedded_model_packs_and_pads_in_bfloat16_too(smollm2: LoadedModel) -> None:
    model = load_model(smollm2.spec, "bfloat16", "cpu")
    assert packing.packs(model, 200)
    assert hidden_states.pads(model, 200)
    assert writing.way(model, 60) == "together"


def test_batches_of_any_size_give_the_same_numbers(tiny_gpt2: LoadedModel) -> None:
    one = steps.run(evaluate.evaluate_hellaswag_steps(tiny_gpt2, ITEMS, batch_tokens=1))
    all_ = steps.run(evaluate.evaluate_hellaswag_steps(tiny_gpt2, ITEMS, batch_tokens=10_000))
    np.testing.assert_allclose(one.log_likelihoods, all_.log_likelihoods, atol=1e-4)


def test_an_item_longer_than_the_context_loses_its_beginning(tiny_gpt2: LoadedModel) -> None:
    item = HellaSwagItem("word " * 200 + "end", ITEMS[0].endings, 0)
    result = evaluate.evaluate_hellaswag(tiny_gpt2, [item])
    ids = packing.encode_item(tiny_gpt2.tokenizer, item)
    row = np.concatenate([ids.context, ids.endings[1]])[-(tiny_gpt2.context_length + 1) :]
    with torch.inference_mode():
        log_probs = tiny_gpt2.network(input_ids=torch.from_numpy(row[None, :-1])).logits[0].log_softmax(dim=1)
    n = len(ids.endings[1])
    wanted = log_probs[-n:].gather(1, torch.from_numpy(row[-n:, None])).sum().item()
    assert result.log_likelihoods[0, 1] == pytest.approx(wanted, abs=1e-3)


def test_a_model_without_masks_is_scored_ending_by_ending() -> None:
    result = evaluate.evaluate_hellaswag(fakes.uniform_model(), ITEMS)
    lengths = [[len((" " + ending).encode()) for ending in item.endings] for item in ITEMS]
    lengths[1] = [length + 1 for length in lengths[1]]  # its context's last space is the endings'
    np.testing.assert_allclose(result.log_likelihoods, -np.log(257) * np.array(lengths), rtol=1e-5)
    assert result.tokens.tolist() == lengths


def test_conventions_divide_by_what_they_say() -> None:
    result = evaluate.evaluate_hellaswag(fakes.uniform_model(), ITEMS)
    assert result.characters[1].tolist() == [16, 9, 10, 28]
    assert result.octets[1].tolist() == [16, 9, 14, 28]
    np.testing.assert_allclose(result.normalised("acc_norm"), result.log_likelihoods / result.characters)
    np.testing.assert_allclose(result.normalised("acc_bytes"), result.log_likelihoods / result.octets)
    assert result.choices("acc").tolist() == [2, 1, 2]
    assert result.accuracy("acc").value == pytest.approx(1 / 3)
    assert result.accuracy("acc").error == pytest.approx(np.std([0, 0, 1], ddof=1) / np.sqrt(3))


def test_probabilities_are_the_softmax_over_the_four_sums(tiny_gpt2: LoadedModel) -> None:
    result = evaluate.evaluate_hellaswag(tiny_gpt2, ITEMS)
    sums = np.exp(result.log_likelihoods)
    np.testing.assert_allclose(result.probabilities, sums / sums.sum(axis=1, keepdims=True))


def test_kept_batches_are_not_computed_again() -> None:
    keep, model = MemoryKeeper(), fakes.uniform_model()
    first = steps.run(evaluate.evaluate_hellaswag_steps(model, ITEMS, keep=keep, batch_tokens=1))
    model.calls.clear()
    again = steps.run(evaluate.evaluate_hellaswag_steps(model, ITEMS, keep=keep, batch_tokens=1))
    assert not model.calls
    np.testing.assert_array_equal(again.log_likelihoods, first.log_likelihoods)


def test_batches_kept_before_items_could_be_left_out_are_read_as_they_are() -> None:
    arrays = {"members": np.array([2, 0]), "log_likelihoods": -np.ones((2, 4)), "tokens": np.ones((2, 4), dtype=int)}
    batch = Batch("items", 0, 1.5, arrays, {"model_title": "Table", "model_key": "table"})
    result = evaluate.reopened([batch], ITEMS)
    assert result.items.tolist() == [0, 2]
    assert (result.left_out, result.notes, result.seconds) == (0, (), 1.5)


def test_no_items_are_refused() -> None:
    with pytest.raises(InputError, match="no items"):
        evaluate.evaluate_hellaswag(fakes.uniform_model(), [])


def test_each_ending_sees_the_context_and_itself_only() -> None:
    item = packing.EncodedItem(np.array([5, 6]), tuple(np.array(ids) for ids in ([1, 2, 3], [4, 5], [6], [7, 8])))
    batch = packing.pack([item])
    assert batch.token_ids[0].tolist() == [5, 6, 1, 2, 4, 7]
    assert batch.positions[0].tolist() == [0, 1, 2, 3, 2, 2]
    assert batch.query_columns.tolist() == [1, 2, 3, 1, 4, 1, 1, 5]
    seen = [row.nonzero().flatten().tolist() for row in batch.visible[0]]
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 4], [0, 1, 5]]

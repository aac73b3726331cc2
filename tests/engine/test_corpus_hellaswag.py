"""HellaSwag's log-likelihoods against one plain forward pass an ending, and its conventions by hand."""

import numpy as np
import pytest
import torch

from engine import steps
from engine.corpus import endings, hellaswag
from engine.corpus.items import HellaSwagItem
from engine.errors import InputError
from engine.model import LoadedModel
from tests.engine import fakes
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


def test_shared_contexts_give_the_log_likelihoods_of_four_separate_passes(tiny_gpt2: LoadedModel) -> None:
    result = hellaswag.evaluate_hellaswag(tiny_gpt2, ITEMS)
    plain = [[plain_log_likelihood(tiny_gpt2, item.context, ending) for ending in item.endings] for item in ITEMS]
    np.testing.assert_allclose(result.log_likelihoods, plain, atol=1e-4)


def test_the_embedded_model_too(smollm2: LoadedModel) -> None:
    result = hellaswag.evaluate_hellaswag(smollm2, ITEMS[:2])
    plain = [[plain_log_likelihood(smollm2, item.context, ending) for ending in item.endings] for item in ITEMS[:2]]
    np.testing.assert_allclose(result.log_likelihoods, plain, atol=1e-3)
    assert result.choices("acc").tolist() == np.argmax(plain, axis=1).tolist()


def test_batches_of_any_size_give_the_same_numbers(tiny_gpt2: LoadedModel) -> None:
    one = steps.run(hellaswag.evaluate_hellaswag_steps(tiny_gpt2, ITEMS, batch_tokens=1))
    all_ = steps.run(hellaswag.evaluate_hellaswag_steps(tiny_gpt2, ITEMS, batch_tokens=10_000))
    np.testing.assert_allclose(one.log_likelihoods, all_.log_likelihoods, atol=1e-4)


def test_an_item_longer_than_the_context_loses_its_beginning(tiny_gpt2: LoadedModel) -> None:
    item = HellaSwagItem("word " * 200 + "end", ITEMS[0].endings, 0)
    result = hellaswag.evaluate_hellaswag(tiny_gpt2, [item])
    ids = endings.encode_item(tiny_gpt2.tokenizer, item)
    row = np.concatenate([ids.context, ids.endings[1]])[-(tiny_gpt2.context_length + 1) :]
    with torch.inference_mode():
        log_probs = tiny_gpt2.network(input_ids=torch.from_numpy(row[None, :-1])).logits[0].log_softmax(dim=1)
    n = len(ids.endings[1])
    wanted = log_probs[-n:].gather(1, torch.from_numpy(row[-n:, None])).sum().item()
    assert result.log_likelihoods[0, 1] == pytest.approx(wanted, abs=1e-3)


def test_a_model_without_masks_is_scored_ending_by_ending() -> None:
    result = hellaswag.evaluate_hellaswag(fakes.uniform_model(), ITEMS)
    lengths = [[len((" " + ending).encode()) for ending in item.endings] for item in ITEMS]
    lengths[1] = [length + 1 for length in lengths[1]]  # its context's last space is the endings'
    np.testing.assert_allclose(result.log_likelihoods, -np.log(257) * np.array(lengths), rtol=1e-5)
    assert result.tokens.tolist() == lengths


def test_conventions_divide_by_what_they_say() -> None:
    result = hellaswag.evaluate_hellaswag(fakes.uniform_model(), ITEMS)
    assert result.characters[1].tolist() == [16, 9, 10, 28]
    assert result.octets[1].tolist() == [16, 9, 14, 28]
    np.testing.assert_allclose(result.normalised("acc_norm"), result.log_likelihoods / result.characters)
    np.testing.assert_allclose(result.normalised("acc_bytes"), result.log_likelihoods / result.octets)
    assert result.choices("acc").tolist() == [2, 1, 2]
    assert result.accuracy("acc").value == pytest.approx(1 / 3)
    assert result.accuracy("acc").error == pytest.approx(np.std([0, 0, 1], ddof=1) / np.sqrt(3))


def test_probabilities_are_the_softmax_over_the_four_sums(tiny_gpt2: LoadedModel) -> None:
    result = hellaswag.evaluate_hellaswag(tiny_gpt2, ITEMS)
    sums = np.exp(result.log_likelihoods)
    np.testing.assert_allclose(result.probabilities, sums / sums.sum(axis=1, keepdims=True))


def test_kept_batches_are_not_computed_again() -> None:
    keep, model = MemoryKeeper(), fakes.uniform_model()
    first = steps.run(hellaswag.evaluate_hellaswag_steps(model, ITEMS, keep=keep, batch_tokens=1))
    model.calls.clear()
    again = steps.run(hellaswag.evaluate_hellaswag_steps(model, ITEMS, keep=keep, batch_tokens=1))
    assert not model.calls
    np.testing.assert_array_equal(again.log_likelihoods, first.log_likelihoods)


def test_no_items_are_refused() -> None:
    with pytest.raises(InputError, match="no items"):
        hellaswag.evaluate_hellaswag(fakes.uniform_model(), [])


def test_each_ending_sees_the_context_and_itself_only() -> None:
    item = endings.EncodedItem(np.array([5, 6]), tuple(np.array(ids) for ids in ([1, 2, 3], [4, 5], [6], [7, 8])))
    batch = endings.pack([item])
    assert batch.token_ids[0].tolist() == [5, 6, 1, 2, 4, 7]
    assert batch.positions[0].tolist() == [0, 1, 2, 3, 2, 2]
    assert batch.query_columns.tolist() == [1, 2, 3, 1, 4, 1, 1, 5]
    seen = [row.nonzero().flatten().tolist() for row in batch.visible[0]]
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 4], [0, 1, 5]]

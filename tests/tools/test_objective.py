"""Chunk by chunk is the plain way: loss, gradient, and how much is held."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import GPT2LMHeadModel

from engine.model import LoadedModel
from tools.distil import objective, student
from tools.distil.config import Recipe
from tools.distil.objective import Losses

WEIGHT, CHUNK = 0.7, 50


class LargestTensor(TorchDispatchMode):
    """Counts the elements of the largest tensor that any operation makes, backwards too."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(found) if isinstance(leaf, torch.Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return found


@pytest.fixture
def network(recipe: Recipe) -> GPT2LMHeadModel:
    return student.build(recipe.student, 257, 256, 1)


@pytest.fixture
def windows() -> torch.Tensor:
    return torch.randint(0, 256, (6, 33), generator=torch.Generator().manual_seed(0))


def plain(network: GPT2LMHeadModel, teacher: LoadedModel, windows: torch.Tensor) -> Losses:
    """All logits at once, divergence by its definition, autograd through everything."""
    inputs, targets = windows[:, :-1], windows[:, 1:]
    with torch.no_grad():
        p = teacher.network(input_ids=inputs).logits.softmax(-1)
    q = network(input_ids=inputs).logits.softmax(-1)
    losses = Losses((p * (p / q).log()).sum(-1).mean(), -q.gather(2, targets[..., None]).log().mean())
    losses.weighted(WEIGHT).backward()
    return losses


def gradients(network: GPT2LMHeadModel) -> dict[str, torch.Tensor]:
    return {name: weights.grad for name, weights in network.named_parameters() if weights.grad is not None}


def chunked(network: GPT2LMHeadModel, teacher: LoadedModel, windows: torch.Tensor, autocast: bool = False) -> Losses:
    return objective.accumulate(network, teacher, windows, weight=WEIGHT, chunk=CHUNK, autocast=autocast)


def test_loss_and_gradient_are_those_of_the_plain_way(
    network: GPT2LMHeadModel, teacher: LoadedModel, windows: torch.Tensor
) -> None:
    other = copy.deepcopy(network)
    expected, found = plain(other, teacher, windows), chunked(network, teacher, windows)
    torch.testing.assert_close((found.kl, found.cross_entropy), (expected.kl, expected.cross_entropy))
    torch.testing.assert_close(gradients(network), gradients(other), rtol=1e-4, atol=1e-6)


def test_bfloat16_gives_nearly_the_same_gradient(
    network: GPT2LMHeadModel, teacher: LoadedModel, windows: torch.Tensor
) -> None:
    other = copy.deepcopy(network)
    expected, found = chunked(other, teacher, windows), chunked(network, teacher, windows, autocast=True)
    assert found.kl.item() == pytest.approx(expected.kl.item(), rel=0.01)
    for name, exact in gradients(other).items():
        assert F.cosine_similarity(gradients(network)[name].flatten(), exact.flatten(), dim=0) > 0.99, name


def test_a_uniform_student_has_closed_form_losses(
    network: GPT2LMHeadModel, teacher: LoadedModel, windows: torch.Tensor
) -> None:
    with torch.no_grad():
        network.transformer.wte.weight.zero_()
    found, log_v = chunked(network, teacher, windows), torch.tensor(257.0).log()
    p = teacher.network(input_ids=windows[:, :-1]).logits.softmax(-1)
    entropy = -(p * p.log()).sum(-1).mean()
    torch.testing.assert_close((found.cross_entropy, found.kl), (log_v, log_v - entropy))


def test_no_more_than_a_chunk_of_logits_is_held(
    network: GPT2LMHeadModel, teacher: LoadedModel, windows: torch.Tensor
) -> None:
    def largest(run: Callable[..., Losses]) -> int:
        with LargestTensor() as mode:
            run(network, teacher, windows)
        return mode.elements

    positions = windows[:, 1:].numel()
    assert largest(plain) >= positions * 257
    assert largest(chunked) <= max(CHUNK * 257, positions * 4 * 32), "4 x 32 is the width inside a block"


def test_agreement_with_itself_is_perfect_and_with_another_is_not(
    network: GPT2LMHeadModel, teacher: LoadedModel, windows: torch.Tensor
) -> None:
    same = objective.agreement(teacher.network, teacher, windows, batch=4, chunk=CHUNK, autocast=False)  # type: ignore[arg-type]
    assert (same.kl, same.same_top1) == (pytest.approx(0, abs=1e-6), 1.0)
    assert same.correlation == pytest.approx(1)
    assert same.perplexity_student == pytest.approx(same.perplexity_teacher)
    other = objective.agreement(network, teacher, windows, batch=4, chunk=CHUNK, autocast=False)
    losses = chunked(network, teacher, windows)
    assert other.kl == pytest.approx(losses.kl.item(), rel=1e-4)
    assert other.perplexity_student == pytest.approx(losses.cross_entropy.exp().item(), rel=1e-4)

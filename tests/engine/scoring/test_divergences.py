"""Divergences of rows whose logits are masked, and of rows with ties, against their definitions in float64."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import special

from engine.scoring import compare, divergences, head
from tests.engine import fakes

VOCABULARY = 130  # no multiple of the workspace's blocks, so that there is padding
MASKS = (-np.inf, -1e30, float(np.finfo(np.float32).min), float(torch.finfo(torch.bfloat16).min))


def between(logits_a: np.ndarray, logits_b: np.ndarray, n_changed: int = 3) -> divergences.Divergences:
    spaces = []
    for logits in (logits_a, logits_b):
        space = head.Workspace(logits.shape[1], torch.device("cpu"))
        space.read(torch.tensor(logits, dtype=torch.float32), torch.zeros(len(logits), dtype=torch.long), 2)
        spaces.append(space)
    return divergences.between(*spaces, n_changed)


def by_definition(logits_a: np.ndarray, logits_b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """KL both ways and JS with every mask an exact zero of probability, by scipy in float64."""
    p, q = (
        special.softmax(np.where(np.float32(logits) < -1e29, -np.inf, np.float32(logits)).astype(np.float64), axis=1)
        for logits in (logits_a, logits_b)
    )
    middle = (p + q) / 2
    kl = [special.rel_entr(x, y).sum(axis=1) for x, y in ((p, q), (q, p), (p, middle), (q, middle))]
    return kl[0], kl[1], (kl[2] + kl[3]) / 2


def assert_right(logits_a: np.ndarray, logits_b: np.ndarray, tolerance: float = 2e-5) -> None:
    found = between(logits_a, logits_b)
    for number, expected in zip((found.kl_ab, found.kl_ba, found.js), by_definition(logits_a, logits_b), strict=True):
        np.testing.assert_allclose(number.numpy(), expected, rtol=tolerance, atol=tolerance)
    assert (found.js <= np.log(2)).all()


def rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    a, e = np.random.default_rng(seed).normal(scale=2, size=(2, 4, VOCABULARY))
    return a, a + e / 2


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("mask_b", MASKS)
def test_tokens_both_rule_out_add_nothing(mask: float, mask_b: float) -> None:
    a, b = rows(0)
    a[:, :20], b[:, :20] = mask, mask_b
    assert_right(a, b)
    without = between(a[:, 20:], b[:, 20:])
    np.testing.assert_allclose(between(a, b).kl_ab, without.kl_ab, rtol=1e-5)


@pytest.mark.parametrize("mask", MASKS)
def test_kl_is_infinite_if_only_the_second_model_rules_out_a_token(mask: float) -> None:
    a, b = rows(1)
    b[1:, 5] = mask
    found = between(a, b)
    assert np.isfinite(found.kl_ab.numpy()).tolist() == [True, False, False, False]
    assert torch.isfinite(found.kl_ba).all()
    assert torch.isfinite(found.js).all()
    assert_right(a, b)
    assert_right(b, a)


def test_models_that_allow_different_tokens_are_as_far_apart_as_can_be() -> None:
    a, b = rows(2)
    a[:, ::2], b[:, 1::2] = -np.inf, -1e30
    found = between(a, b)
    assert torch.isinf(found.kl_ab).all()
    assert torch.isinf(found.kl_ba).all()
    np.testing.assert_allclose(found.js, np.log(2), rtol=1e-7)


def test_a_masked_token_that_is_hardly_believed_in_still_counts() -> None:
    a, b = rows(3)
    a[:, 7] = -70.0  # its probability times a floor of -1e30 would be a harmless-looking number
    b[:, 7] = -1e30
    assert torch.isinf(between(a, b).kl_ab).all()
    assert torch.isfinite(between(a, b).kl_ba).all()


def test_log_probabilities_far_apart_but_not_masked_keep_js_to_its_digits() -> None:
    a, b = rows(4)
    a[:, 3], b[:, 3] = 20.0, -65504.0  # a mask in float16: finite, so KL is too, though huge
    found = between(a, b)
    p = special.softmax(a, axis=1)[:, 3]
    np.testing.assert_allclose(found.kl_ab, 65504 * p, rtol=1e-2)
    expected = by_definition(a, b)
    np.testing.assert_allclose(found.js, expected[2], atol=1e-6)
    np.testing.assert_allclose(found.kl_ba, expected[1], rtol=1e-5)


@given(
    seed=st.integers(0, 100),
    share_a=st.floats(0, 0.9),
    share_b=st.floats(0, 0.9),
    masks=st.tuples(st.sampled_from(MASKS), st.sampled_from(MASKS)),
)
@example(seed=0, share_a=0.5, share_b=0.0, masks=(-np.inf, -np.inf))
@settings(max_examples=60, deadline=None)
def test_any_pattern_of_masks_gives_the_defined_numbers(
    seed: int, share_a: float, share_b: float, masks: tuple[float, float]
) -> None:
    a, b = rows(seed)
    generator = np.random.default_rng(seed)
    for logits, share, mask in zip((a, b), (share_a, share_b), masks, strict=True):
        logits[:, 1:][generator.uniform(size=(4, VOCABULARY - 1)) < share] = mask  # one token is left in any case
    assert_right(a, b)


def test_one_masked_row_leaves_the_others_as_they_are() -> None:
    a, b = rows(5)
    plain = between(a, b)
    b[2, 5] = -np.inf
    found = between(a, b)
    others = [0, 1, 3]
    for name in ("kl_ab", "kl_ba", "js", "same_top1", "changed_log_probs_a"):
        assert torch.equal(getattr(found, name)[others], getattr(plain, name)[others])


def test_first_guesses_share_out_ties() -> None:
    best = np.zeros((6, VOCABULARY), dtype=bool)
    other = best.copy()
    best[0, [4]] = other[0, [4]] = True  # the same one
    best[1, [4]] = other[1, [9]] = True  # another
    best[2, [4, 9]], other[2, [9]] = True, True  # one of two
    best[3, [1, 2]] = other[3, [1, 2]] = True  # the same two
    best[4, [1, 2]], other[4, [2, 3]] = True, True  # one in common of three
    best[5, [1, 2, 3, 4]], other[5, [5]] = True, True  # none in common
    noise_a, noise_b = np.random.default_rng(0).uniform(-9, -1, size=(2, 6, VOCABULARY))
    found = between(np.where(best, 3.0, noise_a), np.where(other, 5.0, noise_b))
    np.testing.assert_allclose(found.same_top1, [1, 0, 1 / 2, 1, 1 / 3, 0], rtol=1e-6)


def test_a_comparison_carries_the_shares_as_numbers() -> None:
    table = torch.zeros(257, 257)
    tied, single = table.clone(), table.clone()
    tied[:, [65, 66]] = 2.0
    single[:, 66] = 2.0
    found = compare.compare_models(fakes.TableModel(tied), fakes.TableModel(single), "abc")
    assert found.same_top1 is not None
    assert found.same_top1.tolist() == [0.0, 0.5, 0.5]
    assert found.to_csv().splitlines()[2].endswith(",0.5")
    assert found.to_dict()["same_top1"] == [0.0, 0.5, 0.5]

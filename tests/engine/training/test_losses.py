"""The divergences against calculations by hand, in float64 on a vocabulary of five."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.training import losses
from engine.training.losses import REVERSE_MIX, Target

LOGITS = [0.5, -1.0, 2.0, 0.25, -0.75]
WANTED = [1, 3]
Q = [0.0, 0.5, 0.0, 0.5, 0.0]
TARGET = Target(torch.tensor(WANTED), 5)


def probabilities(logits: list[float]) -> list[float]:
    total = sum(math.exp(z) for z in logits)
    return [math.exp(z) / total for z in logits]


def log_probs(logits: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(logits, dim=-1)


def gradient(loss_of: "object", logits: list[float]) -> list[float]:
    z = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    loss_of(log_probs(z)).backward()  # type: ignore[operator]
    assert z.grad is not None
    return list(z.grad.tolist())


def test_the_losses_are_what_a_hand_calculation_gives() -> None:
    p = probabilities(LOGITS)
    lp = log_probs(torch.tensor(LOGITS, dtype=torch.float64))
    cross_entropy = -sum(q * math.log(each) for q, each in zip(Q, p, strict=True))
    assert TARGET.cross_entropy(lp).item() == pytest.approx(cross_entropy, abs=1e-12)
    assert TARGET.entropy == pytest.approx(math.log(2))
    assert TARGET.kl_divergence(lp).item() == pytest.approx(cross_entropy - math.log(2), abs=1e-12)
    assert TARGET.exact_kl(lp).item() == pytest.approx(cross_entropy - math.log(2), abs=1e-12)
    assert TARGET.wanted_mass(lp).item() == pytest.approx(p[1] + p[3], abs=1e-12)


def test_the_gradient_of_the_pull_is_p_minus_q() -> None:
    expected = [each - q for each, q in zip(probabilities(LOGITS), Q, strict=True)]
    assert gradient(lambda lp: TARGET.loss(lp, "forward"), LOGITS) == pytest.approx(expected, abs=1e-12)


def test_the_reverse_loss_and_its_gradient_are_what_a_hand_calculation_gives() -> None:
    p = probabilities(LOGITS)
    q = [(1 - REVERSE_MIX) * each + REVERSE_MIX / 5 for each in Q]
    by_hand = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    lp = log_probs(torch.tensor(LOGITS, dtype=torch.float64))
    assert TARGET.loss(lp, "reverse").item() == pytest.approx(by_hand, abs=1e-12)
    # d/dz_i sum p ln(p/q) = p_i (ln(p_i/q_i) - D)
    expected = [a * (math.log(a / b) - by_hand) for a, b in zip(p, q, strict=True)]
    assert gradient(lambda lp: TARGET.loss(lp, "reverse"), LOGITS) == pytest.approx(expected, abs=1e-12)


def test_the_penalty_is_kl_from_the_start_with_its_gradient() -> None:
    start_logits = [0.0, 0.3, 1.0, -0.4, 0.1]
    p, q = probabilities(LOGITS), probabilities(start_logits)
    by_hand = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    start = log_probs(torch.tensor(start_logits, dtype=torch.float64))
    lp = log_probs(torch.tensor(LOGITS, dtype=torch.float64))
    assert losses.kl_penalty(lp, start).item() == pytest.approx(by_hand, abs=1e-12)
    assert losses.exact_kl_to(lp, start).item() == pytest.approx(by_hand, abs=1e-12)
    expected = [a * (math.log(a / b) - by_hand) for a, b in zip(p, q, strict=True)]
    assert gradient(lambda each: losses.kl_penalty(each, start), LOGITS) == pytest.approx(expected, abs=1e-12)


def test_floor_and_start_are_ln_w_and_ln_v_over_w() -> None:
    target = Target(torch.arange(985), 50_257)
    uniform = torch.full((50_257,), -math.log(50_257))
    at_floor = torch.where(torch.arange(50_257) < 985, -math.log(985), -60.0)
    assert target.cross_entropy(uniform).item() == pytest.approx(math.log(50_257), rel=1e-5)
    assert target.exact_kl(uniform).item() == pytest.approx(math.log(50_257 / 985), rel=1e-5)
    assert target.exact_kl(uniform).item() == pytest.approx(3.932, abs=1e-3)
    assert target.cross_entropy(at_floor).item() == pytest.approx(6.8926, abs=1e-3)
    assert target.exact_kl(at_floor).item() == pytest.approx(0.0, abs=1e-5)


@given(st.lists(st.floats(-30, 30), min_size=5, max_size=5), st.lists(st.floats(-30, 30), min_size=5, max_size=5))
def test_no_divergence_on_record_is_ever_negative(logits: list[float], start_logits: list[float]) -> None:
    lp, start = log_probs(torch.tensor(logits)), log_probs(torch.tensor(start_logits))
    assert TARGET.exact_kl(lp).item() >= 0
    assert losses.exact_kl_to(lp, start).item() >= 0
    assert losses.exact_kl_to(lp, lp).item() == 0


def test_no_divergence_is_negative_at_the_floor_where_rounding_decides_the_sign() -> None:
    target = Target(torch.arange(985), 50_257)
    logits = torch.where(torch.arange(50_257) < 985, 20.0, -80.0)
    noise = torch.randn(64, 50_257, generator=torch.Generator().manual_seed(0)) * 1e-6
    assert (target.exact_kl(torch.log_softmax(logits + noise, dim=-1)) >= 0).all()

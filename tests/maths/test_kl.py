from dataclasses import asdict
from math import exp, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths.kl import KLController, kl_estimate, kl_exact

DOUBLE = torch.float64
POLICY = torch.tensor([0.3, -1.2, 0.8, 0.0, 1.7], dtype=DOUBLE)
REFERENCE = torch.tensor([-0.5, 0.4, 0.9, 1.1, -0.2], dtype=DOUBLE)
"""Logits over a vocabulary of five: far enough apart (1.0 nat) that wrong gradients cannot pass for right ones."""


def divergence(logits: torch.Tensor) -> torch.Tensor:
    return kl_exact(logits.log_softmax(-1), REFERENCE.log_softmax(-1))


def finite_differences(function, at: torch.Tensor, step: float = 1e-6) -> torch.Tensor:
    steps = step * torch.eye(len(at), dtype=DOUBLE)
    return torch.stack([(function(at + h) - function(at - h)) / (2 * step) for h in steps])


def expected_gradient(kind: str) -> torch.Tensor:
    """The gradient of the estimate as a loss, averaged over every token the policy can draw, exactly."""
    logits = POLICY.clone().requires_grad_()
    log_p = logits.log_softmax(-1)
    drawn_with = log_p.detach().exp()
    (drawn_with * kl_estimate(log_p, REFERENCE.log_softmax(-1), kind)).sum().backward()
    return logits.grad


# ---------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("kind", "at_plus_one", "at_minus_one"),
    [("k1", 1.0, -1.0), ("k2", 0.5, 0.5), ("k3", exp(-1), exp(1) - 2)],
)
def test_estimates_where_policy_and_reference_differ_by_one_nat(kind, at_plus_one, at_minus_one):
    found = kl_estimate(torch.tensor([-1.0, -2.0]), torch.tensor([-2.0, -1.0]), kind)
    assert found.tolist() == pytest.approx([at_plus_one, at_minus_one], rel=1e-6)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_estimates_are_exactly_zero_where_nothing_differs(kind):
    logprobs = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    assert kl_estimate(logprobs, logprobs.clone(), kind).eq(0).all()


def test_exact_divergence_of_two_coins():
    p, q = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.9, 0.1]).log()
    # by hand: 1/2 log(0.5/0.9) + 1/2 log(0.5/0.1)
    assert float(kl_exact(p, q)) == pytest.approx(0.5 * log(0.5 / 0.9) + 0.5 * log(5), rel=1e-6)


def test_a_token_that_cannot_be_drawn_adds_nothing_and_breaks_no_gradient():
    logits = torch.tensor([0.2, 1.0, 0.5], dtype=DOUBLE, requires_grad=True)
    kept = torch.tensor([True, True, False])
    log_p = logits.masked_fill(~kept, -torch.inf).log_softmax(-1)
    log_q = torch.tensor([0.0, 0.0, -torch.inf], dtype=DOUBLE).log_softmax(-1)
    found = kl_exact(log_p, log_q)
    found.backward()
    assert found.item() == pytest.approx(kl_exact(log_p[:2], log_q[:2]).item())
    assert torch.isfinite(logits.grad).all()


def test_what_the_reference_never_says_is_infinitely_far():
    assert float(kl_exact(torch.tensor([0.5, 0.5]).log(), torch.tensor([1.0, 0.0]).log())) == torch.inf


logits_of_five = st.lists(st.floats(-8, 8), min_size=5, max_size=5)


@settings(max_examples=60, deadline=None)
@given(logits_of_five, logits_of_five)
def test_exact_divergence_is_never_negative_and_nil_on_equals(p, q):
    log_p = torch.tensor(p, dtype=DOUBLE).log_softmax(-1)
    log_q = torch.tensor(q, dtype=DOUBLE).log_softmax(-1)
    assert float(kl_exact(log_p, log_q)) >= -1e-14
    assert float(kl_exact(log_p, log_p)) == 0


@settings(max_examples=60, deadline=None)
@given(st.floats(-200, 0), st.floats(-200, 0))
def test_k2_and_k3_are_never_negative_and_always_finite(logprob, reference):
    for kind in ("k2", "k3"):
        found = kl_estimate(torch.tensor(logprob), torch.tensor(reference), kind)
        assert float(found) >= -1e-4  # rounding of float32 around d = 200
        assert torch.isfinite(found)


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_k1_and_k3_have_the_divergence_as_their_mean(kind):
    log_p, log_q = POLICY.log_softmax(-1), REFERENCE.log_softmax(-1)
    mean = (log_p.exp() * kl_estimate(log_p, log_q, kind)).sum()
    assert float(mean) == pytest.approx(float(kl_exact(log_p, log_q)), rel=1e-12)


def test_k2_has_another_mean():
    log_p, log_q = POLICY.log_softmax(-1), REFERENCE.log_softmax(-1)
    mean = float((log_p.exp() * kl_estimate(log_p, log_q, "k2")).sum())
    assert abs(mean - float(kl_exact(log_p, log_q))) > 0.05


# ------------------------------------------------------------------------------------- gradients, by exact enumeration


def test_exact_has_the_gradient_of_the_reverse_divergence():
    logits = POLICY.clone().requires_grad_()
    divergence(logits).backward()
    assert torch.allclose(logits.grad, finite_differences(divergence, POLICY), atol=1e-8)


def test_k2_on_policy_has_the_gradient_of_the_reverse_divergence_in_expectation():
    assert torch.allclose(expected_gradient("k2"), finite_differences(divergence, POLICY), atol=1e-8)


def test_k1_as_a_loss_has_no_gradient_in_expectation():
    assert expected_gradient("k1").abs().max() < 1e-15


def test_k3_as_a_loss_descends_the_forward_divergence_instead():
    def forward_divergence(logits: torch.Tensor) -> torch.Tensor:
        return kl_exact(REFERENCE.log_softmax(-1), logits.log_softmax(-1))

    found = expected_gradient("k3")
    assert torch.allclose(found, finite_differences(forward_divergence, POLICY), atol=1e-8)
    assert (found - finite_differences(divergence, POLICY)).norm() > 0.1


# ------------------------------------------------------------------------------------------------------- controller


def test_the_coefficient_moves_by_at_most_a_fifth_of_the_windows_share():
    controller = KLController(beta=0.1, target_nats=5.0, horizon=100)
    # by hand: error clipped to 0.2, 10 of 100 completions -> 2%
    assert controller.after(500.0, 10).beta == pytest.approx(0.1 * 1.02)
    assert controller.after(0.0, 10).beta == pytest.approx(0.1 * 0.98)
    assert controller.after(5.5, 10).beta == pytest.approx(0.1 * 1.01)  # 10% over, not clipped
    assert controller.after(4.5, 20).beta == pytest.approx(0.1 * 0.98)
    assert controller.after(5.0, 10) == controller


def test_two_windows_move_it_as_two_half_windows_would_nearly():
    controller = KLController(beta=0.1, target_nats=1.0, horizon=1000)
    assert controller.after(2.0, 20).beta == pytest.approx(controller.after(2.0, 10).after(2.0, 10).beta, rel=1e-4)


def test_a_horizon_shorter_than_a_window_never_turns_the_sign():
    assert KLController(beta=0.1, target_nats=5.0, horizon=1).after(0.0, 480).beta == pytest.approx(0.08)


def test_no_target_or_no_measurement_leaves_it_as_it_is():
    assert KLController(beta=0.1).after(50.0, 10).beta == 0.1
    controller = KLController(beta=0.1, target_nats=5.0)
    assert controller.after(float("nan"), 10) == controller


def test_the_state_of_a_controller_goes_through_a_save():
    controller = KLController(beta=0.1, target_nats=3.0, horizon=50).after(9.0, 7)
    restored = KLController(**asdict(controller))
    assert restored == controller
    assert restored.after(1.0, 3) == controller.after(1.0, 3)

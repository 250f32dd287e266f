"""Likelihood of tokens: smoothing against the whole distribution it stands for, and the two ways to average."""

from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths import imitation
from burnish.maths.batch import Batch, length_mask

DOUBLE = torch.float64


@settings(max_examples=40, deadline=None)
@given(st.floats(-60, -1e-12))
def test_the_log_of_the_complement(x):
    import numpy as np

    expected = float(np.log(-np.expm1(np.longdouble(x))))
    assert float(imitation.log_complement(torch.tensor(x, dtype=DOUBLE))) == pytest.approx(expected, rel=1e-9)


def test_a_certain_token_has_a_finite_complement_and_no_gradient():
    for dtype in (torch.float32, DOUBLE):
        leaf = torch.tensor([0.0, -1e-30, -1.0], dtype=dtype, requires_grad=True)
        imitation.log_complement(leaf).sum().backward()
        assert torch.isfinite(imitation.log_complement(leaf)).all()
        assert leaf.grad is not None
        assert leaf.grad[:2].tolist() == [0, 0]
        assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("e", [0.05, 0.3])
def test_smoothing_has_the_gradient_of_a_target_shared_as_the_model_shares_it(e):
    logits = torch.randn(6, generator=torch.Generator().manual_seed(3), dtype=DOUBLE, requires_grad=True)
    logprobs = torch.log_softmax(logits, -1)
    mask = torch.ones(1, 1, dtype=torch.bool)
    (found,) = torch.autograd.grad(imitation.token_nll(logprobs[2].reshape(1, 1), mask, e).sum(), logits)
    chances = torch.softmax(logits.detach(), -1)
    target = e * chances / (1 - chances[2])
    target[2] = 1 - e
    (expected,) = torch.autograd.grad(-(target * torch.log_softmax(logits, -1)).sum(), logits)
    assert torch.allclose(found, expected, atol=1e-12)


def test_a_smoothed_token_is_best_at_one_minus_e():
    mask = torch.ones(1, 3, dtype=torch.bool)
    at = imitation.token_nll(torch.tensor([[0.85, 0.9, 0.95]], dtype=DOUBLE).log(), mask, 0.1)
    assert at.argmin() == 1
    assert at[0, 1].item() == pytest.approx(-0.9 * log(0.9) - 0.1 * log(0.1))


@pytest.mark.parametrize("e", [0.0, 0.1])
def test_masked_places_cost_nothing_whatever_they_hold(e):
    logprobs = torch.tensor([[-1.0, float("nan")], [-torch.inf, 5.0]], dtype=DOUBLE, requires_grad=True)
    mask = length_mask([1, 0]).new_tensor([[True, False], [False, False]])
    found = imitation.token_nll(logprobs, mask, e)
    found.sum().backward()
    assert found[~mask].tolist() == [0, 0, 0]
    assert logprobs.grad is not None
    assert logprobs.grad[~mask].tolist() == [0, 0, 0]


def test_shares_by_token_and_by_completion():
    batch = Batch(length_mask([3, 1, 0]), torch.arange(3), weights_BK=torch.tensor([[1.0], [2.0], [9.0]]))
    loss = torch.tensor([[1.0, 2.0, 3.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    # by hand: tokens 1 * 3 + 2 * 1 = 5; completions 1 + 2 = 3, the empty one counts for none
    for normaliser, total, expected in (("token", 5, [6 / 5, 10 / 5, 0]), ("completion", 3, [2 / 3, 10 / 3, 0])):
        assert imitation.total_weight(batch, normaliser) == total
        held = Batch(batch.completion_mask_BT, batch.group_B, weights_BK=batch.weights_BK, scalars={"weight": total})
        assert imitation.shares(loss, held, normaliser).tolist() == pytest.approx(expected)

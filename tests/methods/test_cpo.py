"""CPO: the loss by hand, what is imitated, gradients, and a twin with the wrong sign."""

from dataclasses import replace
from math import exp, log

import pytest
import torch

from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import cpo, dpo

DOUBLE = torch.float64
POLICY = torch.tensor([[-1.0, -2.0], [-3.0, 0.0], [-2.0, 0.0], [-1.0, -1.0]], dtype=DOUBLE)
PAIRS = Batch(
    length_mask([2, 1, 1, 2]),
    torch.tensor([0, 0, 1, 1]),
    probability_B=torch.tensor([0.9, 0.9, 1.0, 1.0], dtype=DOUBLE),
    weights_BK=torch.tensor([[1.0], [1.0], [3.0], [3.0]]),
)


def run(batch=PAIRS, policy=POLICY, **settings):
    config = cpo.Config(**{"beta": 0.5, "alpha": 0.1, **settings})
    return cpo.loss(cpo.targets(batch, config), Outputs(logprobs_BT=policy), config)


def down(margin: float) -> float:
    """-log sigma(margin)"""
    return log(1 + exp(-margin))


def test_the_share_of_each_pair():
    # by hand: sums -3, -3 and -2, -2; token means 1.5, 3 and 2, 1 below 0
    found, metrics = run()
    first = down(0) + 0.1 * (0.9 * 1.5 + 0.1 * 3)
    assert found.tolist() == pytest.approx([first / 4, 0, 3 * (down(0) + 0.1 * 2) / 4, 0])
    assert metrics["nll"].tolist() == [1.5, 1.5, 2, 2]


def test_without_imitation_it_is_dpo_with_a_flat_reference():
    flat = torch.zeros_like(POLICY)
    config = dpo.Config(beta=0.5)
    expected, _ = dpo.loss(dpo.targets(PAIRS, config), Outputs(logprobs_BT=POLICY, reference_logprobs_BT=flat), config)
    assert run(alpha=0.0)[0].tolist() == pytest.approx(expected.tolist(), rel=1e-12)


def test_the_gradient_is_that_of_finite_differences():
    leaf = POLICY.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: run(policy=values)[0], leaf)


def test_imitation_holds_the_chosen_up():
    pair = replace(PAIRS.slice(torch.tensor([0, 1])), probability_B=None, weights_BK=None)
    slopes = {}
    for alpha in (0.0, 1.0):
        leaf = POLICY[:2].clone().requires_grad_(True)
        run(pair, leaf, alpha=alpha)[0].sum().backward()
        assert leaf.grad is not None
        slopes[alpha] = leaf.grad
    # by hand: alpha / 2 more on each of the chosen's two tokens, nothing on the rejected's
    assert (slopes[1.0] - slopes[0.0]).tolist() == [[-0.5, -0.5], [0, 0]]


def learned(order: list[int]) -> torch.Tensor:
    """The probabilities of five completions after descent on a pair of the first two, in this order."""
    logits = torch.zeros(5, dtype=DOUBLE, requires_grad=True)
    pair = Batch(length_mask([1, 1]), torch.zeros(2, dtype=torch.int64))
    for _ in range(60):
        logprobs = torch.log_softmax(logits, -1)[order][:, None]
        (slope,) = torch.autograd.grad(run(pair, logprobs, alpha=1.0)[0].sum(), logits)
        logits = (logits - 0.3 * slope).detach().requires_grad_(True)
    return torch.softmax(logits.detach(), -1)


def test_it_learns_and_its_twin_learns_the_opposite():
    right, wrong = learned([0, 1]), learned([1, 0])
    assert right[0] > 0.8 > 0.1 > right[1]
    assert wrong[1] > 0.8 > 0.1 > wrong[0]


def test_an_uncertain_label_is_the_mean_of_both_orders():
    sure, swap = torch.full((4,), 1.0, dtype=DOUBLE), torch.tensor([1, 0, 3, 2])
    one = run(replace(PAIRS, probability_B=sure))[0].sum()
    other = run(replace(PAIRS.slice(swap), probability_B=sure), POLICY[swap])[0].sum()
    found = run(replace(PAIRS, probability_B=torch.full((4,), 0.7, dtype=DOUBLE)))[0].sum()
    assert float(found) == pytest.approx(float(0.7 * one + 0.3 * other), rel=1e-12)

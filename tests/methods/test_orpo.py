"""ORPO: odds and imitation by hand, gradients, certain tokens, and a twin with the wrong sign."""

from dataclasses import replace
from math import exp, log

import pytest
import torch

from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import orpo

DOUBLE = torch.float64
POLICY = torch.tensor([[-1.0, -2.0], [-3.0, 0.0], [-2.0, 0.0], [-1.0, -1.0]], dtype=DOUBLE)
PAIRS = Batch(
    length_mask([2, 1, 1, 2]),
    torch.tensor([0, 0, 1, 1]),
    probability_B=torch.tensor([0.9, 0.9, 1.0, 1.0], dtype=DOUBLE),
    weights_BK=torch.tensor([[1.0], [1.0], [3.0], [3.0]]),
)


def run(batch=PAIRS, policy=POLICY, **settings):
    config = orpo.Config(**{"beta": 0.5, **settings})
    return orpo.loss(orpo.targets(batch, config), Outputs(logprobs_BT=policy), config)


def down(margin: float) -> float:
    """-log sigma(margin)"""
    return log(1 + exp(-margin))


def odds(mean: float) -> float:
    """log(P / (1 - P)) of P = exp(mean log-prob of a token)"""
    return log(exp(mean) / (1 - exp(mean)))


def test_the_share_of_each_pair():
    found, metrics = run()
    first, second = odds(-1.5) - odds(-3), odds(-2) - odds(-1)
    one = 0.9 * (0.5 * down(first) + 1.5) + 0.1 * (0.5 * down(-first) + 3)
    assert found.tolist() == pytest.approx([one / 4, 0, 3 * (0.5 * down(second) + 2) / 4, 0])
    assert metrics["margin"].tolist() == pytest.approx([first, first, second, second])
    assert metrics["nll"].tolist() == [1.5, 1.5, 2, 2]


def test_the_gradient_is_that_of_finite_differences():
    leaf = POLICY.clone().requires_grad_(True)
    hidden = torch.where(PAIRS.completion_mask_BT, 0.0, -0.5)  # what is masked stays out of it
    assert torch.autograd.gradcheck(lambda values: run(policy=values + hidden)[0], leaf)


def test_the_gradient_of_the_odds_is_the_paper_s():
    """Equation 10: of the chosen's mean log-prob -beta / (1 - P(c)) * sigma(-margin), beside the imitation's -1."""
    leaf = POLICY[:2].clone().requires_grad_(True)
    run(replace(PAIRS.slice(torch.tensor([0, 1])), probability_B=None, weights_BK=None), leaf)[0].sum().backward()
    margin = odds(-1.5) - odds(-3)
    off = 1 / (1 + exp(margin))
    assert leaf.grad is not None
    assert leaf.grad[0].tolist() == pytest.approx([(-1 - 0.5 * off / (1 - exp(-1.5))) / 2] * 2)
    assert leaf.grad[1].tolist() == pytest.approx([0.5 * off / (1 - exp(-3)), 0])


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_a_certain_completion_has_finite_odds_and_gradient(dtype):
    leaf = torch.zeros(4, 2, dtype=dtype, requires_grad=True)
    found, _ = run(policy=leaf)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()


def learned(order: list[int]) -> torch.Tensor:
    """The probabilities of five completions after descent on a pair of the first two, in this order."""
    logits = torch.zeros(5, dtype=DOUBLE, requires_grad=True)
    pair = Batch(length_mask([1, 1]), torch.zeros(2, dtype=torch.int64))
    for _ in range(60):
        logprobs = torch.log_softmax(logits, -1)[order][:, None]
        (slope,) = torch.autograd.grad(run(pair, logprobs)[0].sum(), logits)
        logits = (logits - 0.3 * slope).detach().requires_grad_(True)
    return torch.softmax(logits.detach(), -1)


def test_it_learns_and_its_twin_learns_the_opposite():
    right, wrong = learned([0, 1]), learned([1, 0])
    assert right[0] > 0.8
    assert right[1] < right[2:].min()  # pushed down, not merely left behind
    assert wrong[1] > 0.8
    assert wrong[0] < wrong[2:].min()

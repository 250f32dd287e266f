"""SimPO: the loss by hand, lengths divided out, gradients, and a twin with the wrong sign."""

from dataclasses import replace
from math import exp, log

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import simpo

DOUBLE = torch.float64
POLICY = torch.tensor([[-1.0, -2.0], [-3.0, 0.0], [-2.0, 0.0], [-1.0, -1.0]], dtype=DOUBLE)
PAIRS = Batch(
    length_mask([2, 1, 1, 2]),
    torch.tensor([0, 0, 1, 1]),
    probability_B=torch.tensor([0.9, 0.9, 1.0, 1.0], dtype=DOUBLE),
    weights_BK=torch.tensor([[1.0], [1.0], [3.0], [3.0]]),
)


def run(batch=PAIRS, policy=POLICY, **settings):
    config = simpo.Config(**{"beta": 2.0, "gamma": 0.5, **settings})
    return simpo.loss(simpo.targets(batch, config), Outputs(logprobs_BT=policy), config)


def down(margin: float) -> float:
    """-log sigma(margin)"""
    return log(1 + exp(-margin))


def test_the_share_of_each_pair():
    # by hand: token means -1.5, -3 and -2, -1; times beta 2: margins 3 and -2; lead 0.5 of whoever is preferred
    found, metrics = run()
    assert found.tolist() == pytest.approx([(0.9 * down(2.5) + 0.1 * down(-3.5)) / 4, 0, 3 * down(-2.5) / 4, 0])
    assert metrics["margin"].tolist() == [3, 3, -2, -2]
    assert metrics["chosen_reward"].tolist() == [-3, -3, -4, -4]


def test_a_completion_said_twice_over_has_the_same_reward():
    """Trap T28: length is divided out."""
    twice = torch.cat([POLICY[:2], POLICY[:2]], 1)
    mask = torch.cat([PAIRS.completion_mask_BT[:2]] * 2, 1)
    pair = replace(PAIRS.slice(torch.tensor([0, 1])), scalars={})
    found, _ = run(replace(pair, completion_mask_BT=mask), twice)
    assert found.tolist() == pytest.approx(run(pair, POLICY[:2])[0].tolist())


def test_the_gradient_is_that_of_finite_differences():
    leaf = POLICY.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: run(policy=values)[0], leaf)


def learned(order: list[int]) -> float:
    """Log-ratio of completion 0 to completion 1 of five, after descent on a pair in this order."""
    logits = torch.zeros(5, dtype=DOUBLE, requires_grad=True)
    pair = Batch(length_mask([1, 1]), torch.zeros(2, dtype=torch.int64))
    for _ in range(50):
        logprobs = torch.log_softmax(logits, -1)[order][:, None]
        (slope,) = torch.autograd.grad(run(pair, logprobs)[0].sum(), logits)
        logits = (logits - 0.2 * slope).detach().requires_grad_(True)
    return float(logits.detach()[0] - logits.detach()[1])


def test_it_learns_past_the_lead_and_its_twin_learns_the_opposite():
    assert learned([0, 1]) > 0.25  # gamma / beta
    assert learned([1, 0]) < -0.25


def test_a_tie_of_opinions_pulls_the_two_together():
    tie = replace(PAIRS.slice(torch.tensor([0, 1])), probability_B=torch.full((2,), 0.5, dtype=DOUBLE), weights_BK=None)
    leaf = POLICY[:2].clone().requires_grad_(True)
    run(tie, leaf)[0].sum().backward()
    assert leaf.grad is not None
    assert leaf.grad[0, 0] > 0 > leaf.grad[1, 0]  # the likelier one goes down


@pytest.mark.parametrize("field", ["beta", "gamma"])
def test_numbers_that_are_none_are_refused(field):
    with pytest.raises(InputError, match=field):
        simpo.Config(**{field: -0.5})

"""Ordered categories: chances that add up, targets between two levels, and the slope."""

from math import exp, log

import pytest
import torch

from burnish.maths.ordinal import cumulative_logit

DOUBLE = torch.float64
LEVELS = (1.0, 2.0, 4.0, 5.0)
REWARD = torch.tensor([[0.0], [2.7], [9.0]], dtype=DOUBLE)


def cost(rating: float, reward: torch.Tensor = REWARD, levels: tuple[float, ...] = LEVELS) -> torch.Tensor:
    return cumulative_logit(reward, torch.full_like(reward, rating), levels, 0.6)


def test_the_chances_of_the_levels_add_up_to_one():
    assert sum(torch.exp(-cost(level)) for level in LEVELS).flatten().tolist() == pytest.approx([1, 1, 1], rel=1e-12)


def test_a_level_by_hand_and_two_levels_are_logistic_regression():
    def below(threshold: float) -> float:
        return 1 / (1 + exp(-(threshold - 2.7) / 0.6))

    assert cost(2.0)[1].item() == pytest.approx(-log(below(3.0) - below(1.5)))
    assert cost(1.0, levels=(0.0, 1.0))[1].item() == pytest.approx(-log(1 - below(0.5)))


def test_a_rating_between_two_levels_is_a_mixture_and_one_beyond_them_the_end():
    assert torch.allclose(cost(2.5), 0.75 * cost(2.0) + 0.25 * cost(4.0))
    assert torch.equal(cost(0.0), cost(1.0))
    assert torch.equal(cost(7.0), cost(5.0))


def test_what_was_not_rated_costs_nothing_and_teaches_nothing():
    leaf = torch.tensor([[1.0, float("nan")]], dtype=DOUBLE, requires_grad=True)
    found = cumulative_logit(leaf, torch.tensor([[2.0, float("nan")]]), LEVELS, 1.0)
    found.sum().backward()
    assert found[0, 1] == 0
    assert leaf.grad is not None
    assert leaf.grad[0, 1] == 0
    assert leaf.grad[0, 0] != 0


def test_the_gradient_is_that_of_finite_differences_and_far_off_it_is_a_pull_of_one_over_the_spread():
    leaf = REWARD.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: cost(2.4, values), leaf)
    far = torch.tensor([[-500.0]], dtype=DOUBLE, requires_grad=True)
    cost(2.0, far).sum().backward()
    assert far.grad.item() == pytest.approx(-1 / 0.6)


def test_the_best_reward_for_a_rating_is_the_middle_of_its_thresholds():
    middle = torch.tensor([[3.0 / 2 + 1.5 / 2]], dtype=DOUBLE, requires_grad=True)
    cost(2.0, middle).sum().backward()
    assert middle.grad.item() == pytest.approx(0, abs=1e-12)

"""Action values, by hand and at their limits; fixed points are in tests/methods/test_dqn.py and test_ilql.py."""

import math

import pytest
import torch

from burnish.maths.q_learning import (
    conservative_penalty,
    expectile_loss,
    explored,
    of_tokens,
    soft_maximum,
    visible,
)

DOUBLE = torch.float64


def test_each_heads_value_of_what_was_said():
    q = torch.arange(12.0).reshape(1, 2, 2, 3)
    assert of_tokens(q, torch.tensor([[2, 0]])).tolist() == [[[2.0, 5.0], [6.0, 9.0]]]


def test_what_is_hidden_is_hidden_before_any_arithmetic():
    q = torch.full((1, 2, 1, 3), torch.nan, requires_grad=True)
    seen = visible(q, torch.zeros(1, 2, dtype=torch.bool))
    conservative_penalty(seen, of_tokens(seen, torch.tensor([[0, 0]]))).sum().backward()
    assert q.grad.eq(0).all()


@pytest.mark.parametrize(("expectile", "loss"), [(0.5, [2.0, 0.5]), (0.9, [3.6, 0.1])])
def test_the_expectile_weighs_what_lies_above_and_below(expectile, loss):
    assert expectile_loss(torch.tensor([2.0, -1.0]), expectile).tolist() == pytest.approx(loss)


def test_the_expectile_is_not_rounded_to_single_precision():
    loss = expectile_loss(torch.tensor([2.0, -1.0], dtype=torch.float64), 0.7)
    assert loss.tolist() == pytest.approx([2.8, 0.3], rel=1e-15)


def test_expectiles_run_from_the_mean_to_the_largest():
    targets = torch.tensor([0.0, 1.0, 5.0], dtype=DOUBLE)

    def best(expectile: float) -> float:
        grid = torch.linspace(0, 5, 5001, dtype=DOUBLE)
        return float(grid[expectile_loss(targets[:, None] - grid, expectile).sum(0).argmin()])

    assert best(0.5) == pytest.approx(2.0, abs=2e-3)
    assert best(0.7) == pytest.approx((0.3 * 1 + 0.7 * 5) / (0.3 * 2 + 0.7), abs=2e-3)  # by hand, between 1 and 5
    assert best(0.999) == pytest.approx(5.0, abs=2e-2)


def test_the_conservative_penalty_is_a_cross_entropy():
    q = torch.randn(2, 3, 2, 5, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    tokens = torch.randint(5, (2, 3), generator=torch.Generator().manual_seed(1))
    found = conservative_penalty(q, of_tokens(q, tokens))
    expected = torch.nn.functional.cross_entropy(
        q.transpose(1, 2).reshape(-1, 5), tokens[:, None].expand(2, 2, 3).reshape(-1), reduction="none"
    )
    assert torch.allclose(found.transpose(1, 2).reshape(-1), expected)
    assert found.gt(0).all()


def test_the_soft_maximum_lies_between_the_largest_and_the_largest_plus_log_v():
    q = torch.tensor([1.0, 2.0, 2.0], dtype=DOUBLE)
    # by hand: log(e + 2 e^2)
    assert float(soft_maximum(q, 1.0)) == pytest.approx(math.log(math.e + 2 * math.e**2))
    assert float(soft_maximum(q, 0.01)) == pytest.approx(2 + 0.01 * math.log(2))
    assert float(soft_maximum(torch.zeros(7, dtype=DOUBLE), 3.0)) == pytest.approx(3 * math.log(7))


def test_epsilon_greedy_by_hand():
    found = explored(torch.tensor([[0.0, 3.0, 3.0, 1.0]]), 0.2).exp()
    assert found.tolist() == [pytest.approx([0.05, 0.85, 0.05, 0.05])]
    assert explored(torch.tensor([[0.0, 3.0]]), 0.0).exp().tolist() == [[0.0, 1.0]]
    assert explored(torch.tensor([[0.0, 3.0]]), 1.0).exp().tolist() == [pytest.approx([0.5, 0.5])]

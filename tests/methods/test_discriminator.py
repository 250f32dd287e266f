"""The adversarial reward: cross-entropy by hand, the log-ratio of the two sides at its optimum, and a twin."""

from dataclasses import replace
from math import exp, log

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs
from burnish.methods import discriminator

DOUBLE = torch.float64
SHOWN = [0, 0, 0, 1]
DRAWN = [0, 1, 1, 1, 1, 2]
ROWS = torch.tensor(SHOWN + DRAWN)
WINDOW = Batch(
    torch.ones(len(ROWS), 1, dtype=torch.bool),
    torch.arange(len(ROWS)),
    fresh_B=torch.tensor([False] * len(SHOWN) + [True] * len(DRAWN)),
)


def run(reward_V: torch.Tensor, batch: Batch = WINDOW, **settings):
    config = discriminator.Config(**settings)
    outputs = Outputs(rewards_BK=reward_V[ROWS][:, None])
    return discriminator.loss(discriminator.targets(batch, config), outputs, config)


def test_the_share_of_each_row():
    found, metrics = run(torch.tensor([2.0, -1.0, 0.5], dtype=DOUBLE), smoothing=0.2)

    def cost(logit: float, label: float) -> float:
        return label * log(1 + exp(-logit)) + (1 - label) * log(1 + exp(logit))

    expected = [cost(r, 0.8) / 4 for r in (2, 2, 2, -1)] + [cost(r, 0) / 6 for r in (2, -1, -1, -1, -1, 0.5)]
    assert found.tolist() == pytest.approx(expected)
    assert metrics["demonstrations_told"].nanmean().item() == 0.75
    assert metrics["drawn_told"].nanmean().item() == pytest.approx(4 / 6)


@pytest.mark.parametrize("e", [0.0, 0.1])
def test_the_optimum_is_the_log_ratio_of_the_two_sides(e):
    """Without smoothing log p_shown / p_drawn; with it log (1 - e) p_shown / (p_drawn + e p_shown)."""
    shown, drawn = torch.tensor([3 / 4, 1 / 4], dtype=DOUBLE), torch.tensor([1 / 6, 4 / 6], dtype=DOUBLE)
    best = torch.cat([((1 - e) * shown / (drawn + e * shown)).log(), torch.tensor([-3.0], dtype=DOUBLE)])
    best.requires_grad_(True)
    (slope,) = torch.autograd.grad(run(best, smoothing=e)[0].sum(), best)
    assert slope[:2].abs().max() < 1e-12
    assert slope[2] > 0  # what was only drawn falls without end, unless a network holds it


def test_twice_as_many_of_one_side_change_nothing():
    reward = torch.tensor([2.0, -1.0, 0.5], dtype=DOUBLE)
    config = discriminator.Config()
    rows = torch.tensor([*range(10), *range(4, 10)])
    outputs = Outputs(rewards_BK=reward[ROWS[rows]][:, None])
    more, _ = discriminator.loss(discriminator.targets(WINDOW.slice(rows), config), outputs, config)
    assert float(more.sum()) == pytest.approx(float(run(reward)[0].sum()), rel=1e-12)


def test_the_gradient_is_that_of_finite_differences():
    leaf = torch.tensor([2.0, -1.0, 0.5], dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: run(values)[0], leaf)


def test_it_learns_who_is_who_and_its_twin_the_reverse():
    for sign, batch in ((1, WINDOW), (-1, replace(WINDOW, fresh_B=~WINDOW.fresh_B))):
        reward = torch.zeros(3, dtype=DOUBLE, requires_grad=True)
        for _ in range(60):
            (slope,) = torch.autograd.grad(run(reward, batch)[0].sum(), reward)
            reward = (reward - 2 * slope).detach().requires_grad_(True)
        assert sign * reward[0] > 0.5
        assert sign * reward[1] < -0.5


def test_it_trains_beside_a_policy_and_not_the_policy_itself():
    needs = discriminator.needs(discriminator.Config(heads=3))
    assert (needs.fresh, needs.policy, needs.partner, dict(needs.heads)) == (True, False, "grpo", {"reward": 3})
    with pytest.raises(InputError, match="partner"):
        discriminator.Config(partner="nobody")

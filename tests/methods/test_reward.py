from math import exp, log

import pytest
import torch

from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import reward

PAIRS = Batch(
    completion_mask_BT=length_mask([1] * 4),
    group_B=torch.tensor([0, 0, 1, 1]),
    probability_B=torch.tensor([0.9, 0.9, 0.5, 0.5]),
    weights_BK=torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 1.0], [0.0, 1.0]]),
    scalars={"weight": 4.0},
)
REWARDS = torch.tensor([[2.0, 1.0], [0.0, 1.0], [1.0, 3.0], [5.0, 0.0]])


def cross_entropy(difference: float, p: float) -> float:
    return p * log(1 + exp(-difference)) + (1 - p) * log(1 + exp(difference))


def test_the_share_of_each_pair():
    found, metrics = reward.loss(PAIRS, Outputs(rewards_BK=REWARDS), reward.Config(heads=2))
    # by hand: differences 2, 0 and -4, 3; weights 1, 2 and 0, 1; all over 4
    first = (cross_entropy(2, 0.9) + 2 * cross_entropy(0, 0.9)) / 4
    second = cross_entropy(3, 0.5) / 4
    assert found.tolist() == pytest.approx([first, 0.0, second, 0.0])
    assert metrics["margin"].tolist() == pytest.approx([1.0, 1.0, -0.5, -0.5])


def test_accuracy_counts_no_ties():
    _, metrics = reward.loss(PAIRS, Outputs(rewards_BK=REWARDS), reward.Config(heads=2))
    assert metrics["pair_accuracy"].tolist() == pytest.approx([1.0, 1.0, float("nan"), float("nan")], nan_ok=True)
    _, metrics = reward.loss(PAIRS, Outputs(rewards_BK=-REWARDS), reward.Config(heads=2))
    assert metrics["pair_accuracy"][:2].tolist() == [0.0, 0.0]


def test_units_per_logit_stretches_the_rewards():
    plain, _ = reward.loss(PAIRS, Outputs(rewards_BK=REWARDS), reward.Config(heads=2))
    stretched, _ = reward.loss(PAIRS, Outputs(rewards_BK=REWARDS * 1.5), reward.Config(heads=2, units_per_logit=1.5))
    assert stretched.tolist() == pytest.approx(plain.tolist())


def test_a_pair_that_came_apart_is_refused():
    for rows in ([0, 2], [1, 2, 3], [1, 2]):
        part = torch.tensor(rows)
        with pytest.raises(ValueError, match="not one pair"):
            reward.loss(PAIRS.slice(part), Outputs(rewards_BK=REWARDS[part]), reward.Config(heads=2))


def test_swapping_the_pair_and_its_probability_changes_nothing():
    swapped = torch.tensor([1, 0, 3, 2])
    other = Batch(
        PAIRS.completion_mask_BT, PAIRS.group_B, probability_B=1 - PAIRS.probability_B, weights_BK=PAIRS.weights_BK,
        scalars=PAIRS.scalars,
    )  # fmt: skip
    found, _ = reward.loss(other, Outputs(rewards_BK=REWARDS[swapped]), reward.Config(heads=2))
    expected, _ = reward.loss(PAIRS, Outputs(rewards_BK=REWARDS), reward.Config(heads=2))
    assert found.tolist() == pytest.approx(expected.tolist())

from dataclasses import replace
from math import exp, log

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import reward
from burnish.records import Completion, Preference, Prompt

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


def test_a_stated_lead_is_asked_for_when_it_is_used():
    stated = replace(PAIRS, margin_B=torch.tensor([0.5, 0.5, float("nan"), float("nan")]))
    outputs = Outputs(rewards_BK=REWARDS)
    plain, _ = reward.loss(PAIRS, outputs, reward.Config(heads=2))
    assert torch.equal(reward.loss(stated, outputs, reward.Config(heads=2))[0], plain)  # margins are not used unasked
    found, _ = reward.loss(stated, outputs, reward.Config(heads=2, margin=2.0))
    # by hand: differences 2, 0 less a lead of 1 for whoever is preferred; nobody stated one of the second pair
    first = sum(w * (0.9 * log(1 + exp(1 - d)) + 0.1 * log(1 + exp(1 + d))) for w, d in ((1, 2), (2, 0))) / 4
    assert found.tolist() == pytest.approx([first, 0.0, plain[2].item(), 0.0])
    with pytest.raises(InputError, match="margin"):
        reward.Config(margin=-1.0)


def test_the_window_s_weight_is_computed_unless_it_was_given():
    config = reward.Config(heads=2)
    assert reward.targets(PAIRS, config).scalars["weight"] == 4.0
    assert reward.targets(replace(PAIRS, scalars={"weight": 9.0}), config).scalars["weight"] == 9.0
    assert reward.targets(replace(PAIRS, scalars={}), config).scalars["weight"] == 4.0  # 1 + 2 + 0 + 1
    bare = replace(PAIRS, scalars={}, weights_BK=None)
    assert reward.targets(bare, config).scalars["weight"] == 4.0  # two pairs, two heads


def test_a_ranking_becomes_pairs_that_share_its_weight():
    prompt = Prompt.of("?")
    three = tuple(Completion(prompt.id, text) for text in "abc")
    found = reward.prepare([Preference(prompt, three, (2, 0, 1), weight=3.0)], reward.Config(), Tools())
    said = [(*(row.completion.text for row in example.rows), example.rows[0].weight) for example in found]
    assert sorted(said) == [("b", "a", 1.0), ("b", "c", 1.0), ("c", "a", 1.0)]


def test_it_learns_the_order_and_its_twin_the_reverse():
    for order, best in (([0, 1, 1, 2], 0), ([1, 0, 2, 1], 2)):
        rewards = torch.zeros(3, 1, requires_grad=True)
        batch = Batch(length_mask([1] * 4), torch.tensor([0, 0, 1, 1]), scalars={"weight": 2.0})
        for _ in range(20):
            share, _ = reward.loss(batch, Outputs(rewards_BK=rewards[order]), reward.Config(heads=1))
            (slope,) = torch.autograd.grad(share.sum(), rewards)
            rewards = (rewards - slope).detach().requires_grad_(True)
        assert rewards.argmax() == best
        assert rewards.argmin() == 2 - best

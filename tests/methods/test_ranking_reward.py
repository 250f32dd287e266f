"""Rewards from rankings: by hand, pairs as `reward` has them, what is not compared, and a known order learned."""

from dataclasses import replace
from itertools import permutations

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import prepared
from burnish.maths import ranking
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import ranking_reward, reward
from burnish.records import Completion, Preference, Prompt

DOUBLE = torch.float64
REWARDS = torch.tensor([[0.3, -1.0], [1.2, 0.4], [-0.5, 2.0], [0.9, 0.1], [0.2, 0.0], [1.1, -3.0]], dtype=DOUBLE)
WINDOW = Batch(
    length_mask([1] * 6),
    torch.tensor([4, 4, 4, 1, 1, 0]),
    ranks_B=torch.tensor([1, 0, 2, 0, 1, 0]),
    probability_B=torch.tensor([float("nan")] * 3 + [0.8] * 2 + [float("nan")]),
    weights_BK=torch.tensor([[1.0, 2.0]] * 3 + [[3.0, 0.0]] * 2 + [[5.0, 5.0]]),
)


def plackett_luce(rewards: torch.Tensor, ranks: list[int]) -> torch.Tensor:
    """The loss of one ranking of all rows."""
    return ranking.plackett_luce(rewards, [range(len(ranks))], [ranks])[0]


CONFIG = ranking_reward.Config(heads=2)


def run(batch=WINDOW, rewards=REWARDS, config=CONFIG):
    return ranking_reward.loss(ranking_reward.targets(batch, config), Outputs(rewards_BK=rewards), config)


def test_the_share_of_each_ranking():
    found, metrics = run()
    three = (plackett_luce(REWARDS[:3], [1, 0, 2]) * torch.tensor([1.0, 2.0])).sum()
    two = 0.8 * plackett_luce(REWARDS[3:5], [0, 1])[0] + 0.2 * plackett_luce(REWARDS[3:5], [1, 0])[0]
    # by hand: weights 1 + 2 + 3; a completion alone is no ranking and adds neither to the loss nor to the weight
    assert found.tolist() == pytest.approx([float(three) / 6, 0, 0, 3 * float(two) / 6, 0, 0])
    # by hand, mean rewards -0.35, 0.8, 0.75 and 0.5, 0.1
    assert metrics["pair_accuracy"][:5].tolist() == pytest.approx([2 / 3] * 3 + [1, 1])
    assert metrics["top_accuracy"][:5].tolist() == [1] * 5
    assert metrics["top_accuracy"][5].isnan()


def test_pairs_cost_what_they_cost_in_reward():
    batch = Batch(
        length_mask([1] * 4), torch.tensor([0, 0, 1, 1]), ranks_B=torch.tensor([0, 1, 0, 0]),
        probability_B=torch.tensor([0.9, 0.9, 0.5, 0.5], dtype=DOUBLE),
    )  # fmt: skip
    config = reward.Config(heads=2)
    expected, _ = reward.loss(reward.targets(batch, config), Outputs(rewards_BK=REWARDS[:4]), config)
    assert run(batch, REWARDS[:4])[0].tolist() == pytest.approx(expected.tolist(), rel=1e-12)


def test_a_pair_whose_other_one_was_not_compared_says_nothing():
    batch = replace(WINDOW.slice(torch.tensor([3, 4])), ranks_B=torch.tensor([0, -1]), probability_B=None)
    leaf = REWARDS[3:5].clone().requires_grad_(True)
    found, _ = run(batch, leaf)
    found.sum().backward()
    assert found.tolist() == [0, 0]
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() == 0


def test_best_of_three_orders_nothing_below_the_first():
    batch = replace(WINDOW.slice(torch.arange(3)), ranks_B=torch.tensor([1, 0, 1]), probability_B=None, weights_BK=None)
    found, _ = run(batch, REWARDS[:3], replace(CONFIG, last="unordered"))
    assert float(found.sum()) == pytest.approx(float(-torch.log_softmax(REWARDS[:3], 0)[1].mean()))


def test_rows_of_a_ranking_may_stand_in_any_order():
    expected = float(run()[0].sum())
    for order in list(permutations(range(3)))[1:]:
        rows = torch.tensor([*order, 3, 4, 5])
        assert float(run(WINDOW.slice(rows), REWARDS[rows])[0].sum()) == pytest.approx(expected, rel=1e-12)


def test_rankings_and_pairs_come_as_they_are():
    prompt = Prompt.of("?")
    three = tuple(Completion(prompt.id, text) for text in "abc")
    signals = [Preference(prompt, three, (1, 0, None)), Preference(prompt, three[:2], (0, 1), probability=0.7)]
    needs = ranking_reward.needs(CONFIG)
    found = prepared(signals, needs.eats)
    assert [[row.rank for row in example.rows] for example in found] == [[1, 0, -1], [0, 1]]
    assert needs.together


def test_smoothed_a_pair_costs_what_it_costs_in_reward_and_rewards_stay_near_each_other():
    pairs = WINDOW.slice(torch.tensor([3, 4]))
    config, its = replace(CONFIG, label_smoothing=0.2), reward.Config(heads=2, label_smoothing=0.2)
    expected, _ = reward.loss(reward.targets(pairs, its), Outputs(rewards_BK=REWARDS[3:5]), its)
    assert run(pairs, REWARDS[3:5], config)[0].tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert torch.equal(run(config=replace(CONFIG, label_smoothing=0.0))[0], run()[0])
    leaf = REWARDS.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: run(rewards=values, config=config)[0], leaf)
    with pytest.raises(InputError, match="label_smoothing"):
        ranking_reward.Config(label_smoothing=0.5)


def learned(ranks: list[int]) -> torch.Tensor:
    """Rewards of four completions after descent on one ranking of them."""
    rewards = torch.zeros(4, 1, dtype=DOUBLE, requires_grad=True)
    batch = Batch(length_mask([1] * 4), torch.zeros(4, dtype=torch.int64), ranks_B=torch.tensor(ranks))
    for _ in range(30):
        (slope,) = torch.autograd.grad(run(batch, rewards, ranking_reward.Config(heads=1))[0].sum(), rewards)
        rewards = (rewards - slope).detach().requires_grad_(True)
    return rewards.detach()[:, 0]


def test_it_learns_the_order_and_its_twin_the_reverse():
    assert learned([2, 0, 3, 1]).argsort(descending=True).tolist() == [1, 3, 0, 2]
    assert learned([1, 3, 0, 2]).argsort(descending=True).tolist() == [2, 0, 3, 1]

"""Plackett-Luce by enumeration of all orders, and against the free scores that `maths/choice.py` fits to the same."""

from collections.abc import Sequence
from itertools import permutations
from math import log

import pytest
import torch

from burnish.maths import choice, ranking
from burnish.maths.preference_loss import soft_bradley_terry
from burnish.maths.ranking import agreement

DOUBLE = torch.float64
REWARDS = torch.tensor([[0.3, -1.0], [1.2, 0.4], [-0.5, 2.0], [0.9, 0.1]], dtype=DOUBLE)


def plackett_luce(rewards: torch.Tensor, ranks: Sequence[int], *, rest_unordered: bool = False) -> torch.Tensor:
    """The loss of one ranking of all rows."""
    return ranking.plackett_luce(rewards, [range(len(ranks))], [ranks], rest_unordered=rest_unordered)[0]


def test_the_chances_of_all_orders_add_up_to_one():
    total = sum(torch.exp(-plackett_luce(REWARDS, order)) for order in permutations(range(4)))
    assert total.tolist() == pytest.approx([1, 1], rel=1e-12)


def test_a_ranking_by_hand_and_of_two():
    found = plackett_luce(REWARDS[:3, :1], [1, 0, 2])
    a, b, c = REWARDS[:3, 0].exp().tolist()
    assert float(found) == pytest.approx(-log(b / (a + b + c)) - log(a / (a + c)))
    pair = plackett_luce(REWARDS[:2], [1, 0])
    expected = soft_bradley_terry(REWARDS[1:2], REWARDS[:1], torch.ones(1))[0]
    assert pair.tolist() == pytest.approx(expected.tolist(), rel=1e-12)


@pytest.mark.parametrize("ranks", [[0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 2]])
def test_a_tie_is_the_mean_over_its_orders(ranks):
    orders = [order for order in permutations(range(4)) if [ranks[i] for i in order] == sorted(ranks)]
    places = [[order.index(i) for i in range(4)] for order in orders]
    expected = sum(plackett_luce(REWARDS, each) for each in places) / len(places)
    assert plackett_luce(REWARDS, ranks).tolist() == pytest.approx(expected.tolist(), rel=1e-12)


def test_what_was_not_compared_did_not_lose():
    found = plackett_luce(REWARDS, [1, -1, 0, -1])
    assert found.tolist() == pytest.approx(plackett_luce(REWARDS[[0, 2]], [1, 0]).tolist())
    leaf = REWARDS.clone().requires_grad_(True)
    plackett_luce(leaf, [-1, 3, -1, -1]).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() == 0


def test_the_best_of_four_is_a_softmax_and_the_rest_is_no_tie():
    found = plackett_luce(REWARDS, [1, 0, 1, 1], rest_unordered=True)
    assert found.tolist() == pytest.approx((-torch.log_softmax(REWARDS, 0)[1]).tolist())
    assert (found < plackett_luce(REWARDS, [1, 0, 1, 1])).all()


def test_a_constant_added_to_all_changes_nothing_and_the_slope_is_right():
    ranks = [0, 2, 2, 1]
    assert plackett_luce(REWARDS + 7, ranks).tolist() == pytest.approx(plackett_luce(REWARDS, ranks).tolist())
    assert torch.autograd.gradcheck(lambda values: plackett_luce(values, ranks), REWARDS.clone().requires_grad_(True))


@pytest.mark.parametrize("unordered", [False, True])
def test_scores_fitted_elsewhere_to_the_same_rankings_are_its_optimum(unordered):
    rankings = [[[0], [1, 2], [3]], [[3, 1], [0]], [[2], [0, 1, 3]], [list(range(9)), [9]], [[9], [4]]]
    ridge = 0.7
    fitted = choice.plackett_luce(rankings, n_items=10, ridge=ridge, rest_unordered=unordered)
    scores = torch.tensor(fitted.scores_I, requires_grad=True)
    loss = ridge / 2 * scores.square().sum()
    for groups in rankings:
        places = {item: place for place, group in enumerate(groups) for item in group}
        ranks = [places.get(item, -1) for item in range(10)]
        loss = loss + plackett_luce(scores[:, None], ranks, rest_unordered=unordered)[0]
    (slope,) = torch.autograd.grad(loss, scores)
    assert slope.abs().max() < 1e-7


def test_agreement_counts_untied_pairs_and_the_best():
    rewards = [0.3, 1.2, -0.5, 0.9]
    assert agreement(rewards, [0, 1, 2, -1]) == (2 / 3, 0.0)
    assert agreement(rewards, [1, 0, 1, 1]) == (1.0, 1.0)
    assert all(value != value for value in agreement(rewards, [2, 2, 2, -1]))
    assert agreement([0.0, 0.0], [0, 1])[0] == 0.0  # equal rewards are in no order


def test_many_rankings_of_any_rows_cost_what_each_costs_alone():
    rows, ranks = [[2, 0], [1], [3, 1, 0, 2], [0, 3]], [[0, 1], [0], [1, 0, 1, -1], [-1, 2]]
    found = ranking.plackett_luce(REWARDS, rows, ranks)
    for number, each in enumerate(rows):
        assert found[number].tolist() == pytest.approx(plackett_luce(REWARDS[each], ranks[number]).tolist())
    assert found[[1, 3]].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("ranks", [[0, 1, 2, 3], [1, 0, 1, 1], [0, 2, 2, 1], [1, -1, 0, 1], [0, -1, -1, 1]])
@pytest.mark.parametrize("unordered", [False, True])
def test_smoothed_it_has_a_share_of_every_ranking_there_could_be(ranks, unordered):
    """By enumeration: each way to hand the same ranks out among what was compared is as likely as the others."""
    compared = [i for i, rank in enumerate(ranks) if rank >= 0]
    even = torch.zeros(2, dtype=DOUBLE)
    every = list(permutations([ranks[i] for i in compared]))
    for some in every:
        handed = dict(zip(compared, some, strict=True))
        other = [handed.get(i, -1) for i in range(4)]
        even += plackett_luce(REWARDS, other, rest_unordered=unordered) / len(every)
    stated = plackett_luce(REWARDS, ranks, rest_unordered=unordered)
    for e in (0.1, 0.5):
        found = ranking.plackett_luce(REWARDS, [range(4)], [ranks], rest_unordered=unordered, smoothing=e)[0]
        assert found.tolist() == pytest.approx(((1 - 2 * e) * stated + 2 * e * even).tolist(), rel=1e-12)
    nothing = ranking.plackett_luce(REWARDS, [range(4)], [ranks], rest_unordered=unordered, smoothing=0.0)[0]
    assert torch.equal(nothing, stated)


def test_smoothed_by_a_half_equal_rewards_are_best_and_a_pair_is_that_of_conservative_dpo():
    level = torch.full((4, 1), 0.3, dtype=DOUBLE, requires_grad=True)
    ranking.plackett_luce(level, [range(4)], [[1, 0, 2, 2]], smoothing=0.5).sum().backward()
    assert level.grad is not None
    assert level.grad.abs().max() < 1e-12
    pair = ranking.plackett_luce(REWARDS[:2], [range(2)], [[1, 0]], smoothing=0.2)[0]
    expected = soft_bradley_terry(REWARDS[1:2], REWARDS[:1], torch.tensor([0.8], dtype=DOUBLE))[0]
    assert pair.tolist() == pytest.approx(expected.tolist(), rel=1e-12)


def test_smoothed_each_two_stand_in_the_stated_order_as_often_as_not_flipped():
    """Rankings drawn from the smoothed target: the stated one, else any: a pair is turned round with chance e."""
    e, stated = 0.15, (0, 1, 2, 3)
    every = list(permutations(range(4)))
    chance = {order: 2 * e / len(every) + (1 - 2 * e) * (order == stated) for order in every}
    turned = sum(p for order, p in chance.items() if order.index(2) < order.index(1))
    assert turned == pytest.approx(e)
    costs = sum(p * plackett_luce(REWARDS, [order.index(i) for i in range(4)]) for order, p in chance.items())
    found = ranking.plackett_luce(REWARDS, [range(4)], [stated], smoothing=e)[0]
    assert found.tolist() == pytest.approx(costs.tolist(), rel=1e-12)
    leaf = REWARDS.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda values: ranking.plackett_luce(values, [range(4)], [[0, 2, 2, 1]], smoothing=e), leaf
    )

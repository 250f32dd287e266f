"""Labels of single tokens: both distances, weights of places, rows and heads, and places nothing was said of."""

from math import exp, log, nan, prod

import pytest
import torch

from burnish.maths import token_rewards
from burnish.maths.batch import Batch, length_mask

PREDICTED = torch.tensor([[[2.0, -1.0], [0.5, 3.0]]])


def test_the_loss_of_each_place_and_head():
    label = torch.tensor([[0.25, nan]])
    squared = token_rewards.label_loss(PREDICTED, label, "squared")
    assert squared.tolist() == [[pytest.approx([1.75**2 / 2, 1.25**2 / 2]), [0, 0]]]
    crossed = token_rewards.label_loss(PREDICTED, label, "cross_entropy")
    expected = [0.25 * log(1 + exp(-r)) + 0.75 * log(1 + exp(r)) for r in (2.0, -1.0)]
    assert crossed[0, 0].tolist() == pytest.approx(expected)
    assert crossed[0, 1].tolist() == [0, 0]


@pytest.mark.parametrize("against", ["squared", "cross_entropy"])
def test_what_was_not_labelled_has_no_gradient_even_where_it_is_no_number(against):
    leaf = torch.tensor([[[2.0], [nan]]], requires_grad=True)
    token_rewards.label_loss(leaf, torch.tensor([[1.0, nan]]), against).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad[0, 1].item() == 0
    assert leaf.grad[0, 0].item() != 0


def test_shares_are_weighed_by_place_row_and_head():
    loss = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    place = torch.tensor([[1.0, 0.5], [0.0, 1.0]])
    weights = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
    # by hand: 1.5 * (1 + 2) + 1 * (3 + 0)
    total = token_rewards.total_weight(place, weights)
    assert total == 7.5
    # by hand: 1 + 2 * 2 + 0.5 * (3 + 2 * 4); 3 * 7
    assert token_rewards.shares(loss, place, weights, total).tolist() == pytest.approx([10.5 / 7.5, 21 / 7.5])
    assert token_rewards.shares(loss, place, 0 * weights, 0.0).tolist() == [0, 0]


def test_places_of_a_completion_sum_to_one_or_to_none():
    found = token_rewards.per_completion(torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]]))
    assert found.tolist() == [pytest.approx([2 / 3, 1 / 3, 0]), [0, 0, 0]]


def test_without_weights_all_rows_and_heads_weigh_the_same():
    batch = Batch(length_mask([1, 1]), torch.arange(2))
    assert token_rewards.head_weights(batch, 3).tolist() == [[1, 1, 1], [1, 1, 1]]


STEPS = torch.tensor([[0.9, 0.5], [0.4, 0.6], [0.8, 0.1]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("whole", "worth"),
    [
        ("sum", lambda steps: sum(steps)),
        ("product", lambda steps: prod(steps)),
        ("min", lambda steps: min(steps)),
        ("mean", lambda steps: sum(steps) / len(steps)),
        ("last", lambda steps: steps[-1]),
    ],
)
def test_what_each_step_adds_comes_to_what_the_text_is_worth_wherever_it_ends(whole, worth):
    found = token_rewards.added(STEPS, whole)
    for count in (1, 2, 3):
        assert torch.equal(token_rewards.added(STEPS[:count], whole), found[:count])  # no step answers for a later one
        expected = [worth(column[:count]) for column in STEPS.T.tolist()]
        assert found[:count].sum(0).tolist() == pytest.approx(expected, rel=1e-12)
    assert token_rewards.added(STEPS[:0], whole).shape == (0, 2)

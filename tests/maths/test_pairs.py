"""Pairs in a batch: rows in twos, labels as probabilities, the window's weight as denominator."""

import pytest
import torch

from burnish.maths import pairs
from burnish.maths.batch import Batch, length_mask

PAIRS = Batch(
    length_mask([1] * 4),
    torch.tensor([5, 5, 2, 2]),
    probability_B=torch.tensor([0.9, 0.9, 0.5, 0.5]),
    weights_BK=torch.tensor([[1.0, 7.0], [1.0, 7.0], [3.0, 7.0], [3.0, 7.0]]),
    scalars={"weight": 4.0},
)


@pytest.mark.parametrize("rows", [[0, 2], [1, 2, 3], [1, 2]])
def test_a_pair_that_came_apart_is_refused(rows):
    pairs.check(PAIRS, "dpo")
    with pytest.raises(ValueError, match="dpo: rows 2i and 2i \\+ 1 are not one pair"):
        pairs.check(PAIRS.slice(torch.tensor(rows)), "dpo")


def test_labels_and_weights_of_pairs_and_what_they_are_without_any():
    bare = Batch(PAIRS.completion_mask_BT, PAIRS.group_B)
    assert pairs.probability(PAIRS).tolist() == pytest.approx([0.9, 0.5])
    assert pairs.weights(PAIRS).tolist() == [1, 3]  # the first column, once a pair
    assert pairs.with_weight(PAIRS).scalars["weight"] == 4
    assert pairs.probability(bare).tolist() == pairs.weights(bare).tolist() == [1, 1]


def test_a_pair_s_share_stands_on_its_chosen_row_over_the_window_s_weight():
    # by hand: 2 * 1 / 4 and 4 * 3 / 4
    assert pairs.shares(torch.tensor([2.0, 4.0]), PAIRS).tolist() == [0.5, 0, 3, 0]
    part = pairs.shares(torch.tensor([4.0]), PAIRS.slice(torch.tensor([2, 3])))
    assert part.tolist() == [3, 0]  # the same in a slice of its own (trap T26)


def test_an_uncertain_label_is_the_mean_over_who_is_preferred():
    found = pairs.expected(torch.tensor([1.0, 1.0]), torch.tensor([5.0, 5.0]), torch.tensor([1.0, 0.75]))
    assert found.tolist() == [1, 2]


def test_a_tie_has_no_right_order():
    found = pairs.metrics(torch.tensor([2.0, 2.0]), torch.tensor([0.5, 0.5]), torch.tensor([0.3, 0.5]))
    assert found["pair_accuracy"].tolist() == pytest.approx([0, 0, float("nan"), float("nan")], nan_ok=True)
    assert found["margin"].tolist() == [1.5] * 4

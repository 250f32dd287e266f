"""Two sides that pull equally, and Z from samples: exact when every completion was drawn as often as q says."""

import pytest
import torch

from burnish.maths.adversarial import balanced, log_partition, sides
from burnish.maths.batch import Batch, length_mask

DOUBLE = torch.float64


def test_each_side_of_each_head_sums_to_its_share():
    weights = torch.tensor([[1.0, 0.0], [3.0, 2.0], [1.0, 1.0], [1.0, 1.0], [3.0, 0.0]])
    shown = torch.tensor([True, True, False, False, False])
    found = balanced(weights, shown, ~shown)
    assert found[shown].sum(0).tolist() == pytest.approx([0.5, 0.5])
    assert found[~shown].sum(0).tolist() == pytest.approx([0.5, 0.5])
    assert found[1].tolist() == pytest.approx([3 / 4 / 2, 1 / 2])
    lonely = balanced(weights * torch.tensor([[1.0, 0.0], [1, 0], [1, 1], [1, 1], [1, 1]]), shown, ~shown)
    assert lonely[:, 1].tolist() == [0] * 5  # nothing was shown to the second head, so it learns nothing


def test_a_batch_that_does_not_say_who_drew_is_refused():
    with pytest.raises(ValueError, match="which rows the policy drew"):
        sides(Batch(length_mask([1]), torch.zeros(1, dtype=torch.int64)), "discriminator")


def test_z_is_exact_when_completions_come_as_often_as_q_says():
    rewards = torch.tensor([0.3, -1.2, 2.0], dtype=DOUBLE)
    drawn = [0, 0, 0, 1, 2, 2]  # q = 1/2, 1/6, 1/3
    log_q = torch.tensor([3, 1, 2], dtype=DOUBLE).log() - torch.tensor(6.0, dtype=DOUBLE).log()
    log_weight = (rewards - log_q)[drawn][:, None]
    group = torch.tensor([7] * 6 + [2])
    fresh = torch.tensor([True] * 6 + [False])
    found, effective = log_partition(torch.cat([log_weight, log_weight[:1]]), group, fresh)
    assert found[:6, 0].tolist() == pytest.approx([float(rewards.exp().sum().log())] * 6, rel=1e-12)
    assert found[6, 0] == 0
    assert effective[6].isnan()
    w = log_weight[:, 0].exp()
    assert effective[0].item() == pytest.approx(float(w.sum() ** 2 / w.square().sum()))


def test_z_of_each_prompt_is_its_own_and_equal_weights_are_all_effective():
    log_weight = torch.tensor([[1.0], [1.0], [5.0], [5.0], [5.0]])
    found, effective = log_partition(log_weight, torch.tensor([0, 0, 3, 3, 3]), torch.ones(5, dtype=torch.bool))
    assert found[:, 0].tolist() == pytest.approx([1, 1, 5, 5, 5])
    assert effective.tolist() == pytest.approx([2, 2, 3, 3, 3])

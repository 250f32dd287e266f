import pytest
import torch

from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import score_reward


def test_the_share_of_each_text():
    batch = Batch(
        completion_mask_BT=length_mask([1, 1]),
        group_B=torch.arange(2),
        targets_BK=torch.tensor([[1.0, 1.0], [-2.0, float("nan")]]),
        weights_BK=torch.tensor([[1.0, 0.5], [2.0, 3.0]]),
        scalars={"weight": 6.5},
    )
    found, metrics = score_reward.loss(
        batch, Outputs(rewards_BK=torch.tensor([[2.0, -1.0], [0.0, 7.0]])), score_reward.Config(heads=2)
    )
    # by hand: 1/2 (1 * 1 + 0.5 * 4) and 1/2 (2 * 4) over 6.5; the head without a target adds nothing
    assert found.tolist() == pytest.approx([1.5 / 6.5, 4 / 6.5])
    assert metrics["absolute_error"].tolist() == pytest.approx([0.5, 5.5])


def test_weights_are_inverse_variances_with_slack():
    config = score_reward.Config(slack=0.5)
    assert score_reward.weight(0.0, config) == 1.0
    assert score_reward.weight(None, config) == score_reward.weight(config.slack, config) == 0.5
    assert score_reward.weight(0.5, config) == pytest.approx(0.5)
    # by hand: (2.5 + 0.5) / (1.0 + 0.5): the surer one counts twice as much
    assert score_reward.weight(1.0, config) / score_reward.weight(2.5, config) == pytest.approx(2.0)


def test_the_weighted_mean_is_what_the_loss_asks_for():
    """Two people's means of one text, variances 0.5 and 1.5: the best reward is nearer the surer one."""
    config = score_reward.Config(heads=1, slack=0.5)
    weights = torch.tensor([[score_reward.weight(v, config)] for v in (0.5, 1.5)])
    batch = Batch(
        length_mask([1, 1]), torch.arange(2), targets_BK=torch.tensor([[3.0], [0.0]]), weights_BK=weights,
        scalars={"weight": float(weights.sum())},
    )  # fmt: skip
    predicted = torch.tensor(2.0, requires_grad=True)  # by hand: (3/1 + 0/2) / (1/1 + 1/2) = 2
    share, _ = score_reward.loss(batch, Outputs(rewards_BK=predicted.expand(2, 1)), config)
    share.sum().backward()
    assert predicted.grad.item() == pytest.approx(0.0, abs=1e-7)

from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.maths.ordinal import cumulative_logit
from burnish.methods import score_reward
from burnish.records import Completion, Prompt, Score


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


def test_ordered_categories_cost_their_log_chance():
    config = score_reward.Config(heads=1, kind="ordinal", levels=(1.0, 2.0, 3.0), spread=0.5)
    batch = Batch(
        length_mask([1, 1]), torch.arange(2), targets_BK=torch.tensor([[3.0], [1.0]]),
        weights_BK=torch.tensor([[1.0], [3.0]]),
    )  # fmt: skip
    rewards = torch.tensor([[2.0], [2.5]])
    found, metrics = score_reward.loss(score_reward.targets(batch, config), Outputs(rewards_BK=rewards), config)
    costs = cumulative_logit(rewards, batch.targets_BK, config.levels, 0.5)[:, 0]
    assert found.tolist() == pytest.approx([float(costs[0]) / 4, 3 * float(costs[1]) / 4])
    assert metrics["absolute_error"].tolist() == [1.0, 1.5]


def test_the_window_s_weight_counts_what_was_scored_unless_it_was_given():
    config = score_reward.Config(heads=2)
    batch = Batch(
        length_mask([1, 1]), torch.arange(2), targets_BK=torch.tensor([[1.0, 1.0], [-2.0, float("nan")]]),
        weights_BK=torch.tensor([[1.0, 0.5], [2.0, 3.0]]),
    )  # fmt: skip
    assert score_reward.targets(batch, config).scalars["weight"] == 3.5
    assert score_reward.targets(replace(batch, scalars={"weight": 9.0}), config).scalars["weight"] == 9.0


def rated(value: float | None, **more: object) -> Score:
    prompt = Prompt.of("?")
    return Score(prompt, Completion(prompt.id, "x"), value, **more)


def test_a_score_is_one_row_and_in_categories_a_row_for_each_rating_people_gave():
    signals = [rated(1.5, variance=0.5, weight=2.0, counts=((0.0, 1), (2.0, 3))), rated(None), rated(-1.0)]
    plain = score_reward.prepare(signals, score_reward.Config(slack=0.5), Tools())
    assert [[(row.score, row.weight) for row in each.rows] for each in plain] == [[(1.5, 1.0)], [(-1.0, 0.5)]]
    split = score_reward.prepare(signals, score_reward.Config(slack=0.5, kind="ordinal"), Tools())
    assert [[(row.score, row.weight) for row in each.rows] for each in split] == [
        [(0.0, 0.25), (2.0, 0.75)],
        [(-1.0, 0.5)],
    ]


def test_a_rating_that_is_no_level_at_all_and_levels_that_do_not_rise_are_refused():
    config = score_reward.Config(kind="ordinal", levels=(1.0, 2.0))
    with pytest.raises(InputError, match=r"rating 5.0 is outside the levels"):
        score_reward.prepare([rated(5.0)], config, Tools())
    for levels in ((1.0,), (1.0, 1.0), (2.0, 1.0), (1.0, float("inf"))):
        with pytest.raises(InputError, match="levels"):
            score_reward.Config(levels=levels)


@pytest.mark.parametrize("kind", ["regression", "ordinal"])
def test_it_learns_what_was_rated_higher_and_its_twin_the_reverse(kind):
    config = score_reward.Config(heads=1, kind=kind)
    for ratings in ([2.0, -2.0, 0.0], [-2.0, 2.0, 0.0]):
        rewards = torch.zeros(3, 1, requires_grad=True)
        batch = Batch(length_mask([1] * 3), torch.arange(3), targets_BK=torch.tensor(ratings)[:, None])
        for _ in range(60):
            share, _ = score_reward.loss(score_reward.targets(batch, config), Outputs(rewards_BK=rewards), config)
            (slope,) = torch.autograd.grad(share.sum(), rewards)
            rewards = (rewards - slope).detach().requires_grad_(True)
        assert rewards[:, 0].tolist() == pytest.approx(ratings, abs=0.01)

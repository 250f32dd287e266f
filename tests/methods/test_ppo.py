"""PPO: what is paid where, whitening, both clips by hand, the exact gradient at ratio 1, and its wrong twin."""

from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.maths.policy_loss import clipped_value_loss
from burnish.methods import ppo

DOUBLE = torch.float64
NAN = float("nan")
PLAIN = ppo.Config(beta=0.0, whiten=False, trace=1.0, value_clip=0.0, normaliser="constant")


def batch(rewards, lengths, values, **more) -> Batch:
    return Batch(
        length_mask(lengths),
        torch.arange(len(rewards)),
        rewards_B=torch.tensor(rewards, dtype=DOUBLE),
        old_values_BT=torch.tensor(values, dtype=DOUBLE),
        scalars={"max_new_tokens": 10.0},
        **more,
    )


# ------------------------------------------------------------------------------------------------------------ targets


def test_advantages_and_returns_by_hand():
    config = replace(PLAIN, discount=0.5, trace=0.5)
    made = ppo.targets(batch([2.0], [3], [[0.5, 1.0, 1.5]]), config)
    # by hand: deltas 0.5 - 0.5 = 0, 0.75 - 1 = -0.25, 2 - 1.5 = 0.5; A_1 = -0.25 + 0.125, A_0 = 0.25 * A_1
    assert made.advantages_BT.tolist() == [[-0.03125, -0.125, 0.5]]
    assert made.returns_BT.tolist() == [[0.46875, 0.875, 2.0]]


def test_divergence_entropy_and_truncation_are_paid_token_by_token():
    made = batch(
        [2.0], [2], [[0.0, 0.0, NAN]],
        old_logprobs_BT=torch.tensor([[-1.0, -3.0, NAN]], dtype=DOUBLE),
        reference_logprobs_BT=torch.tensor([[-2.0, -2.0, NAN]], dtype=DOUBLE),
        token_rewards_BT=torch.tensor([[0.5, NAN, NAN]], dtype=DOUBLE),
        truncated_B=torch.tensor([True]),
    )  # fmt: skip
    made = replace(made, completion_mask_BT=torch.tensor([[True, True, False]]))
    config = replace(PLAIN, beta=0.1, entropy_bonus=0.01, truncation_penalty=1.0, trace=0.0, discount=0.0)
    # by hand: 0.5 - 0.1 * 1 + 0.01 * 1 and (2 - 1) + 0.1 * 1 + 0.01 * 3
    assert ppo.targets(made, config).returns_BT.tolist() == [pytest.approx([0.41, 1.13, 0.0])]


def test_whitened_over_the_windows_trained_tokens():
    """Trap T12: rubbish in padding and rows without a score are in neither mean nor spread."""
    made = batch([3.0, 1.0, NAN], [1, 2, 2], [[0.0, NAN], [0.0, 0.0], [50.0, 50.0]])
    found = ppo.targets(made, replace(PLAIN, whiten=True))
    # by hand: 3, 1, 1 have mean 5/3 and variance 4/3
    expected = [(3 - 5 / 3) / (4 / 3) ** 0.5, 0.0, *[(1 - 5 / 3) / (4 / 3) ** 0.5] * 2, 0.0, 0.0]
    assert found.advantages_BT.reshape(-1).tolist() == pytest.approx(expected, abs=1e-7)
    assert found.scalars["tokens"] == 3


# --------------------------------------------------------------------------------------------------------------- loss


@pytest.mark.parametrize(
    ("value", "old", "loss", "slope"),
    [
        # by hand: return 1, clip 0.2; the larger of the two errors
        (0.1, 0.0, 0.5 * 0.9**2, -0.9),  # within reach: as it is
        (0.5, 0.0, 0.5 * 0.8**2, 0.0),  # went towards the return by more than 0.2: held
        (-0.5, 0.0, 0.5 * 1.5**2, -1.5),  # went away from it: pulled back in full
        (3.0, 2.5, 0.5 * 2.0**2, 2.0),
    ],
)
def test_the_values_clip_takes_the_larger_error(value, old, loss, slope):
    """Trap T31: with the smaller one a value that ran away would have no gradient."""
    leaf = torch.tensor([[value]], dtype=DOUBLE, requires_grad=True)
    found = clipped_value_loss(leaf, torch.tensor([[old]], dtype=DOUBLE), torch.ones(1, 1, dtype=DOUBLE), 0.2)
    found.sum().backward()
    assert found.item() == pytest.approx(loss)
    assert leaf.grad.item() == pytest.approx(slope)
    assert clipped_value_loss(leaf, leaf, torch.ones(1, 1), 0.0).item() == pytest.approx(0.5 * (1 - value) ** 2)


def test_the_loss_of_each_token_by_hand():
    made = batch([2.0], [2], [[0.0, 0.0]], old_logprobs_BT=torch.zeros(1, 2, dtype=DOUBLE))
    config = replace(PLAIN, value_weight=0.5)
    now = torch.tensor([[1.5, 0.9]], dtype=DOUBLE).log()
    values = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    found, metrics = ppo.loss(ppo.targets(made, config), Outputs(logprobs_BT=now, values_BT=values), config)
    # by hand: advantages 2, 2; -(2 * 1.2 + 2 * 0.9); values half of 1/2 (1 + 4); over 10
    assert found.tolist() == pytest.approx([(-2.4 - 1.8 + 0.5 * 2.5) / 10])
    assert metrics["clip_share"].tolist() == [0.5]
    assert metrics["value_error"].tolist() == [1.5]


def test_settings_reach_the_loss_as_divergence_too():
    made = batch([0.0], [1], [[0.0]])
    config = replace(PLAIN, beta=0.5, kl_in="loss")
    says = Outputs(
        logprobs_BT=torch.tensor([[-1.0]], dtype=DOUBLE),
        values_BT=torch.zeros(1, 1, dtype=DOUBLE),
        kl_BT=torch.tensor([[2.0]], dtype=DOUBLE),
    )
    found, metrics = ppo.loss(ppo.targets(made, config), says, config)
    assert found.tolist() == pytest.approx([0.5 * 2 / 10])
    assert metrics["kl_nats"].tolist() == [2.0]


# ---------------------------------------------------------------------------------------------------- by enumeration


@pytest.mark.parametrize("settings", [{"kl_in": "reward"}, {"entropy_bonus": 0.2}])
def test_at_ratio_one_its_mean_is_the_exact_gradient(world, settings):
    here = world(heads={"value": 1})
    here.policy.tables["value"].data += torch.randn(here.policy.tables["value"].shape, dtype=DOUBLE)
    config = replace(PLAIN, beta=0.3, value_weight=0.0, **settings)
    found = 4 * here.expected(ppo, config)
    p = here.chances()
    entropy = -(p * p.log()).sum()
    goal = (p * here.rewards).sum() - 0.3 * here.divergence() + config.entropy_bonus * entropy
    true = here.gradient(goal)
    assert torch.allclose(here.gradient(found), -true, atol=1e-12)
    assert true.norm() > 0.1


def test_the_value_heads_gradient_is_towards_the_expected_return(world):
    """Descending the value's loss alone, exactly, ends at the expected reward from each state."""
    here = world(longest=2, heads={"value": 1})
    config = replace(PLAIN, value_weight=1.0)
    worth = here.worth(here.rewards)
    for node, (_, begun) in enumerate(here.policy._node):
        here.policy.tables["value"].data[node] = worth[begun]
    slope = here.gradient(here.expected(ppo, config), of="value")
    assert slope.abs().max() < 1e-12
    here.policy.tables["value"].data += 1.0
    assert here.gradient(here.expected(ppo, config), of="value").sum() > 0.1


def test_the_gradient_is_that_of_finite_differences():
    made = batch([2.0, -1.0], [2, 1], [[0.3, -0.2], [0.1, 0.0]])
    made = replace(made, old_logprobs_BT=torch.full((2, 2), -1.0, dtype=DOUBLE))
    config = ppo.Config(beta=0.0)
    made = ppo.targets(made, config)
    leaves = [
        torch.tensor(x, dtype=DOUBLE, requires_grad=True)
        for x in ([[-1.1, -0.95], [-1.04, 0]], [[1.0, -0.1], [0.2, 0]])
    ]
    assert torch.autograd.gradcheck(lambda a, v: ppo.loss(made, Outputs(logprobs_BT=a, values_BT=v), config)[0], leaves)


def test_it_finds_the_best_completion_and_its_twin_does_not(world, twin):
    config = ppo.Config(beta=0.0)
    here = world(longest=2, heads={"value": 1})
    best, before = float(here.rewards.max()), here.mean_reward()
    assert here.learn(ppo, config, steps=30) > best - 0.05 * (best - before)
    assert world(longest=2, heads={"value": 1}).learn(twin(ppo), config, steps=10) < before


@pytest.mark.parametrize("setting", [{"trace": 1.5}, {"clip_low": NAN}, {"value_clip": -1.0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        ppo.Config(**setting)

"""RLOO: by hand, both ratios, exact gradients over all pairs of completions, and its wrong twin."""

from dataclasses import replace
from math import exp

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.advantages import group_relative
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import rloo

DOUBLE = torch.float64
NAN = float("nan")


def batch(rewards, lengths, groups=None, **more) -> Batch:
    return Batch(
        length_mask(lengths),
        torch.tensor(groups or [0] * len(rewards)),
        rewards_B=torch.tensor(rewards, dtype=DOUBLE),
        scalars={"max_new_tokens": 10.0},
        **more,
    )


def test_the_others_say_what_was_to_be_expected():
    made = rloo.targets(batch([1.0, 3.0, 8.0], [1, 1, 1]), rloo.Config(beta=0.0))
    assert made.advantages_B.tolist() == pytest.approx([1 - 5.5, 3 - 4.5, 8 - 2])


def test_divergence_and_token_rewards_are_part_of_a_completions_reward():
    made = batch(
        [1.0, 3.0], [2, 1],
        old_logprobs_BT=torch.tensor([[-1.0, -1.0], [-2.0, NAN]], dtype=DOUBLE),
        reference_logprobs_BT=torch.tensor([[-2.0, -3.0], [-1.0, NAN]], dtype=DOUBLE),
        token_rewards_BT=torch.tensor([[0.5, NAN], [NAN, NAN]], dtype=DOUBLE),
    )  # fmt: skip
    # by hand: 1 + 0.5 - 0.1 (1 + 2) = 1.2 and 3 - 0.1 (-1) = 3.1
    assert rloo.targets(made, rloo.Config(beta=0.1)).advantages_B.tolist() == pytest.approx([-1.9, 1.9])


def test_the_two_ratios_by_hand():
    old = torch.tensor([[-1.0, -1.0], [-1.0, 0.0]], dtype=DOUBLE)
    now = torch.tensor([[-0.9, -0.9], [-1.5, NAN]], dtype=DOUBLE)
    made = replace(batch([3.0, 1.0], [2, 1]), old_logprobs_BT=old)
    for ratio, first in (("sequence", -min(2 * exp(0.2), 2 * 1.2)), ("token", -2 * min(2 * exp(0.1), 2 * 1.2))):
        config = rloo.Config(beta=0.0, ratio=ratio)
        found, metrics = rloo.loss(rloo.targets(made, config), Outputs(logprobs_BT=now), config)
        # by hand: advantages 2, -2; the second went down by half a nat: clipped at 0.8; over 2 completions
        assert found.tolist() == pytest.approx([first / 2, 2 * 0.8 / 2])
        assert metrics["clip_share"].tolist() == [float(ratio == "sequence"), 1.0]


def test_unscored_completions_are_left_out_and_a_lone_one_teaches_nothing():
    made = rloo.targets(batch([1.0, NAN, 4.0, NAN], [1, 2, 3, 1], [0, 0, 0, 0]), rloo.Config(beta=0.0))
    assert made.advantages_B.tolist() == [-3.0, 0.0, 3.0, 0.0]
    assert made.scalars["completions"] == 2
    assert rloo.targets(batch([1.0, NAN], [1, 2]), rloo.Config(beta=0.0)).advantages_B.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="one completion"):
        rloo.targets(batch([1.0, 2.0], [1, 1], [0, 1]), rloo.Config(beta=0.0))


def test_a_group_of_equal_rewards_teaches_exactly_nothing():
    """Trap T15: the rounding of a mean is no signal."""
    made = rloo.targets(batch([0.1, 0.1, 0.1], [1, 2, 1]), rloo.Config(beta=0.0))
    assert made.advantages_B.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("ratio", ["sequence", "token"])
def test_over_all_pairs_it_is_the_gradient_of_reward_less_divergence(world, ratio):
    here = world(longest=2)
    found = here.expected_in_pairs(rloo, rloo.Config(beta=0.3, ratio=ratio))
    true = here.gradient((here.chances() * here.rewards).sum() - 0.3 * here.divergence())
    assert torch.allclose(here.gradient(found), -true, atol=1e-12)
    assert true.norm() > 0.1


def test_the_groups_mean_in_its_place_would_lose_half(world):
    """Why the completion itself is left out: with the mean of all, the gradient of two is half of what it should be."""
    here = world(longest=2)
    everyone = range(len(here.tokens))
    made, outputs = here.window([[here.row(i), here.row(j)] for i in everyone for j in everyone])
    made = rloo.targets(made, rloo.Config(beta=0.0))
    biased = replace(made, advantages_B=group_relative(made.rewards_B, made.group_B))
    p = here.chances().detach()
    weights = torch.outer(p, p).reshape(-1).repeat_interleave(2) * made.scalars["completions"] / 2
    found = (weights * rloo.loss(biased, outputs, rloo.Config(beta=0.0))[0]).sum()
    true = here.gradient((here.chances() * here.rewards).sum())
    assert torch.allclose(here.gradient(found), -true / 2, atol=1e-12)


@pytest.mark.parametrize("ratio", ["sequence", "token"])
def test_the_gradient_is_that_of_finite_differences(ratio):
    made = replace(batch([3.0, 1.0], [2, 1]), old_logprobs_BT=torch.full((2, 2), -1.0, dtype=DOUBLE))
    config = rloo.Config(beta=0.2, ratio=ratio, kl_in="loss", kl="k2")
    made = rloo.targets(made, config)
    reference = torch.full((2, 2), -1.5, dtype=DOUBLE)
    leaf = torch.tensor([[-1.05, -0.9], [-1.1, 0.0]], dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: rloo.loss(made, Outputs(logprobs_BT=x, reference_logprobs_BT=reference), config)[0], leaf
    )


def test_it_finds_the_best_completion_and_its_twin_does_not(world, twin):
    here = world(longest=2)
    best, before = float(here.rewards.max()), here.mean_reward()
    assert here.learn(rloo, rloo.Config(beta=0.0), steps=30) > best - 0.05 * (best - before)
    assert world(longest=2).learn(twin(rloo), rloo.Config(beta=0.0), steps=10) < before


@pytest.mark.parametrize("setting", [{"clip_low": 1.5}, {"beta": NAN}, {"truncation_penalty": -1.0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        rloo.Config(**setting)

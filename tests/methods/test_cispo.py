"""CISPO: by hand, the gradient a clip would have taken, GRPO's in the first step, and its wrong twin."""

from dataclasses import replace
from math import exp

import pytest
import torch

from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import cispo, grpo

DOUBLE = torch.float64
LENGTHS = [2, 1]


def batch(rewards=(3.0, 1.0)) -> Batch:
    return Batch(
        length_mask(LENGTHS),
        torch.tensor([0, 0]),
        rewards_B=torch.tensor(rewards, dtype=DOUBLE),
        old_logprobs_BT=torch.tensor([[-1.0, -1.0], [-1.0, torch.nan]], dtype=DOUBLE),
        scalars={"max_new_tokens": 2.0},
    )


def gradient(made: Batch, now: torch.Tensor, config: cispo.Config) -> torch.Tensor:
    now = now.clone().requires_grad_()
    cispo.loss(made, Outputs(logprobs_BT=now), config)[0].sum().backward()
    return now.grad


def test_by_hand():
    config = cispo.Config(beta=0.0, high=0.2)
    now = torch.tensor([[-0.5, -1.1], [-0.9, torch.nan]], dtype=DOUBLE)
    found, metrics = cispo.loss(cispo.targets(batch(), config), Outputs(logprobs_BT=now), config)
    # by hand: advantages 1 and -1; weights min(e^0.5, 1.2) = 1.2, e^-0.1 and e^0.1; over 3 tokens
    assert found.tolist() == pytest.approx([(1.2 * 0.5 + exp(-0.1) * 1.1) / 3, -exp(0.1) * 0.9 / 3])
    assert metrics["capped_share"].tolist() == [0.5, 0.0]


def test_a_token_beyond_the_bound_keeps_its_gradient():
    now = torch.tensor([[0.0, -1.0], [-1.0, 0.0]], dtype=DOUBLE)  # the first went up by a nat
    config = cispo.Config(beta=0.0, high=0.2)
    assert gradient(cispo.targets(batch(), config), now, config)[0, 0] == pytest.approx(-1.2 / 3)
    clipped = grpo.Config(beta=0.0, clip_high=0.2, normaliser="token", truncated="keep")
    leaf = now.clone().requires_grad_()
    grpo.loss(grpo.targets(batch(), clipped), Outputs(logprobs_BT=leaf), clipped)[0].sum().backward()
    assert leaf.grad[0, 0] == 0


def test_the_first_step_is_grpo_s_with_the_token_normaliser():
    now = batch().old_logprobs_BT
    config = cispo.Config(beta=0.0)
    ours = gradient(cispo.targets(batch(), config), now, config)
    plain = grpo.Config(beta=0.0, normaliser="token", truncated="keep")
    leaf = now.clone().requires_grad_()
    grpo.loss(grpo.targets(batch(), plain), Outputs(logprobs_BT=leaf), plain)[0].sum().backward()
    assert torch.allclose(ours, leaf.grad, atol=1e-12)


def test_its_wrong_twin_goes_the_other_way():
    config = cispo.Config(beta=0.0)
    now = batch().old_logprobs_BT
    right = gradient(cispo.targets(batch(), config), now, config)
    made = cispo.targets(batch(), config)
    wrong = gradient(replace(made, advantages_B=-made.advantages_B), now, config)
    assert right[0, 0] < 0 < wrong[0, 0]

"""examples/grpo_from_scratch.py: trained beside the library's GRPO it comes to the same weights; and it learns."""

from __future__ import annotations

import copy
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from burnish.maths.batch import Batch, Outputs
from burnish.maths.kl import kl_exact
from burnish.methods import grpo

PATH = Path(__file__).resolve().parents[2] / "examples" / "grpo_from_scratch.py"
SPEC = importlib.util.spec_from_file_location("grpo_from_scratch", PATH)
example = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = example
SPEC.loader.exec_module(example)

SETTINGS = example.Settings(prompts=6, group=4, passes=3, beta=0.2, learning_rate=0.02)
"""Large steps and a dear KL, so that clip and KL matter within three windows."""


def library_loss(policy, old_BT, reference_BTV, rewards_B, rollouts, config):
    """The same window's loss, by `burnish.methods.grpo`."""
    batch = Batch(
        completion_mask_BT=rollouts.mask_BT,
        group_B=rollouts.group_B,
        rewards_B=rewards_B,
        old_logprobs_BT=old_BT,
        truncated_B=rollouts.truncated_B,
        scalars={"max_new_tokens": float(example.MAX_NEW_TOKENS)},
    )
    log_BTV = example.distributions(policy, rollouts)
    outputs = Outputs(logprobs_BT=example.of_drawn(log_BTV, rollouts), kl_BT=kl_exact(log_BTV, reference_BTV))
    shares, metrics = grpo.loss(grpo.targets(batch, config), outputs, config)
    return shares.sum(), metrics


def trained_by_the_library(steps, s, seed=0, dtype=torch.float64):
    """`example.train`, line by line, with the library's advantages and loss in place of its own."""
    config = grpo.Config(
        clip_low=s.clip_low, clip_high=s.clip_high, beta=s.beta, truncation_penalty=s.truncation_penalty
    )
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    policy = example.Policy().to(dtype)
    reference = copy.deepcopy(policy).requires_grad_(False)
    optimiser = torch.optim.Adam(policy.parameters(), lr=s.learning_rate)
    clipped = 0.0
    for _ in range(steps):
        rollouts = example.sample(policy, example.draw_prompts(s.prompts, generator), s.group, generator)
        rewards_B = example.rewards_of(rollouts).to(dtype)
        with torch.no_grad():
            old_BT = example.of_drawn(example.distributions(policy, rollouts), rollouts)
            reference_BTV = example.distributions(reference, rollouts)
        for _ in range(s.passes):
            loss, metrics = library_loss(policy, old_BT, reference_BTV, rewards_B, rollouts, config)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            clipped = max(clipped, float(metrics["clip_share"].mean()))
    return policy, clipped


def test_the_tutorial_and_the_library_come_to_the_same_weights():
    mine = example.train(steps=3, s=SETTINGS, dtype=torch.float64, quiet=True)
    theirs, clipped = trained_by_the_library(steps=3, s=SETTINGS)
    assert clipped > 0.02  # otherwise the clip was not tried
    for (name, one), other in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-9), name


def test_weights_that_were_trained_otherwise_are_found():
    mine = example.train(steps=3, s=SETTINGS, dtype=torch.float64, quiet=True)
    other, _ = trained_by_the_library(steps=3, s=example.Settings(**{**vars(SETTINGS), "beta": 0.21}))
    assert not torch.allclose(mine.head.weight, other.head.weight, rtol=0, atol=1e-6)


def test_rewards_by_hand():
    prompt = torch.tensor([3, 7])
    assert example.reward_of(prompt, [7, 3, example.END]) == 1
    assert example.reward_of(prompt, [7, 4]) == pytest.approx(1 / 3)
    assert example.reward_of(prompt, [example.END]) == 0


def test_it_learns():
    policy = example.train(steps=22, s=example.Settings(), quiet=True)
    generator = torch.Generator().manual_seed(5)
    rollouts = example.sample(policy, example.draw_prompts(50, generator), 4, generator)
    assert float(example.rewards_of(rollouts).mean()) > 0.25  # from 0.07

"""AdaLoRA's ranks: as peft shares them out, whoever clears the gradients, and exactly so after a resume."""

from __future__ import annotations

import copy

import pytest
import torch

from burnish.models.packing import pack
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig

ROWS = pack([[5, 9, 12], [30, 31]], [[[20, 21, 22], [33]], [[50, 51], [60, 61, 62]]])
CONFIG = TuningConfig("adalora", rank=4, target_rank=2, alpha=8.0, steps=12)


def trained(policy: Policy, steps: range, optimiser: torch.optim.Optimizer, ours: bool = True) -> None:
    for step in steps:
        policy.statistics(ROWS, temperature=1.0, reference=False).logprobs.sum().neg().backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters().values(), 1.0)
        optimiser.step()
        if ours:
            optimiser.zero_grad(set_to_none=True)
            policy.after_step(step)
        else:
            policy.model.base_model.update_and_allocate(step)
            optimiser.zero_grad(set_to_none=True)


def fresh(folder) -> tuple[Policy, torch.optim.Optimizer]:
    policy = Policy.load(folder)
    policy.adapt(CONFIG, seed=1)
    return policy, torch.optim.AdamW(policy.parameters().values(), lr=0.02)


def ranks(policy: Policy) -> list[int]:
    return [int((p != 0).sum()) for name, p in policy.parameters().items() if "lora_E" in name]


def test_ranks_fall_to_the_budget_as_peft_shares_them_out(tiny_folder):
    mine, theirs = fresh(tiny_folder), fresh(tiny_folder)
    trained(mine[0], range(12), mine[1])
    trained(theirs[0], range(12), theirs[1], ours=False)
    assert sum(ranks(mine[0])) == 2 * len(ranks(mine[0]))
    assert len(set(ranks(mine[0]))) > 1  # by importance, not evenly
    state = theirs[0].state()
    assert all(torch.equal(value, state[name]) for name, value in mine[0].state().items())


def test_a_resumed_run_is_the_same_to_the_bit(tiny_folder):
    whole, optimiser = fresh(tiny_folder)
    trained(whole, range(5), optimiser)
    kept, moments = whole.state(), copy.deepcopy(optimiser.state_dict())
    other, others = fresh(tiny_folder)
    other.load_state(kept)
    others.load_state_dict(moments)
    for policy, each in ((whole, optimiser), (other, others)):
        trained(policy, range(5, 12), each)
    assert whole.fingerprint() == other.fingerprint()
    assert whole.state().keys() == other.state().keys()
    assert any(name.startswith("budget#exp_avg_ipt") for name in kept)


def test_a_step_that_was_left_out_shares_nothing_out(tiny_folder):
    policy, optimiser = fresh(tiny_folder)
    trained(policy, range(3), optimiser)
    before = policy.state()
    policy.statistics(ROWS, temperature=1.0, reference=False).logprobs.sum().backward()
    next(iter(policy.parameters().values())).grad.fill_(torch.nan)
    optimiser.zero_grad(set_to_none=True)
    policy.after_step(3)
    policy.after_step(3)
    assert all(torch.equal(value, before[name]) for name, value in policy.state().items())


def test_saved_after_training_only_the_ranks_that_are_left_come_back(tiny_folder, tmp_path):
    policy, optimiser = fresh(tiny_folder)
    trained(policy, range(12), optimiser)
    with torch.no_grad():
        said = policy.statistics(ROWS, temperature=1.0, reference=False).logprobs
    policy.save(tmp_path)
    other = Policy.load(tiny_folder)
    other.load_tuned(tmp_path)
    with torch.no_grad():
        assert torch.allclose(other.statistics(ROWS, temperature=1.0, reference=False).logprobs, said, atol=1e-5)
    assert sum(p.numel() for p in other.parameters().values()) < sum(p.numel() for p in policy.parameters().values())
    again = torch.optim.AdamW(other.parameters().values(), lr=0.02)
    trained(other, range(2), again)  # whatever the schedule says, its ranks are those it has
    trained(policy, range(12, 14), optimiser)  # and saving did not end the training
    assert sum(ranks(policy)) == pytest.approx(2 * len(ranks(policy)))

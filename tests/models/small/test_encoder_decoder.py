"""The teacher-forcing ratio: where it holds, how often, and what its two ends are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from burnish.models import small
from burnish.models.packing import pack
from burnish.models.policy import Policy

ROWS = pack([[5, 9, 12], [30, 31]], [[[20, 21, 22, 23], [33]], [[50, 51], [60, 61, 62]]])


def policy_with(ratio: float, folder: Path, scale: float = 0.5) -> Policy:
    small.make(
        folder, kind="encoder_decoder", texts=["a"], vocabulary=270, hidden=16, layers=2, scale=scale, seed=2,
        teacher_forcing=ratio,
    )  # fmt: skip
    return Policy.load(folder)


def logprobs(policy: Policy, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    with torch.no_grad():
        return policy.statistics(ROWS, temperature=1.0, reference=False).logprobs


def test_a_policy_is_shown_the_true_tokens_whatever_the_ratio(tmp_path):
    always, never = policy_with(1.0, tmp_path / "one"), policy_with(0.0, tmp_path / "none")
    assert torch.equal(logprobs(always), logprobs(never))


def test_in_training_mode_a_ratio_of_one_changes_nothing(tmp_path):
    policy = policy_with(1.0, tmp_path)
    before = logprobs(policy)
    policy.model.train()
    assert torch.equal(logprobs(policy), before)


def test_in_training_mode_a_smaller_ratio_shows_it_its_own_draws(tmp_path):
    """The first token follows the prompt whatever the ratio; the later ones do not. Seeds decide."""
    policy = policy_with(0.5, tmp_path)
    true = logprobs(policy)
    policy.model.train()
    once, again, other = logprobs(policy, 1), logprobs(policy, 1), logprobs(policy, 2)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    firsts = torch.tensor([0, 4, 5, 7])  # of completions of 4, 1, 2 and 3 tokens
    assert torch.allclose(once[firsts], true[firsts], atol=1e-6)
    assert (once - true).abs().max() > 0.01


def test_step_by_step_with_the_true_tokens_is_the_same_as_all_at_once(tmp_path, monkeypatch):
    policy = policy_with(0.5, tmp_path)
    true = logprobs(policy)
    policy.model.train()
    monkeypatch.setattr(torch, "rand", lambda *size, **more: torch.zeros(*size))  # every coin says: the true token
    assert torch.allclose(logprobs(policy), true, atol=1e-5)


@pytest.mark.parametrize("ratio", [0.25, 0.75])
def test_the_share_of_true_tokens_is_the_ratio(ratio, tmp_path, monkeypatch):
    """Over 2,000 inputs, within 5 standard errors."""
    model = policy_with(ratio, tmp_path).model.train()
    seen = []
    embed = model.model.embed_tokens.forward
    torch.manual_seed(3)
    state = model(input_ids=torch.full((200, 3), 7)).past_key_values
    monkeypatch.setattr(model.model.embed_tokens, "forward", lambda ids: seen.append(ids) or embed(ids))
    monkeypatch.setattr(torch, "multinomial", lambda p, count: torch.full((len(p), count), 5))  # its own draws
    model(input_ids=torch.full((200, 10), 200), past_key_values=state)
    share = torch.cat(seen).eq(200).float().mean()
    assert torch.cat(seen).numel() == 2000
    assert float(share) == pytest.approx(ratio, abs=5 * (ratio * (1 - ratio) / 2000) ** 0.5)


def test_gradients_flow_in_either_mode(tmp_path):
    policy = policy_with(0.5, tmp_path)
    policy.model.requires_grad_(True)
    policy.model.train()
    policy.statistics(ROWS, temperature=1.0, reference=False).logprobs.sum().backward()
    for name, parameter in policy.parameters().items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name

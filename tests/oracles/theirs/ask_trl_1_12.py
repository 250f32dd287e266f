"""TRL 1.12.0, the last with PPO: its trainer's own `train()` for one update, of models that say what was recorded.

Generation, KL, rewards, GAE, whitening, both losses and the step are the trainer's. The policy says `logits_before`
while it generates and `logits` while it learns, as it would in a later pass, so that ratios leave their clip; the
gradient is read off the parameters, which one step of plain SGD at rate 1 moves by it.
"""

from __future__ import annotations

import tempfile
from types import SimpleNamespace
from typing import Any

import torch
from datasets import Dataset
from protocol import Window, answer, precision, silence
from torch import Tensor, nn
from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

FIRST = 100
"""Prompts are one token, this and more: which row of the recorded tensors is asked for."""


def whitened(window: Window) -> list[Tensor]:
    return window.read(ppo_trainer.masked_whiten(window.advantages_BT, window.mask))


class Recorded(nn.Module):
    """A model that says what was recorded for a prompt's row: `now` where gradients are wanted, else `before`."""

    is_gradient_checkpointing = False

    def __init__(self, before: Tensor, now: Tensor | None = None) -> None:
        super().__init__()
        self.before = before
        self.now = nn.Parameter((before if now is None else now).clone())

    def forward(self, input_ids: Tensor, **_: Any) -> SimpleNamespace:
        said = (self.now if torch.is_grad_enabled() else self.before)[input_ids[:, 0] - FIRST]
        said = nn.functional.pad(said, (0, 0, 0, 1))  # what follows the last token is asked for, and not read
        return SimpleNamespace(logits=said, hidden_states=[said])


class Policy(Recorded):
    """It has its completions ready, too."""

    config = SimpleNamespace()

    def __init__(self, completions: Tensor, before: Tensor, now: Tensor) -> None:
        super().__init__(before, now)
        self.completions, self.generation_config = completions, SimpleNamespace()

    def generate(self, input_ids: Tensor, **_: Any) -> SimpleNamespace:
        rows = input_ids[:, 0] - FIRST
        return SimpleNamespace(
            sequences=torch.cat([input_ids, self.completions[rows]], 1), scores=self.before[rows].unbind(1)
        )


class Head(nn.Module):
    """A value or reward model, whose backbone's states are the numbers themselves."""

    base_model_prefix = "backbone"

    def __init__(self, backbone: Recorded) -> None:
        super().__init__()
        self.backbone, self.score = backbone, nn.Identity()


def update(window: Window) -> list[Tensor]:
    """The loss, the KL, and how far one step moves logits and values."""
    padding = window.logits_BTV.shape[-1]  # a token of its own, which nobody says
    logits, before, reference = (
        nn.functional.pad(each, (0, 1), value=-1e4)
        for each in (window.logits_BTV, window.logits_before_BTV, window.reference_logits_BTV)
    )
    policy = Policy(window.tokens.masked_fill(~window.mask, padding), before, logits)
    values = Head(Recorded(window.old_values_BT[..., None], window.values_BT[..., None]))
    rewards = Head(Recorded(window.rewards_B[:, None, None].expand(-1, window.tokens.shape[1] + 1, -1)))
    with precision(window.dtype), tempfile.TemporaryDirectory() as folder, silence():
        trainer = _trainer(window, folder, padding, policy, Recorded(reference), values, rewards)
        trainer.train()
    logged = trainer.state.log_history[-1]
    losses = logged["loss/policy_avg"] + window.value_weight * logged["loss/value_avg"]
    moved, moved_values = logits - policy.now.detach(), (window.values_BT - values.backbone.now.detach()[..., 0])
    told = torch.tensor([losses, logged["objective/kl"]], dtype=torch.float64)
    return [*told, moved.square().sum(), (moved_values * window.probe_BT).sum()]


def _trainer(
    window: Window, folder: str, padding: int, policy: Policy, reference: Recorded, values: Head, rewards: Head
) -> PPOTrainer:
    rows = Dataset.from_dict({"input_ids": [[FIRST + row] for row in range(len(window.tokens))]})
    sgd = torch.optim.SGD([policy.now, values.backbone.now], lr=1.0)
    args = PPOConfig(
        output_dir=folder, per_device_train_batch_size=len(rows), total_episodes=len(rows), num_ppo_epochs=1,
        response_length=window.tokens.shape[1], num_sample_generations=0, stop_token=None, kl_coef=window.beta,
        cliprange=window.clip_low, cliprange_value=window.value_clip, vf_coef=window.value_weight,
        gamma=window.discount, lam=window.trace, temperature=1 - 1e-7,  # to which the trainer adds 1e-7
        use_cpu=True, bf16=False, report_to="none", disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    return PPOTrainer(
        args, SimpleNamespace(pad_token_id=padding, eos_token_id=0), policy, reference, rewards, rows, values,
        data_collator=lambda each: {"input_ids": torch.tensor([row["input_ids"] for row in each])}, eval_dataset=rows,
        optimizers=(sgd, torch.optim.lr_scheduler.LambdaLR(sgd, lambda _: 1.0)), callbacks=[],
    )  # fmt: skip


QUESTIONS = {
    "whitening": whitened,
    "ppo update": lambda w: update(w.filled()),
    "ppo update, a place more": update,
}

if __name__ == "__main__":
    answer(QUESTIONS, "trl", "1.12.0")

"""What methods that learn from fresh completions share: rewards where they are paid, and the metrics of a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from burnish.maths.batch import Batch, Outputs
from burnish.maths.policy_loss import Normaliser, masked, masked_sum, per_completion
from burnish.maths.returns import at_last

Place = Literal["reward", "loss"]
"""Where a divergence is charged. "reward": the log-ratio of each token drawn is taken from its reward, so that a token
also answers for where it leads: the gradient is that of the whole completion's KL. "loss": each token's own divergence
is added to the loss: less noise, but no token answers for the divergence of later ones."""

PAID: Mapping[str, str] = {
    "paid": "Mean of all a completion is paid, less the penalty if it was cut off, before any KL is charged: rises.",
}

METRICS: Mapping[str, str] = {
    "kl_nats": "KL of a completion to the untouched model, nats: settles near its target; a steady climb is drift.",
    "entropy": "Mean entropy of a token's distribution, nats: near 0 the policy says one thing only.",
    "sampler_gap": "Mean distance of the sampler's log-probs from the trainer's, nats: rounding (1e-5 to 0.05).",
}

VALUE_METRICS: Mapping[str, str] = {
    "value_error": "Mean distance of the value head from the return, reward units: falls towards the returns' noise.",
    "explained_variance": "Share of the returns' variance that values foresaw: rises from 0 to below 1; < 0 harms.",
}
"""Of actor-critics; scalars["explained_variance"] is of the whole window (`targets`)."""


def is_scored(batch: Batch) -> Tensor:
    """Return where anything is known of a row's reward, (B,) bool: a score, or the value of one of its tokens."""
    scored_B = torch.zeros_like(batch.completion_mask_BT[:, 0])
    if batch.rewards_B is not None:
        scored_B = scored_B | torch.isfinite(batch.rewards_B)
    if batch.token_rewards_BT is not None:
        scored_B = scored_B | (torch.isfinite(batch.token_rewards_BT) & batch.completion_mask_BT).any(-1)
    return scored_B


def paid_rewards(batch: Batch, *, truncation_penalty: float = 0.0) -> Tensor:
    """Return what each token is paid, (B, T), reward units: its own reward, and at the last trained one the rest.

    rewards_B: what of the score is left for the end, so that a row's sum is its score. What was not scored is paid 0:
    ask `is_scored` before learning from it. A truncated row pays the penalty at its end.
    """
    assert batch.rewards_B is not None
    mask_BT = batch.completion_mask_BT
    final_B = torch.nan_to_num(batch.rewards_B, nan=0.0)
    if batch.truncated_B is not None:
        final_B = final_B - truncation_penalty * batch.truncated_B.to(final_B.dtype)
    paid_BT = at_last(final_B, mask_BT)
    if batch.token_rewards_BT is None:
        return paid_BT
    return paid_BT + masked(torch.nan_to_num(batch.token_rewards_BT, nan=0.0), mask_BT)


def whole_rewards(batch: Batch) -> Tensor:
    """Return each completion's whole score, (B,): what tokens are paid and what is left for the end; NaN unscored."""
    assert batch.rewards_B is not None
    if batch.token_rewards_BT is None:
        return batch.rewards_B
    return batch.rewards_B + masked_sum(torch.nan_to_num(batch.token_rewards_BT, nan=0.0), batch.completion_mask_BT)


def coefficient(batch: Batch, beta: float) -> float:
    """Return the KL's coefficient: what a controller has moved it to, else the setting; 0 stays 0 (no reference)."""
    return batch.scalars.get("beta", beta) if beta > 0 else 0.0


def charged(rewards_BT: Tensor, batch: Batch, beta: float) -> Tensor:
    """Return the rewards less beta * (log pi_old - log ref) of each token drawn, (B, T).

    Its sum's mean over completions is beta * KL(policy || reference), exactly. beta in reward units a nat; with beta 0
    nothing is asked of the batch. Needs the views "old" and "reference". Source: Ziegler et al. 2019, arXiv 1909.08593.
    """
    if beta == 0:
        return rewards_BT
    assert batch.old_logprobs_BT is not None
    assert batch.reference_logprobs_BT is not None
    return rewards_BT - beta * masked(batch.old_logprobs_BT - batch.reference_logprobs_BT, batch.completion_mask_BT)


def with_entropy(rewards_BT: Tensor, batch: Batch, bonus: float) -> Tensor:
    """Return the rewards plus bonus * (- log pi_old) of each token drawn, (B, T).

    Its sum's mean over completions is bonus * entropy of the whole completion, and the policy gradient of that mean is
    the entropy's own, since the mean of grad log pi is 0. Needs the view "old" unless the bonus is 0.
    """
    if bonus == 0:
        return rewards_BT
    assert batch.old_logprobs_BT is not None
    return rewards_BT - bonus * masked(batch.old_logprobs_BT, batch.completion_mask_BT)


def without_unscored(batch: Batch) -> Batch:
    """Return the batch with rows of which no reward is known taken out of the mask: out of means and loss alike."""
    return replace(batch, completion_mask_BT=batch.completion_mask_BT & is_scored(batch)[:, None])


def with_counts(batch: Batch) -> Batch:
    """Return the batch with the window's denominators: scalars "tokens" and "completions", of what is trained on."""
    mask_BT = batch.completion_mask_BT
    counts = {"tokens": float(mask_BT.sum()), "completions": float(mask_BT.any(-1).sum())}
    return replace(batch, scalars={**batch.scalars, **counts})


def shares(token_BT: Tensor, batch: Batch, normaliser: Normaliser) -> Tensor:
    """Return each completion's share of the window's loss, (B,), by the window's own counts (`with_counts`)."""
    return per_completion(
        token_BT,
        batch.completion_mask_BT,
        normaliser=normaliser,
        window_tokens=int(batch.scalars["tokens"]),
        window_completions=int(batch.scalars["completions"]),
        constant=int(batch.scalars["max_new_tokens"]),
    )


def per_row(values_BT: Tensor, mask_BT: Tensor, *, mean: bool = True) -> Tensor:
    """Return the mean (or sum) over each row's trained tokens, (B,), no gradient; NaN for a row that has none."""
    tokens_B = mask_BT.sum(-1)
    total_B = masked_sum(values_BT.detach().float(), mask_BT)
    total_B = torch.where(tokens_B > 0, total_B, torch.nan)
    return total_B / tokens_B if mean else total_B


def paid_metric(batch: Batch, *, truncation_penalty: float = 0.0) -> dict[str, Tensor]:
    """Return what `PAID` says, (B,), NaN where nothing of a completion is trained on."""
    paid_BT = paid_rewards(batch, truncation_penalty=truncation_penalty)
    return {"paid": per_row(paid_BT, batch.completion_mask_BT, mean=False)}


def rollout_metrics(batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
    """Return what `METRICS` says, each (B,), as far as batch and outputs hold it."""
    mask_BT = batch.completion_mask_BT
    metrics: dict[str, Tensor] = {}
    if outputs.kl_BT is not None:
        metrics["kl_nats"] = per_row(outputs.kl_BT, mask_BT, mean=False)
    if outputs.entropy_BT is not None:
        metrics["entropy"] = per_row(outputs.entropy_BT, mask_BT)
    if batch.behaviour_logprobs_BT is not None and outputs.logprobs_BT is not None:
        now_BT = outputs.logprobs_BT.detach() if batch.old_logprobs_BT is None else batch.old_logprobs_BT
        metrics["sampler_gap"] = per_row((now_BT - batch.behaviour_logprobs_BT).abs(), mask_BT)
    return metrics


def value_metrics(batch: Batch, values_BT: Tensor) -> dict[str, Tensor]:
    """Return what `VALUE_METRICS` says, each (B,); the values are those of now, the explained variance of before."""
    assert batch.returns_BT is not None
    return {
        "value_error": per_row((values_BT - batch.returns_BT).abs(), batch.completion_mask_BT),
        "explained_variance": values_BT.new_full((len(batch),), batch.scalars["explained_variance"]),
    }

"""SFT: imitate demonstrations, by the negative log-likelihood of their completion tokens.

    loss = - sum_i w_i sum_t log pi(y_it | x_i, y_i<t)  /  sum_i w_i |y_i|             (normaliser="token")
    loss = - sum_i w_i / |y_i| sum_t log pi(y_it | x_i, y_i<t)  /  sum_i w_i           (normaliser="completion")

Sources: InstructGPT, arXiv 2203.02155, section 3.5 (supervised fine-tuning before any reward); the loss on completion
tokens alone rather than on the prompt's too: instruction modelling, arXiv 2405.14394, compares the two.

What is unusual: the weight w of a demonstration counts in the denominator as well, so that doubling all weights changes
nothing, and the denominator is the whole window's, so that a window walked in slices is the same step.

Use it when people wrote or corrected answers themselves, and as the first step before preferences. It fails when the
demonstrations say what the model cannot know (it learns to make things up), and after a few epochs over little data
(the loss goes on falling while that of held-out texts rises). `nll` is of the training tokens: only its fall in the
first epoch says anything about new texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.maths.batch import Batch, Outputs
from burnish.maths.policy_loss import masked_sum
from burnish.methods import Needs
from burnish.records import Demonstration

METRICS: Mapping[str, str] = {
    "nll": "Mean negative log-likelihood of a training token, nats: falls quickly at first, slowly later.",
}


@dataclass(frozen=True)
class Config:
    """Settings of supervised fine-tuning."""

    normaliser: Literal["token", "completion"] = "token"
    """What is averaged: token (every token weighs the same), completion (every completion does)."""


def needs(config: Config) -> Needs:
    """Demonstrations, and nothing else."""
    return Needs(eats=(Demonstration,))


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]. Pure, no gradient."""
    lengths_B = batch.completion_mask_BT.sum(-1).double()
    per_row_B = lengths_B if config.normaliser == "token" else (lengths_B > 0).double()
    return replace(batch, scalars={**batch.scalars, "weight": float((_weights(batch) * per_row_B).sum())})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), in nats, and its metrics.

    batch.weights_BK, its first column: weight of each demonstration; without it all are 1. batch.scalars["weight"]:
    see `targets`. A window whose weights are all 0 has loss 0.
    """
    assert outputs.logprobs_BT is not None
    mask_BT = batch.completion_mask_BT
    lengths_B = mask_BT.sum(-1)
    nll_B = -masked_sum(outputs.logprobs_BT, mask_BT)
    scale_B = _weights(batch) if config.normaliser == "token" else _weights(batch) / lengths_B.clamp(min=1)
    share_B = nll_B * (scale_B / (batch.scalars["weight"] or 1.0)).to(nll_B.dtype)
    mean_B = torch.where(lengths_B > 0, nll_B.detach() / lengths_B, torch.nan)  # an empty completion has no mean
    return share_B, {"nll": mean_B}


def _weights(batch: Batch) -> Tensor:
    if batch.weights_BK is None:
        return torch.ones(len(batch), dtype=torch.float64)
    return batch.weights_BK[:, 0].double()

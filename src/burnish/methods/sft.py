"""SFT: imitate demonstrations, by the negative log-likelihood of their completion tokens.

    loss = - sum_i w_i sum_t log pi(y_it | x_i, y_i<t)  /  sum_i w_i |y_i|             (normaliser="token")
    loss = - sum_i w_i / |y_i| sum_t log pi(y_it | x_i, y_i<t)  /  sum_i w_i           (normaliser="completion")
    with label_smoothing e:  - (1 - e) log pi - e log(1 - pi)  in the place of  - log pi

Sources: InstructGPT, arXiv 2203.02155, section 3.5 (supervised fine-tuning before any reward); the loss on completion
tokens alone rather than on the prompt's too: instruction modelling, arXiv 2405.14394, compares the two.

What is unusual: the weight w of a demonstration counts in the denominator as well, so that doubling all weights changes
nothing, and the denominator is the whole window's, so that a window walked in slices is the same step. Label smoothing
is not the uniform one (Szegedy et al. 2016, arXiv 1512.00567), which needs every token's probability: the part e goes
to the other tokens in the proportions the model has them in. As there, a token's best probability is finite: 1 - e.

Use it when people wrote or corrected answers themselves, and as the first step before preferences. It fails when the
demonstrations say what the model cannot know (it learns to make things up), and after a few epochs over little data
(the loss goes on falling while that of held-out texts rises). `nll` is of the training tokens: only its fall in the
first epoch says anything about new texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.maths import imitation
from burnish.maths.batch import Batch, Outputs
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
    label_smoothing: float = 0.0
    """Share of a token's target that goes to the other tokens, in [0, 0.5); 0 is plain likelihood, 0.1 is usual."""

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 0.5:
            raise InputError(f"label_smoothing: {self.label_smoothing} is not in [0, 0.5). Use 0 for plain likelihood.")


def needs(config: Config) -> Needs:
    """Demonstrations, and nothing else."""
    return Needs(eats=(Demonstration,), noise=True)


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]. Pure, no gradient."""
    return replace(batch, scalars={**batch.scalars, "weight": imitation.total_weight(batch, config.normaliser)})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), in nats, and its metrics.

    batch.weights_BK, its first column: weight of each demonstration; without it all are 1. batch.scalars["weight"]:
    see `targets`. A window whose weights are all 0 has loss 0.
    """
    assert outputs.logprobs_BT is not None
    mask_BT = batch.completion_mask_BT
    loss_BT = imitation.token_nll(outputs.logprobs_BT, mask_BT, config.label_smoothing)
    return imitation.shares(loss_BT, batch, config.normaliser), {
        "nll": imitation.mean_nll(outputs.logprobs_BT, mask_BT)
    }

"""KL divergence between policy and reference, in nats: exact, estimated, and kept near a target.

Which one to use as a *loss*? On samples of the policy itself, the gradient of E[KL] per token is that of k2 or of the
exact sum; k1 as a loss has gradient zero in expectation, and k3 as a loss descends another divergence
(J. Schulman, joschu.net/blog/kl-approx.html; arXiv 2510.01555). tests/maths/test_kl.py shows each by exact enumeration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.maths.batch import Outputs

KLKind = Literal["exact", "k1", "k2", "k3"]


def kl_estimate(logprobs: Tensor, reference_logprobs: Tensor, kind: Literal["k1", "k2", "k3"]) -> Tensor:
    """Return an estimate of KL(policy || reference) from the log-probs of tokens that the policy drew.

    With d = log p - log q: k1 = d (unbiased, can be negative); k2 = d^2/2 (biased, right gradient on-policy);
    k3 = exp(-d) - 1 + d (unbiased, never negative). Any shape, same shape returned.
    """
    difference = logprobs - reference_logprobs
    if kind == "k1":
        return difference
    if kind == "k2":
        return 0.5 * difference.square()
    # 40 nats: beyond it exp overflows float32 and 0 * inf would poison masked places
    return torch.exp((-difference).clamp(max=40.0)) - 1 + difference


def kl_of(outputs: Outputs, logprobs_BT: Tensor, kind: KLKind) -> Tensor | None:
    """Return the divergence of each token as a loss, (B, T); None where the model was asked nothing of the reference.

    logprobs_BT: the policy's, with what is masked already chosen away, so that no NaN goes back into the model.
    """
    if kind == "exact" or outputs.reference_logprobs_BT is None:
        return outputs.kl_BT
    return kl_estimate(logprobs_BT, outputs.reference_logprobs_BT, kind)


def kl_exact(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(p || q) = sum_v p(v) (log p(v) - log q(v)) over the last dimension, given normalised log-probs.

    Where p is 0 (log p = -inf, as after top-k) the term is 0.
    """
    possible = torch.isfinite(log_p)
    gap = torch.where(possible, log_p, 0.0) - torch.where(possible, log_q, 0.0)
    return (log_p.exp() * gap).sum(-1)


@dataclass(frozen=True)
class KLController:
    """Keeps the KL of a completion near a target by moving its coefficient; its fields are the state that is saved.

    beta <- beta * (1 + clip(kl/target - 1, -0.2, 0.2) * min(completions/horizon, 1)): a window moves it by a fifth at
    most, so that a horizon shorter than a window cannot turn its sign.
    Source: Ziegler et al. 2019, arXiv 1909.08593, section 2.2. `target_nats = 0` keeps beta fixed.
    """

    beta: float
    target_nats: float = 0.0
    horizon: int = 1000

    def after(self, kl_nats: float, completions: int) -> KLController:
        """Return the controller after a window of completions whose mean KL was `kl_nats`."""
        if self.target_nats <= 0 or not math.isfinite(kl_nats):
            return self
        error = min(max(kl_nats / self.target_nats - 1.0, -0.2), 0.2)
        return replace(self, beta=self.beta * (1.0 + error * min(completions / self.horizon, 1.0)))

"""Log-probs, entropy and KL from hidden states, without keeping (tokens, vocabulary) logits.

The output matrix is frozen here (LoRA does not touch it), so the gradient of each token's log-prob and KL with respect
to its hidden state is known in the forward pass: log p' = E[token] - sum_v p(v) E[v], and backward is one product per
token. Tokens go through in tiles, so memory is tile * vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

TILE = 512  # tokens at a time: 512 x 49,152 float32 is 100 MB


@dataclass(frozen=True)
class TokenStatistics:
    """Per token, shape (N,): float32 (float64 for float64 states)."""

    logprobs: Tensor
    entropy: Tensor
    reference_logprobs: Tensor | None
    kl: Tensor | None
    """KL(policy || reference) of the token's whole distribution, nats."""


class _Head(Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, tokens: Tensor, reference: Tensor | None, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """hidden (N, H), weight (V, H), tokens (N,), reference (N, H) or None -> logprob, entropy, ref logprob, KL."""
        n, wanted = hidden.shape[0], ctx.needs_input_grad[0]
        wide = torch.promote_types(hidden.dtype, torch.float32)
        logprob, entropy, reference_logprob, kl = (hidden.new_zeros(n, dtype=wide) for _ in range(4))
        slope_logprob = torch.zeros_like(hidden) if wanted else None
        slope_kl = torch.zeros_like(hidden) if wanted and reference is not None else None
        for start in range(0, n, TILE):
            part = slice(start, start + TILE)
            log_p = torch.log_softmax((hidden[part] @ weight.T).to(wide) / temperature, dim=-1)
            p = log_p.exp()
            logprob[part] = log_p.gather(1, tokens[part, None])[:, 0]
            entropy[part] = -(p * log_p).sum(-1)
            if reference is not None:
                log_q = torch.log_softmax((reference[part] @ weight.T).to(wide) / temperature, dim=-1)
                reference_logprob[part] = log_q.gather(1, tokens[part, None])[:, 0]
                gap = log_p - log_q
                kl[part] = (p * gap).sum(-1)
                if slope_kl is not None:
                    centred = p * (gap - kl[part, None])
                    slope_kl[part] = (centred.to(weight.dtype) @ weight) / temperature
            if slope_logprob is not None:
                expected = p.to(weight.dtype) @ weight
                slope_logprob[part] = (weight[tokens[part]] - expected) / temperature
        ctx.save_for_backward(slope_logprob, slope_kl)
        ctx.mark_non_differentiable(entropy, reference_logprob)
        return logprob, entropy, reference_logprob, kl.clamp_(min=0)  # a sum of near nothing may round below 0

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        slope_logprob, slope_kl = ctx.saved_tensors
        total = gradients[0][:, None] * slope_logprob
        if slope_kl is not None:
            total = total + gradients[3][:, None] * slope_kl
        return total.to(slope_logprob.dtype), None, None, None, None


_apply: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]] = _Head.apply


def token_statistics(
    hidden: Tensor, weight: Tensor, tokens: Tensor, *, reference: Tensor | None = None, temperature: float = 1.0
) -> TokenStatistics:
    """Return log-prob, entropy and (given the reference's hidden states) KL of each token; differentiable in `hidden`.

    hidden: (N, H) state that predicts the token; weight: (V, H) output matrix, taken as frozen; tokens: (N,) int64.
    The temperature divides the logits of policy and reference alike (trap T19); 0 is taken as 1, since greedy
    decoding has no distribution of its own.
    """
    logprobs, entropy, reference_logprobs, kl = _apply(hidden, weight, tokens, reference, temperature or 1.0)
    if reference is None:
        return TokenStatistics(logprobs, entropy, None, None)
    return TokenStatistics(logprobs, entropy, reference_logprobs, kl)

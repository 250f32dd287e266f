"""Log-probs, entropy and KL from hidden states, without keeping (tokens, vocabulary) logits.

The gradient of each token's log-prob and KL with respect to its hidden state is known in the forward pass:
log p' = E[token] - sum_v p(v) E[v], so backward is one product per token. An output matrix that is trained itself has
its logits computed again in backward. Tokens go through in tiles: memory is tile * vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


@dataclass(frozen=True)
class _Read:
    """How logits become log-probs."""

    temperature: float
    cap: float | None

    def logprobs(self, hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return log-probs (n, V) and, under a cap, d capped / d logits."""
        wide = torch.promote_types(hidden.dtype, torch.float32)
        logits = (hidden @ weight.T).to(wide)
        slope = None
        if self.cap is not None:
            turned = torch.tanh(logits / self.cap)
            logits, slope = self.cap * turned, 1 - turned.square()
        return torch.log_softmax(logits.div_(self.temperature), dim=-1), slope


class _Head(Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, tokens: Tensor, reference: Tensor | None, read: _Read
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """hidden (N, H), weight (V, H), tokens (N,), reference (N, H) or None -> logprob, entropy, ref logprob, KL."""
        n, wanted = hidden.shape[0], ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        wide = torch.promote_types(hidden.dtype, torch.float32)
        logprob, entropy, reference_logprob, kl = (hidden.new_zeros(n, dtype=wide) for _ in range(4))
        slope_logprob = torch.zeros_like(hidden) if wanted else None
        slope_kl = torch.zeros_like(hidden) if wanted and reference is not None else None
        for part in _tiles(n):
            log_p, capped = read.logprobs(hidden[part], weight)
            p = log_p.exp()
            picked = tokens[part, None]
            logprob[part] = log_p.gather(1, picked)[:, 0]
            entropy[part] = -torch.linalg.vecdot(p, log_p)
            if reference is not None:
                log_q, _ = read.logprobs(reference[part], weight)
                reference_logprob[part] = log_q.gather(1, picked)[:, 0]
                gap = torch.sub(log_p, log_q, out=log_q)
                kl[part] = torch.linalg.vecdot(p, gap)
                if slope_kl is not None:
                    centred = gap.sub_(kl[part, None]).mul_(p)
                    slope_kl[part] = _back(centred, capped, weight) / read.temperature
            if slope_logprob is not None:
                own = weight[tokens[part]] if capped is None else weight[tokens[part]] * capped.gather(1, picked)
                slope_logprob[part] = (own - _back(p, capped, weight)) / read.temperature
        again = (hidden, weight, tokens, reference) if ctx.needs_input_grad[1] else (None, None, None, None)
        ctx.save_for_backward(slope_logprob, slope_kl, *again)
        ctx.read = read
        ctx.mark_non_differentiable(entropy, reference_logprob)
        return logprob, entropy, reference_logprob, kl.clamp_(min=0)  # a sum of near nothing may round below 0

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        slope_logprob, slope_kl, hidden, weight, tokens, reference = ctx.saved_tensors
        of_hidden = of_weight = None
        if ctx.needs_input_grad[0]:
            of_hidden = gradients[0][:, None] * slope_logprob
            if slope_kl is not None:
                of_hidden = of_hidden + gradients[3][:, None] * slope_kl
            of_hidden = of_hidden.to(slope_logprob.dtype)
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(ctx.read, hidden, weight, tokens, reference, gradients[0], gradients[3])
        return of_hidden, of_weight, None, None, None


def _weight_gradient(
    read: _Read, hidden: Tensor, weight: Tensor, tokens: Tensor, reference: Tensor | None, of_logprob: Tensor,
    of_kl: Tensor,
) -> Tensor:  # fmt: skip
    """Return d / d weight (V, H), in float32: the logits of each tile are computed again."""
    total = torch.zeros(weight.shape, dtype=of_logprob.dtype, device=weight.device)
    for part in _tiles(len(hidden)):
        log_p, capped = read.logprobs(hidden[part], weight)
        p = log_p.exp()
        slope = p * -of_logprob[part, None]
        slope.scatter_add_(1, tokens[part, None], of_logprob[part, None])
        if reference is not None:
            gap = log_p - read.logprobs(reference[part], weight)[0]
            slope += of_kl[part, None] * p * (gap - torch.linalg.vecdot(p, gap)[:, None])
        if capped is not None:
            slope *= capped
        total += slope.to(hidden.dtype).T @ hidden[part] / read.temperature
    return total.to(weight.dtype)


def _back(slope: Tensor, capped: Tensor | None, weight: Tensor) -> Tensor:
    """Return the slope of logits (n, V) as a slope of hidden states (n, H)."""
    return (slope if capped is None else slope * capped).to(weight.dtype) @ weight


def _tiles(n: int) -> Iterator[slice]:
    return (slice(start, start + TILE) for start in range(0, n, TILE))


_apply: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]] = _Head.apply


def token_statistics(
    hidden: Tensor, weight: Tensor, tokens: Tensor, *, reference: Tensor | None = None, temperature: float = 1.0,
    cap: float | None = None,
) -> TokenStatistics:  # fmt: skip
    """Return log-prob, entropy and (given the reference's hidden states) KL of each token.

    Differentiable in `hidden`, and in `weight` where that is trained. hidden: (N, H) state that predicts the token;
    weight: (V, H) output matrix; tokens: (N,) int64; cap: the model's cap on logits, cap * tanh(logits / cap).
    The temperature divides the logits of policy and reference alike (trap T19); 0 is taken as 1, since greedy
    decoding has no distribution of its own.
    """
    read = _Read(temperature or 1.0, cap)
    logprobs, entropy, reference_logprobs, kl = _apply(hidden, weight, tokens, reference, read)
    if reference is None:
        return TokenStatistics(logprobs, entropy, None, None)
    return TokenStatistics(logprobs, entropy, reference_logprobs, kl)

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

TILE = 512  # tokens a product: 512 x 49,152 in bfloat16 is 50 MB
CACHED = 8  # tokens at a time of what is not a product: 8 x 49,152 in float32 is 1.6 MB, and stays in a cache


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

    def logprobs(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return log-probs (n, V), wide, and, under a cap, d capped / d logits."""
        wide, slope = logits.to(torch.promote_types(logits.dtype, torch.float32)), None
        if self.cap is not None:
            turned = torch.tanh(wide / self.cap)
            wide, slope = self.cap * turned, 1 - turned.square()
        if self.temperature != 1:
            wide = wide / self.temperature
        return torch.log_softmax(wide, dim=-1), slope


class _Head(Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, tokens: Tensor, reference: Tensor | None, read: _Read,
        reference_weight: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        """hidden (N, H), weight (V, H), tokens (N,), reference (N, H) or None -> logprob, entropy, ref logprob, KL."""
        n, wanted = hidden.shape[0], ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        wide = torch.promote_types(hidden.dtype, torch.float32)
        found = tuple(hidden.new_zeros(n, dtype=wide) for _ in range(4))
        slope_logprob = torch.zeros_like(hidden) if wanted else None
        slope_kl = torch.zeros_like(hidden) if wanted and reference is not None else None
        for tile in _parts(0, n, TILE):
            logits = hidden[tile] @ weight.T
            others = None if reference is None else reference[tile] @ reference_weight.T
            for part in _parts(tile.start, tile.stop, CACHED):
                inside = slice(part.start - tile.start, part.stop - tile.start)
                _read_off(
                    [each[part] for each in found], tokens[part, None], logits[inside],
                    None if others is None else others[inside], read, wanted,
                )  # fmt: skip
            # logits and others now hold the slopes of KL and log-prob
            if slope_kl is not None and others is not None:
                slope_kl[tile] = (others @ weight).div_(read.temperature)
            if slope_logprob is not None:
                slope_logprob[tile] = (logits @ weight).div_(read.temperature)
        again = (hidden, weight, tokens, reference, reference_weight) if ctx.needs_input_grad[1] else (None,) * 5
        ctx.save_for_backward(slope_logprob, slope_kl, *again)
        ctx.read = read
        logprob, entropy, reference_logprob, kl = found
        ctx.mark_non_differentiable(entropy, reference_logprob)
        return logprob, entropy, reference_logprob, kl.clamp_(min=0)  # a sum of near nothing may round below 0

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        slope_logprob, slope_kl, hidden, weight, tokens, reference, reference_weight = ctx.saved_tensors
        of_hidden = of_weight = None
        if ctx.needs_input_grad[0]:
            of_hidden = gradients[0][:, None] * slope_logprob
            if slope_kl is not None:
                of_hidden = of_hidden + gradients[3][:, None] * slope_kl
            of_hidden = of_hidden.to(slope_logprob.dtype)
        if ctx.needs_input_grad[1]:
            others = None if reference is None else (reference, reference_weight)
            of_weight = _weight_gradient(ctx.read, hidden, weight, tokens, others, gradients[0], gradients[3])
        return of_hidden, of_weight, None, None, None, None


def _read_off(
    found: list[Tensor], picked: Tensor, logits: Tensor, others: Tensor | None, read: _Read, wanted: bool
) -> None:
    """Fill in log-prob, entropy, the reference's log-prob and KL of a few tokens, (n,) each.

    Where slopes are wanted, `logits` is overwritten by d log-prob / d logits and `others` by d KL / d logits.
    """
    logprob, entropy, reference_logprob, kl = found
    log_p, capped = read.logprobs(logits)
    p = log_p.exp()
    logprob[:] = log_p.gather(1, picked)[:, 0]
    entropy[:] = -torch.linalg.vecdot(p, log_p)
    if others is not None:
        log_q, _ = read.logprobs(others)
        reference_logprob[:] = log_q.gather(1, picked)[:, 0]
        gap = log_p.sub_(log_q)
        kl[:] = torch.linalg.vecdot(p, gap)
        if wanted:
            slope = gap.sub_(kl[:, None]).mul_(p)
            others.copy_(slope if capped is None else slope.mul_(capped))
    if wanted:
        slope = p.neg_()
        slope.scatter_add_(1, picked, torch.ones_like(picked, dtype=slope.dtype))
        logits.copy_(slope if capped is None else slope.mul_(capped))


def _weight_gradient(
    read: _Read, hidden: Tensor, weight: Tensor, tokens: Tensor, reference: tuple[Tensor, Tensor] | None,
    of_logprob: Tensor, of_kl: Tensor,
) -> Tensor:  # fmt: skip
    """Return d / d weight (V, H): the logits of each tile are computed again. reference: its states and its matrix."""
    total = torch.zeros(weight.shape, dtype=of_logprob.dtype, device=weight.device)
    for tile in _parts(0, len(hidden), TILE):
        logits = hidden[tile] @ weight.T
        others = None if reference is None else reference[0][tile] @ reference[1].T
        unread = [torch.empty(len(logits), dtype=total.dtype, device=total.device) for _ in range(4)]
        _read_off(unread, tokens[tile, None], logits, others, read, True)
        slope = logits * of_logprob[tile, None].to(logits.dtype)
        if others is not None:
            slope += others * of_kl[tile, None].to(others.dtype)
        total += (slope.T @ hidden[tile]).div_(read.temperature)
    return total.to(weight.dtype)


def _parts(start: int, stop: int, size: int) -> Iterator[slice]:
    return (slice(at, min(at + size, stop)) for at in range(start, stop, size))


_apply: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]] = _Head.apply


def token_statistics(
    hidden: Tensor, weight: Tensor, tokens: Tensor, *, reference: Tensor | None = None, temperature: float = 1.0,
    cap: float | None = None, reference_weight: Tensor | None = None,
) -> TokenStatistics:  # fmt: skip
    """Return log-prob, entropy and (given the reference's hidden states) KL of each token.

    Differentiable in `hidden`, and in `weight` where that is trained. hidden: (N, H) state that predicts the token;
    weight: (V, H) output matrix; tokens: (N,) int64; cap: the model's cap on logits, cap * tanh(logits / cap).
    reference_weight: the reference's own output matrix, where training changed it; None: the same.
    The temperature divides the logits of policy and reference alike (trap T19); 0 is taken as 1, since greedy
    decoding has no distribution of its own.
    """
    read = _Read(temperature or 1.0, cap)
    its_weight = weight.detach() if reference_weight is None else reference_weight
    logprobs, entropy, reference_logprobs, kl = _apply(hidden, weight, tokens, reference, read, its_weight)
    if reference is None:
        return TokenStatistics(logprobs, entropy, None, None)
    return TokenStatistics(logprobs, entropy, reference_logprobs, kl)

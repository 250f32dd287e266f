"""One token for each row of logits, by inverse CDF: temperature, top-k, top-p, min-p, bias; and its log-prob.

A draw must not cost more than the model. The exponential trick of `torch.multinomial` makes a random number for every
token of the vocabulary; here one number a row is enough, and one pass of exp. Truncation sorts no vocabulary: top-k
looks for one number, top-p sorts the few tokens among which it ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.records import Sampling

BLOCK = 256
"""Tokens a block of the two-level inverse CDF."""
CACHED = 8
"""Rows at a time: 8 x 49,152 in float32 is 1.6 MB and stays in a cache between the passes."""
BINS, NATS = 4096, 24.0
"""For top-p tokens are counted in so many bins of log-probability, over so many nats below the likeliest; the last bin
holds all below."""
COLDEST = 1e-30
"""Lower temperatures are taken for this: logits divided by less leave the range of float32."""


def draw(logits_BV: Tensor, uniforms_B: Tensor, sampling: Sampling | Sequence[Sampling]) -> tuple[Tensor, Tensor]:
    """Return one token for each row and its log-prob under the distribution it was drawn from.

    logits_BV: of any precision, widened to float32 a few rows at a time; uniforms_B: float64 in [0, 1), one for each
    row; sampling: one for all rows, or one for each.
    Temperature 0 takes the likeliest token; its log-prob is then the model's own at temperature 1, after the bias. The
    order is bias, temperature, top-k, top-p, min-p, each on what the one before left, as in `transformers`.
    Raises InputError for a bias on a token that the model has not.
    """
    uniforms_B = uniforms_B.to(logits_BV.device)
    if isinstance(sampling, Sampling):
        return _draw(logits_BV, uniforms_B, sampling)
    sampling = [_alike(each) for each in sampling]
    kinds = dict.fromkeys(sampling)
    if len(kinds) == 1:
        return _draw(logits_BV, uniforms_B, sampling[0])
    token_B = torch.empty(len(logits_BV), dtype=torch.int64, device=logits_BV.device)
    logprob_B = torch.empty(len(logits_BV), dtype=_wide(logits_BV), device=logits_BV.device)
    for kind in kinds:
        rows = torch.tensor([row for row, each in enumerate(sampling) if each == kind], device=logits_BV.device)
        token_B[rows], logprob_B[rows] = _draw(logits_BV[rows], uniforms_B[rows], kind)
    return token_B, logprob_B


@lru_cache(maxsize=1024)
def _alike(sampling: Sampling) -> Sampling:
    """Return the same for all that draw alike: where a completion ends does not matter here."""
    return replace(sampling, max_new_tokens=1, stop=())


def _draw(logits_BV: Tensor, uniforms_B: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    if sampling.logit_bias:
        logits_BV = _biased(logits_BV, sampling)
    if sampling.temperature == 0:
        token_B = logits_BV.argmax(-1)
        return token_B, torch.log_softmax(logits_BV.to(_wide(logits_BV)), -1).gather(1, token_B[:, None])[:, 0]
    found = [
        _draw_rows(logits.to(_wide(logits)), uniforms, sampling)
        for logits, uniforms in zip(torch.split(logits_BV, CACHED), torch.split(uniforms_B, CACHED), strict=True)
    ]
    if len(found) == 1:
        return found[0]
    return torch.cat([token for token, _ in found]), torch.cat([logprob for _, logprob in found])


def _biased(logits_BV: Tensor, sampling: Sampling) -> Tensor:
    tokens, biases = zip(*sampling.logit_bias, strict=True)
    if max(tokens) >= logits_BV.shape[1]:
        last = logits_BV.shape[1] - 1
        raise InputError(f"sampling.logit_bias: there is no token {max(tokens)}; the model's last one is {last}.")
    biased_BV = logits_BV.to(_wide(logits_BV), copy=True)
    added = torch.tensor(biases, dtype=biased_BV.dtype, device=biased_BV.device).expand(len(biased_BV), -1)
    return biased_BV.index_add_(1, torch.tensor(tokens, device=biased_BV.device), added)  # a token may come twice


def _wide(logits_BV: Tensor) -> torch.dtype:
    return torch.promote_types(logits_BV.dtype, torch.float32)


def _draw_rows(logits_BV: Tensor, uniforms_B: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    if sampling.temperature != 1:
        logits_BV = logits_BV / max(sampling.temperature, COLDEST)
    scaled_BV = _truncate(logits_BV, sampling)
    top_B1 = scaled_BV.amax(-1, keepdim=True)
    token_B, total_B = _inverse_cdf((scaled_BV - top_B1).exp_(), uniforms_B)
    logprob_B = (scaled_BV.gather(1, token_B[:, None]) - top_B1)[:, 0].double() - total_B.log()
    return token_B, logprob_B.to(logits_BV.dtype)


def inverse_cdf(weights_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """Return the first token whose cumulated share exceeds the uniform number, (B,) int64; weights need not sum to 1.

    Two levels (blocks, then inside the block), so that it costs one pass and rounding stays below 1e-6.
    """
    return _inverse_cdf(weights_BV, uniforms_B)[0]


def _inverse_cdf(weights_BV: Tensor, uniforms_B: Tensor) -> tuple[Tensor, Tensor]:
    vocabulary = weights_BV.shape[1]
    if vocabulary % BLOCK:
        weights_BV = torch.nn.functional.pad(weights_BV, (0, -vocabulary % BLOCK))
    blocked = weights_BV.view(len(weights_BV), -1, BLOCK)
    blocks = blocked.sum(-1).double().cumsum(-1)
    wanted = uniforms_B[:, None] * blocks[:, -1:]
    block = torch.searchsorted(blocks, wanted, right=True).clamp(max=blocks.shape[1] - 1)
    before = torch.where(block > 0, blocks.gather(1, (block - 1).clamp(min=0)), torch.zeros_like(wanted))
    inside = blocked.gather(1, block[:, :, None].expand(-1, -1, BLOCK))[:, 0].double().cumsum(-1)
    place = torch.searchsorted(inside, wanted - before, right=True)
    # rounding may run off a block's end: fall back to its last token that can be drawn at all
    last = BLOCK - 1 - (inside.diff(dim=1, prepend=torch.zeros_like(wanted)) > 0).flip(1).to(torch.int8).argmax(1, True)
    return (block * BLOCK + torch.minimum(place, last))[:, 0], blocks[:, -1]


def _truncate(logits_BV: Tensor, sampling: Sampling) -> Tensor:
    """Return logits with -inf where the sampling allows no draw; tokens as likely as the last one allowed stay."""
    vocabulary = logits_BV.shape[1]
    if 0 < sampling.top_k < vocabulary:
        lowest = logits_BV.topk(sampling.top_k, dim=-1).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < lowest, -torch.inf)
    if sampling.top_p < 1:
        logits_BV = logits_BV.masked_fill(logits_BV < _nucleus_edge(logits_BV, sampling.top_p), -torch.inf)
    if sampling.min_p > 0:
        lowest = logits_BV.amax(-1, keepdim=True) + math.log(sampling.min_p)
        logits_BV = logits_BV.masked_fill(logits_BV < lowest, -torch.inf)
    return logits_BV


def _nucleus_edge(logits_BV: Tensor, top_p: float) -> Tensor:
    """Return (B, 1): the logit of the last token of the smallest set that holds probability top_p.

    Only the tokens of one bin are sorted, the one in which top_p is reached: a flat distribution, whose nucleus has
    thousands of tokens, costs no more than a peaked one. Source: nucleus sampling, arXiv 1904.09751.
    """
    top_B1 = logits_BV.amax(-1, keepdim=True)
    below_BV = top_B1 - logits_BV
    weight_BV = (-below_BV).exp_().double()
    bin_BV = (below_BV * (BINS / NATS)).clamp_(max=BINS - 1).to(torch.int64)
    mass_BK = weight_BV.new_zeros(len(logits_BV), BINS).scatter_add_(1, bin_BV, weight_BV)
    held_BK = mass_BK.cumsum(-1)
    wanted_B1 = top_p * held_BK[:, -1:]
    edge_B1 = torch.searchsorted(held_BK, wanted_B1).clamp_(max=BINS - 1)
    outside_BV = bin_BV != edge_B1
    count_B1 = (~outside_BV).sum(-1, keepdim=True)
    ordered = logits_BV.masked_fill(outside_BV, -torch.inf).topk(int(count_B1.max()), dim=-1).values
    before_B1 = (held_BK - mass_BK).gather(1, edge_B1)
    held = before_B1 + (ordered - top_B1).exp_().double().cumsum(-1)
    # where rounding keeps the whole bin just below top_p, its last token
    last_B1 = torch.minimum((held < wanted_B1).sum(-1, keepdim=True), count_B1 - 1)
    return ordered.gather(1, last_B1)

"""Norm, gated activation and rotary positions, each with a backward pass that keeps little and copies nothing twice.

Autograd's own backward of these few lines keeps five tensors where one will do; on a CPU, where they are bound by
memory, that is what they cost. Checked against autograd and finite differences in
tests/models/decoder/test_arithmetic.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def rms_norm(x: Tensor, weight: Tensor, eps: float, *, gemma: bool = False) -> Tensor:
    """Return x / sqrt(mean(x^2) + eps) * weight over the last dimension, computed in float32 and rounded once.

    Source: arXiv 1910.07467. gemma: the factor is 1 + weight, as Gemma's checkpoints want.
    """
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        return _norm(x, weight, eps, gemma)
    return _normed(x, weight, eps, gemma)


def _normed(x: Tensor, weight: Tensor, eps: float, gemma: bool) -> Tensor:
    if not gemma and x.dtype == weight.dtype:
        return F.rms_norm(x, x.shape[-1:], weight, eps)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    factor = 1.0 + weight.to(wide.dtype) if gemma else weight.to(wide.dtype)
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True).add_(eps)) * factor).to(x.dtype)


class _Norm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, gemma: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.eps, ctx.gemma = eps, gemma
        return _normed(x, weight, eps, gemma)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        unit = x.to(torch.promote_types(x.dtype, torch.float32))
        rate = torch.rsqrt(unit.square().mean(-1, keepdim=True).add_(ctx.eps))
        unit = unit * rate
        slope = gradient.to(unit.dtype)
        of_weight = None
        if ctx.needs_input_grad[1]:
            of_weight = (slope * unit).flatten(0, -2).sum(0).to(weight.dtype)
        slope = slope * (1.0 + weight.to(unit.dtype) if ctx.gemma else weight.to(unit.dtype))
        inner = torch.linalg.vecdot(slope, unit).unsqueeze(-1) / x.shape[-1]
        return torch.addcmul(slope, unit, inner, value=-1).mul_(rate).to(x.dtype), of_weight, None, None


def gated(gate_up: Tensor, activation: str) -> Tensor:
    """Return activation(gate) * up, (N, M), from gate and up side by side, (N, 2 M).

    Source: GLU variants, arXiv 2002.05202. activation: silu, gelu or gelu_tanh.
    """
    if activation == "silu" and gate_up.requires_grad and torch.is_grad_enabled():
        return _silu_gate(gate_up)
    gate, up = gate_up.chunk(2, dim=-1)
    if activation == "silu":
        return F.silu(gate).mul_(up)
    return F.gelu(gate, approximate="tanh" if activation == "gelu_tanh" else "none") * up


class _SiluGate(Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        slope = torch.empty_like(gate_up)
        of_gate, of_up = slope.chunk(2, dim=-1)
        torch.mul(gradient, F.silu(gate), out=of_up)
        torch.ops.aten.silu_backward.grad_input(gradient * up, gate, grad_input=of_gate)
        return slope


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn positions into (N, heads, head_dim); cos and sin (N, 1, head_dim), sin's first half negated.

    Source: RoFormer, arXiv 2104.09864, in the half-split layout of the Llama family.
    """
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


_norm: Callable[[Tensor, Tensor, float, bool], Tensor] = _Norm.apply
_silu_gate: Callable[[Tensor], Tensor] = _SiluGate.apply

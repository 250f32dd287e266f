"""Norm, adapted product, gated activation and rotary positions, each with a backward pass that keeps little.

Autograd's own backward of these few lines keeps five tensors where one will do and adds up what a product could have
added to; on a CPU, where they are bound by memory, that is what they cost. Checked against autograd and finite
differences in tests/models/decoder/test_arithmetic.py.
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
    wide = _widened(x)
    return wide.mul_(_rate(wide, eps)).mul_(_factor(weight, wide.dtype, gemma)).to(x.dtype)


def _widened(x: Tensor) -> Tensor:
    """Return a copy of x, in float32 at least, that may be written into."""
    return x.to(torch.promote_types(x.dtype, torch.float32), copy=True)


def _rate(wide: Tensor, eps: float) -> Tensor:
    """Return 1 / sqrt(mean(x^2) + eps), (..., 1)."""
    length: Tensor = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    return length.square_().div_(wide.shape[-1]).add_(eps).rsqrt_()


def _factor(weight: Tensor, dtype: torch.dtype, gemma: bool) -> Tensor:
    return 1.0 + weight.to(dtype) if gemma else weight.to(dtype)


class _Norm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, gemma: bool) -> Tensor:
        wide = _widened(x)
        rate = _rate(wide, eps)
        ctx.save_for_backward(x, weight, rate)
        ctx.gemma = gemma
        return wide.mul_(rate).mul_(_factor(weight, wide.dtype, gemma)).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight, rate = ctx.saved_tensors
        unit, slope = _widened(x).mul_(rate), _widened(gradient)
        of_weight = None
        if ctx.needs_input_grad[1]:
            of_weight = (slope * unit).flatten(0, -2).sum(0).to(weight.dtype)
        slope.mul_(_factor(weight, slope.dtype, ctx.gemma))
        inner = torch.linalg.vecdot(slope, unit).unsqueeze(-1).div_(x.shape[-1])
        return slope.addcmul_(unit, inner, value=-1).mul_(rate).to(x.dtype), of_weight, None, None


def adapted(x: Tensor, weight: Tensor, down: Tensor, up: Tensor, plus: Tensor | None = None) -> Tensor:
    """Return x W^T + (x A^T) B^T + plus, (N, out): a fixed product with what an adapter adds.

    x (N, in), weight (out, in) and not trained, down A (r, in), up B (out, r), plus (N, out).
    Source: LoRA, arXiv 2106.09685, equation 3, the scaling in B.
    """
    if torch.is_grad_enabled():
        return _adapted(x, weight, down, up, plus)
    return _sum(x, weight, x @ down.T, up, plus)


def _sum(x: Tensor, weight: Tensor, inner: Tensor, up: Tensor, plus: Tensor | None) -> Tensor:
    y = torch.mm(x, weight.T).addmm_(inner, up.T)
    return y if plus is None else y.add_(plus)


class _Adapted(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, down: Tensor, up: Tensor, plus: Tensor | None) -> Tensor:
        inner = x @ down.T
        ctx.save_for_backward(x, weight, down, up, inner)
        return _sum(x, weight, inner, up, plus)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, Tensor | None, Tensor | None, Tensor | None]:
        x, weight, down, up, inner = ctx.saved_tensors
        needs_x, _, needs_down, needs_up, needs_plus = ctx.needs_input_grad
        of_inner = gradient @ up
        return (
            torch.mm(gradient, weight).addmm_(of_inner, down) if needs_x else None,
            None,
            of_inner.T @ x if needs_down else None,
            gradient.T @ inner if needs_up else None,
            gradient if needs_plus else None,
        )


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
    if torch.is_grad_enabled() and x.requires_grad:
        return _rotate(x, cos, sin)
    return _turned(x, cos, sin)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


class _Rotate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turned(gradient, cos, -sin), None, None  # a rotation's transpose turns the other way


_norm: Callable[[Tensor, Tensor, float, bool], Tensor] = _Norm.apply
_adapted: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor | None], Tensor] = _Adapted.apply
_silu_gate: Callable[[Tensor], Tensor] = _SiluGate.apply
_rotate: Callable[[Tensor, Tensor, Tensor], Tensor] = _Rotate.apply

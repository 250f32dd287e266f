"""The oracles' tensors as our methods take them: a batch, what the head says of logits, and a method's whole loss."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from burnish.maths.batch import Batch, Outputs
from burnish.models.head import TokenStatistics, token_statistics
from oracles.theirs.protocol import Window
from oracles.window import B, N, V


def statistics(window: Window, leaf: Tensor, teacher: Tensor | None = None) -> TokenStatistics:
    """What the head says when its output matrix is the unit matrix: its states are then the logits."""
    unit = torch.eye(V, dtype=window.dtype)
    other = None if teacher is None else teacher.reshape(-1, V)
    return token_statistics(leaf.reshape(-1, V), unit, window.tokens.reshape(-1), reference=other)


def shaped(window: Window, values_N: Tensor) -> Tensor:
    return values_N.reshape(window.logprobs_BT.shape)


def batch_of(window: Window, **more: Any) -> Batch:
    scalars = {"max_new_tokens": window.limit, "tokens": float(window.mask.sum()), "completions": float(B)}
    return Batch(completion_mask_BT=window.mask, group_B=torch.arange(N).repeat_interleave(2), scalars=scalars, **more)


def whole_loss(method: ModuleType, config: Any, batch: Batch, outputs: Outputs) -> Tensor:
    """The method's own loss of a window: `targets` once, then the sum of the rows' shares."""
    batch = method.targets(batch, config) if hasattr(method, "targets") else batch
    return method.loss(batch, outputs, config)[0].sum()

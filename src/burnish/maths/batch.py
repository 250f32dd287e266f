"""The two tensor records every method takes: a `Batch` (known before the model runs), `Outputs` (what it says).

Dimensions: B completions, T tokens of the longest completion, K heads. Rows are completions; padding is on the right.
Both slice along B, so that a window larger than memory is walked in slices whose sums add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """What is known about B completions before the model runs. A field a method does not need is None."""

    completion_mask_BT: Tensor
    """bool, 1 = trained on. Built from lengths, never from token ids: the end token counts (pad may equal end)."""
    group_B: Tensor
    """int64; completions of one prompt share a number."""
    rewards_B: Tensor | None = None
    """float32, NaN = unscored."""
    advantages_B: Tensor | None = None
    behaviour_logprobs_BT: Tensor | None = None
    """The sampler's own log-probs."""
    old_logprobs_BT: Tensor | None = None
    """The policy's at the start of the window, from the same kernel as the loss; None = strictly on-policy."""
    truncated_B: Tensor | None = None
    """bool: reached the length limit."""
    targets_BK: Tensor | None = None
    """float32: what K heads should predict (scores), NaN = not for this head."""
    probability_B: Tensor | None = None
    """For pairs, of which rows 2i (chosen) and 2i+1 (rejected) are one: P(chosen preferred), on both rows."""
    weights_BK: Tensor | None = None
    """float32: weight of the row for head k (bootstrap counts times the signal's own weight)."""
    scalars: Mapping[str, float] = field(default_factory=dict)
    """Numbers that hold for the whole window, such as the KL coefficient."""

    def __len__(self) -> int:
        return int(self.group_B.shape[0])

    def slice(self, rows: Tensor) -> Batch:
        """Return the batch of these rows (int64 indices)."""
        changed: dict[str, Any] = {
            item.name: value[rows] for item in fields(self) if isinstance(value := getattr(self, item.name), Tensor)
        }
        return replace(self, **changed)


@dataclass(frozen=True)
class Outputs:
    """What the model says about the same rows, with gradient where it trains."""

    logprobs_BT: Tensor | None = None
    """Log-probability of each completion token at the sampling temperature."""
    reference_logprobs_BT: Tensor | None = None
    kl_BT: Tensor | None = None
    """KL(policy || reference) of each token's whole distribution, in nats, with gradient."""
    entropy_BT: Tensor | None = None
    """No gradient."""
    rewards_BK: Tensor | None = None
    """What K reward heads predict."""


def length_mask(lengths: list[int]) -> Tensor:
    """Return bool (B, T): True for the first lengths[b] places of row b. The only way masks are made here (trap T1)."""
    longest = max(lengths, default=0)
    return torch.arange(longest)[None, :] < torch.tensor(lengths, dtype=torch.int64)[:, None]

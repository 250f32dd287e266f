"""The tensor records every method takes: a `Batch` (known before the loss), `Outputs` (what the model says).

Dimensions: B completions, T tokens of the longest completion, K heads, V vocabulary. Rows are completions; padding is
on the right. Both slice along B, so that a window larger than memory is walked in slices whose sums add up.

Time: place t of (B, T) belongs to the completion's token t. `logprobs_BT` is the log-probability of that token;
`values_BT` and `q_BTKV` are read from the state *before* it, where it is chosen; `token_rewards_BTK` from the state
*after* it, when it has been said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """What is known about B completions before the loss is asked. A field a method does not need is None."""

    completion_mask_BT: Tensor
    """bool, 1 = trained on. Built from lengths, never from token ids: the end token counts (pad may equal end)."""
    group_B: Tensor
    """int64; completions of one example (a prompt's group, a pair, a ranking) share a number."""
    tokens_BT: Tensor | None = None
    """int64; the completions' token ids, 0 beyond their ends."""
    rewards_B: Tensor | None = None
    """float32, NaN = unscored; where tokens are paid themselves, what of the score is left for the end."""
    token_rewards_BT: Tensor | None = None
    """float32: what single tokens are paid (for seqgan: their action values), NaN where nothing is known of a token."""
    token_labels_BT: Tensor | None = None
    """float32: what was said of single tokens, NaN where nothing was: a reward learns it, and nobody is paid for it.
    Where a method weighs tokens by what their parts were paid (raft, online_dpo), that, on every token of a part."""
    advantages_B: Tensor | None = None
    advantages_BT: Tensor | None = None
    returns_BT: Tensor | None = None
    """What the value head should predict."""
    behaviour_logprobs_BT: Tensor | None = None
    """The sampler's own log-probs."""
    old_logprobs_BT: Tensor | None = None
    """The policy's at the start of the window, from the same kernel as the loss; None = strictly on-policy."""
    old_values_BT: Tensor | None = None
    """The value head's at the start of the window."""
    reference_logprobs_BT: Tensor | None = None
    """The untouched model's, where they were computed before the loss (view "old")."""
    slow_values_BT: Tensor | None = None
    """The value head of the slowly moving copy (view "slow")."""
    slow_q_BTKV: Tensor | None = None
    """Its action values."""
    truncated_B: Tensor | None = None
    """bool: reached the length limit."""
    fresh_B: Tensor | None = None
    """bool: drawn by the policy now; False is what a person or a file brought."""
    mismatched_B: Tensor | None = None
    """bool: completion beside a prompt it was not given to; never trained on."""
    targets_BK: Tensor | None = None
    """float32: what K heads should predict (scores), NaN = not for this head."""
    ranks_B: Tensor | None = None
    """int64: place within the example, 0 best, equal = tied, -1 = not compared."""
    margin_B: Tensor | None = None
    """float32: how much better the chosen one is, on both rows of a pair; NaN = nobody said."""
    probability_B: Tensor | None = None
    """For pairs, of which rows 2i (chosen) and 2i+1 (rejected) are one: P(chosen preferred), on both rows."""
    weights_BK: Tensor | None = None
    """float32: weight of the row for head k (bootstrap counts times the signal's own weight)."""
    variance_B: Tensor | None = None
    """float32: variance of the score, NaN where nobody stated one."""
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

    def on(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on a device; itself where it is there."""
        if device == self.group_B.device:
            return self
        held = {item.name: getattr(self, item.name) for item in fields(self)}
        moved: dict[str, Any] = {name: each.to(device) for name, each in held.items() if isinstance(each, Tensor)}
        return replace(self, **moved)


@dataclass(frozen=True)
class Outputs:
    """What the model says about the same rows, with gradient where it trains."""

    logprobs_BT: Tensor | None = None
    """Log-probability of each completion token at the sampling temperature."""
    reference_logprobs_BT: Tensor | None = None
    kl_BT: Tensor | None = None
    """KL(policy || reference) of each token's whole distribution, in nats, with gradient."""
    teacher_kl_BT: Tensor | None = None
    """KL(policy || teacher): the teacher is the same policy, without gradient, asked what `Row.teacher` asks."""
    teacher_logprobs_BT: Tensor | None = None
    """The teacher's log-probability of each completion token; no gradient."""
    entropy_BT: Tensor | None = None
    """No gradient."""
    rewards_BK: Tensor | None = None
    """What K reward heads predict of the whole completion: read after its last token."""
    token_rewards_BTK: Tensor | None = None
    """The same heads, read after every token."""
    values_BT: Tensor | None = None
    """The value head, read before every token."""
    q_BTKV: Tensor | None = None
    """K action-value heads over the vocabulary, read before every token."""


@dataclass(frozen=True)
class Says:
    """What the network says of the next token of B rows: what a method's `act` may draw from; no gradient."""

    logits_BV: Tensor
    reference_logits_BV: Tensor | None = None
    values_B: Tensor | None = None
    q_BKV: Tensor | None = None


def length_mask(lengths: list[int]) -> Tensor:
    """Return bool (B, T): True for the first lengths[b] places of row b. The only way masks are made here (trap T1)."""
    longest = max(lengths, default=0)
    return torch.arange(longest)[None, :] < torch.tensor(lengths, dtype=torch.int64)[:, None]

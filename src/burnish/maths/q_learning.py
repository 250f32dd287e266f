"""Action values: what saying a token is worth, and how they are learned from what was said. Unreduced.

q_BTKV: K heads' values of every token of the vocabulary, read before the token of their place is chosen. In text an
action decides the next state, so that V(s_{t+1}) = V after the token at t: what follows, 0 after the last token.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from burnish.maths.batch import Batch


def of_tokens(q_BTKV: Tensor, tokens_BT: Tensor) -> Tensor:
    """Return each head's value of the token that was said, (B, T, K)."""
    place_BTK1 = tokens_BT[..., None, None].expand(*q_BTKV.shape[:3], 1)
    return q_BTKV.gather(-1, place_BTK1)[..., 0]


def visible(q_BTKV: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the values with 0 where the mask is not set: before any arithmetic, since NaN * 0 is NaN (trap T9)."""
    return torch.where(mask_BT[..., None, None], q_BTKV, torch.zeros_like(q_BTKV))


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """Return |expectile - 1(u < 0)| u^2 of differences u = target - prediction; any shape.

    Its minimum is the mean at 1/2, and goes to the largest target as the expectile goes to 1: a maximum over the
    actions that data holds, without asking about those it does not.
    Source: implicit Q-learning, Kostrikov et al. 2021, arXiv 2110.06169, equation 5.
    """
    weight = torch.full_like(difference, expectile).masked_fill(difference < 0, 1 - expectile)
    return weight * difference.square()


def conservative_penalty(q_BTKV: Tensor, said_BTK: Tensor) -> Tensor:
    """Return log sum_a exp Q(s, a) - Q(s, said), (B, T, K): values of tokens that the data never says are pushed down.

    said_BTK: the values of what was said (`of_tokens`). It is a cross-entropy: 0 only where all weight is on what was
    said. Source: conservative Q-learning, Kumar et al. 2020, arXiv 2006.04779, as ILQL has it, arXiv 2206.11871.
    """
    return q_BTKV.logsumexp(-1) - said_BTK


def soft_maximum(q: Tensor, temperature: float) -> Tensor:
    """Return temperature * log sum_a exp(Q_a / temperature) over the last dimension: the value of a soft-greedy policy.

    Reward plus temperature times entropy of the best policy softmax(Q / temperature). The larger the vocabulary, the
    more it adds: up to temperature * log V. Source: Haarnoja et al. 2017, arXiv 1702.08165.
    """
    return temperature * torch.logsumexp(q / temperature, -1)


def explored(q_BV: Tensor, epsilon: float) -> Tensor:
    """Return the log-probabilities of epsilon-greedy, (B, V): the best token with 1 - epsilon, else any of all V.

    Of equally good tokens the first is the best one. epsilon = 0 gives -inf to every other token.
    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", Nature 518.
    """
    chance_BV = torch.full_like(q_BV, epsilon / q_BV.shape[-1])
    best_B1 = q_BV.argmax(-1, keepdim=True)
    return chance_BV.scatter(-1, best_B1, 1 - epsilon + epsilon / q_BV.shape[-1]).log()


def weights(batch: Batch) -> Tensor:
    """Return each row's weight, (B,) float64; 1 where nobody gave one."""
    if batch.weights_BK is None:
        return torch.ones(len(batch), dtype=torch.float64, device=batch.group_B.device)
    return batch.weights_BK[:, 0].double()


def with_weight(batch: Batch) -> Batch:
    """Return the batch with scalars["weight"]: its trained tokens, each times its row's weight. Pure, no gradient."""
    weight = float((weights(batch) * batch.completion_mask_BT.sum(-1)).sum())
    return replace(batch, scalars={**batch.scalars, "weight": weight})

"""ILQL: learn from scored text alone what each token is worth, and let these values tilt the model that imitates it.

    Q_k(s, a) -> r + discount * V(s')                                  both heads, squared error
    V(s)      -> expectile of min_k Q_k(s, a) over the actions of the data          (Q_k of a slowly moving copy)
    loss      =  those two  +  conservative * (logsumexp_a Q_k(s, a) - Q_k(s, said))  -  imitation * log pi(said)
    act       :  log pi(a | s) + tilt * ( min_k Q_k(s, a) - V(s) )

Sources: ILQL, Snell et al. 2022, arXiv 2206.11871, section 4; implicit Q-learning, arXiv 2110.06169; the
conservative term, arXiv 2006.04779.

What is unusual: nothing is sampled while it learns. The reward is the score, at the last token; what of it is paid by
token (`Score.token_rewards`) stands where it is paid. The language model goes on imitating the data all the while, so
that what the values tilt is the data's own policy, and one checkpoint holds both. How far they tilt is chosen when
sampling; tilt = 0 is imitation.

Use it on logs of scored completions that nobody can draw again. It stitches good halves together where the state after
a token is one it has seen; for long free text no state comes twice, and it becomes weighted imitation. It fails when
`expectile` is near 1 and rewards are noisy (it believes in luck). A value for every token is dear: a place of a text
costs heads * vocabulary numbers, several times over (49,152 tokens, 64 places, 2 heads: 25 MB a copy and row).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from burnish.errors import InputError
from burnish.maths import q_learning, rollouts
from burnish.maths.batch import Batch, Outputs
from burnish.maths.policy_loss import masked, masked_sum
from burnish.maths.returns import following
from burnish.methods import Needs, Says, within
from burnish.records import Score

METRICS: Mapping[str, str] = {
    "td_error": "Mean distance of a token's value from reward plus next value, reward units: falls, not to 0.",
    "value": "Mean of V, reward units: between the mean and the best reward of the data; above the best it dreams.",
    "advantage": "Mean of min Q - V of what was said: a little below 0; the tilt lives on its spread.",
    "nll": "Mean negative log-likelihood of a token, nats: falls quickly at first, slowly later.",
}

STOPPED = "the value of the state after a token, which the token's own is drawn to"


@dataclass(frozen=True)
class Config:
    """Settings of ILQL."""

    discount: float = 0.99
    """What a value one token later is worth, in [0, 1]."""
    expectile: float = 0.7
    """In (0, 1): 0.5 values what the data does on average, near 1 the best it ever did."""
    conservative: float = 0.1
    """Weight of the term that pushes down values of tokens the data never says. From 0 up."""
    imitation: float = 1.0
    """Weight of the language model's own likelihood of the data. From 0 up; 0 keeps what it was before."""
    tilt: float = 1.0
    """How much values count when sampling, logits per reward unit. From 0 up."""
    slow: float = 0.005
    """Share of the way that the slow copy moves towards the heads after each step. In (0, 1]."""
    heads: int = 2
    """Q heads, of whose values the least is believed. At least 1; 2 as published."""

    def __post_init__(self) -> None:
        within(self, discount=(0, 1), conservative=(0, math.inf), imitation=(0, math.inf), tilt=(0, math.inf))
        for name, open_end in (("expectile", True), ("slow", False)):
            value = getattr(self, name)
            if not (0 < value < 1 or (value == 1 and not open_end)):
                raise InputError(f"{name}: {value} is not in (0, 1{')' if open_end else ']'}.")
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 2.")


def needs(config: Config) -> Needs:
    """Scores, a value head, Q heads over the vocabulary, and a slow copy of them."""
    return Needs(eats=(Score,), views=("slow",), heads={"value": 1, "q": config.heads}, slow_rate=config.slow)


def act(says: Says, config: Config) -> Tensor:
    """Return the tilted log-probabilities, (B, V); V(s) moves all alike and is there to be read beside them."""
    assert says.q_BKV is not None
    assert says.values_B is not None
    advantage_BV = says.q_BKV.amin(1) - says.values_B[:, None]
    return says.logits_BV.log_softmax(-1) + config.tilt * advantage_BV


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with returns_BT, the slow heads' least value of what was said, and the denominator. No gradient.

    scalars["weight"]: the tokens of scored rows, each times its row's weight. The slow values of all other tokens, the
    largest tensor of the window, are let go.
    """
    assert batch.slow_q_BTKV is not None
    assert batch.tokens_BT is not None
    least_BT = q_learning.of_tokens(batch.slow_q_BTKV, batch.tokens_BT).amin(-1)
    batch = q_learning.with_weight(rollouts.without_unscored(batch))
    return replace(batch, slow_q_BTKV=None, returns_BT=masked(least_BT, batch.completion_mask_BT))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's mean loss over tokens, (B,), and its metrics.

    batch.rewards_B and batch.token_rewards_BT: what was paid. batch.scalars["weight"]: see `targets`.
    """
    assert outputs.logprobs_BT is not None
    assert outputs.values_BT is not None
    assert outputs.q_BTKV is not None
    assert batch.tokens_BT is not None
    assert batch.returns_BT is not None
    mask_BT = batch.completion_mask_BT
    values_BT, logprobs_BT = masked(outputs.values_BT, mask_BT), masked(outputs.logprobs_BT, mask_BT)
    q_BTKV = q_learning.visible(outputs.q_BTKV, mask_BT)
    said_BTK = q_learning.of_tokens(q_BTKV, batch.tokens_BT)
    next_BT = following(values_BT.detach(), mask_BT)
    goal_BT = rollouts.paid_rewards(batch).to(values_BT.dtype) + config.discount * next_BT
    q_loss_BTK = (goal_BT[..., None] - said_BTK).square()
    q_loss_BTK = q_loss_BTK + config.conservative * q_learning.conservative_penalty(q_BTKV, said_BTK)
    value_loss_BT = q_learning.expectile_loss(batch.returns_BT - values_BT, config.expectile)
    loss_BT = q_loss_BTK.sum(-1) + value_loss_BT - config.imitation * logprobs_BT
    scale_B = q_learning.weights(batch) / (batch.scalars["weight"] or 1.0)
    share_B = masked_sum(loss_BT, mask_BT) * scale_B.to(loss_BT.dtype)
    read = {
        "td_error": (goal_BT[..., None] - said_BTK).abs().mean(-1),
        "value": values_BT,
        "advantage": batch.returns_BT - values_BT,
        "nll": -logprobs_BT,
    }
    return share_B, {name: rollouts.per_row(values, mask_BT) for name, values in read.items()}

"""DQN: learn the value of every token from one's own tries, kept and looked at again, and say the best one.

    Q(s, a) -> r + discount * V'(s'),  V' of a slowly moving copy:
    V'(s) = max_a Q'(s, a)                                       (backup="max")
    V'(s) = Q'(s, argmax_a Q(s, a))                              (backup="double": who chooses does not also judge)
    V'(s) = temperature * log sum_a exp(Q'(s, a) / temperature)  (backup="soft")
    loss  = 1/2 (target - Q(s, said))^2  +  conservative * (logsumexp_a Q(s, a) - Q(s, said))     mean over tokens
    act       : the best token                                    ("soft": drawn from softmax(Q / temperature))
    behaviour : the best token with 1 - epsilon, else any         ("soft": the same as `act`)

Sources: Mnih et al. 2015, Nature 518; double Q-learning, van Hasselt et al. 2015, arXiv 1509.06461; soft Q-learning,
Haarnoja et al. 2017, arXiv 1702.08165, and for text Guo et al. 2021, arXiv 2106.07704; the conservative term, Kumar et
al. 2020, arXiv 2006.04779.

What is unusual: the language model's own logits are neither read nor trained: what is said comes from the values alone.
What a reward pays by token is paid where it stands, the rest of the score at the last token. A completion that the
length limit cut off ends there: nothing is expected after it. While it learns, completions are drawn from `behaviour`
as it is, at temperature 1 and without any truncation, whatever `sampling` says: epsilon and temperature are what it
explores by, and the backup is of the same temperature. With `learns_from = "data"` nothing is drawn: scored texts are
the tries, and with backup = "soft" this is soft Q-learning on fixed data.

Use it for small sets of actions: games, choices among options, toy languages. Exploring costs as many tries as there
are tokens: a real vocabulary (49,152 tokens) is not explored by epsilon-greedy in any time, and every place of a text
costs a vocabulary of numbers, about four times over (64 places: 12.6 MB a copy and row). There, `ilql` learns from what
was said and `ppo` explores near the model. It fails by believing its own maxima: `value` above the best reward;
on data all the more, where nobody tries what it dreams of: there `conservative` keeps what was never said down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.maths import q_learning, rollouts
from burnish.maths.batch import Batch, Outputs
from burnish.maths.policy_loss import masked, masked_sum
from burnish.maths.returns import following
from burnish.methods import Needs, Says, above, within
from burnish.records import Sampling, Score

METRICS: Mapping[str, str] = {
    **rollouts.PAID,
    "td_error": "Mean distance of a token's value from reward plus next value, reward units: falls towards 0.",
    "value": "Mean value of the tokens said, reward units: rises to the mean reward; above the best reward it dreams.",
}


@dataclass(frozen=True)
class Config:
    """Settings of DQN."""

    backup: Literal["max", "double", "soft"] = "double"
    """What the next state is worth: the best token (max), the same judged by the copy (double), soft maximum (soft)."""
    discount: float = 1.0
    """What a value one token later is worth, in [0, 1]."""
    epsilon: float = 0.1
    """Share of tokens drawn from all alike while it learns, to explore. In [0, 1]; not used with backup = "soft"."""
    temperature: float = 0.1
    """Reward units per nat of entropy, with backup = "soft". Above 0; small is nearly greedy."""
    learns_from: Literal["draws", "data"] = "draws"
    """What tries are learned from: its own draws, or scored texts that are given; then nothing is drawn or replayed."""
    conservative: float = 0.0
    """Weight of the term that pushes down values of tokens that were not said, from 0 up; 0.1 is for sparse data."""
    replay: int = 8
    """Windows kept and drawn again beside the fresh one. At least 1."""
    slow: float = 0.05
    """Share of the way that the slow copy moves towards the heads after each step. In (0, 1]."""

    def __post_init__(self) -> None:
        within(self, discount=(0, 1), epsilon=(0, 1), conservative=(0, math.inf))
        above(self, temperature=0)
        if self.replay < 1:
            raise InputError(f"replay: {self.replay} is not a whole number from 1 up. Use 8.")
        if not 0 < self.slow <= 1:
            raise InputError(f"slow: {self.slow} is not in (0, 1]. Use 0.05.")


def needs(config: Config) -> Needs:
    """Fresh, scored completions and older ones (or scores of given ones), a Q head over the vocabulary, and a slow copy
    of it."""
    learns = Needs(eats=(Score,), views=("slow",), heads={"q": 1}, slow_rate=config.slow)
    if config.learns_from == "data":
        return learns
    return replace(learns, eats=(), fresh=True, scored=True, replay=config.replay)


def sampling(config: Config, sampling: Sampling) -> Sampling:
    """Return the sampling that draws from `behaviour` as it is, so that epsilon is the share that explores, and soft
    values are of the policy that is drawn."""
    return replace(sampling, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)


def act(says: Says, config: Config) -> Tensor:
    """Return the logits that the trained policy speaks by, (B, V): 0 for the best token and -inf for all others; with
    backup = "soft" Q over the temperature."""
    return _logits(says, 0.0, config)


def behaviour(says: Says, config: Config) -> Tensor:
    """Return the logits from which completions to learn from are drawn, (B, V)."""
    return _logits(says, config.epsilon, config)


def _logits(says: Says, epsilon: float, config: Config) -> Tensor:
    assert says.q_BKV is not None
    q_BV = says.q_BKV[:, 0]
    return q_BV / config.temperature if config.backup == "soft" else q_learning.explored(q_BV, epsilon)


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator. Pure, no gradient. What was not scored is left out of it.

    scalars["weight"]: the tokens of scored rows, each times its row's weight.
    """
    return q_learning.with_weight(rollouts.without_unscored(batch))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's mean loss over tokens, (B,), and its metrics."""
    assert outputs.q_BTKV is not None
    assert batch.slow_q_BTKV is not None
    assert batch.tokens_BT is not None
    mask_BT = batch.completion_mask_BT
    q_BTKV = q_learning.visible(outputs.q_BTKV, mask_BT)
    said_BTK = q_learning.of_tokens(q_BTKV, batch.tokens_BT)
    said_BT = said_BTK[..., 0]
    worth_BT = _worth(q_BTKV[..., 0, :].detach(), q_learning.visible(batch.slow_q_BTKV, mask_BT)[..., 0, :], config)
    goal_BT = rollouts.paid_rewards(batch).to(said_BT.dtype) + config.discount * following(worth_BT, mask_BT)
    error_BT = masked(goal_BT - said_BT, mask_BT)
    loss_BT = 0.5 * error_BT.square()
    if config.conservative > 0:
        loss_BT = loss_BT + config.conservative * q_learning.conservative_penalty(q_BTKV, said_BTK)[..., 0]
    scale_B = q_learning.weights(batch) / (batch.scalars["weight"] or 1.0)
    share_B = masked_sum(loss_BT, mask_BT) * scale_B.to(loss_BT.dtype)
    metrics = {"td_error": rollouts.per_row(error_BT.abs(), mask_BT), "value": rollouts.per_row(said_BT, mask_BT)}
    return share_B, {**rollouts.paid_metric(batch), **metrics}


def _worth(q_BTV: Tensor, slow_BTV: Tensor, config: Config) -> Tensor:
    """Return what the state at each place is worth by the slow copy, (B, T)."""
    if config.backup == "soft":
        return q_learning.soft_maximum(slow_BTV, config.temperature)
    if config.backup == "max":
        return slow_BTV.amax(-1)
    return slow_BTV.gather(-1, q_BTV.argmax(-1, keepdim=True))[..., 0]

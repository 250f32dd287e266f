"""The tensors that every oracle is asked about: four pairs, or two groups of four completions, of one to six tokens.

Made of whole thousandths by a generator that is the same everywhere, so that nobody has to keep them; tokens, log-probs
and masks fit each other where a loss could see whether they do (log-probs come of logits). Nothing here imports torch.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

LENGTHS = (3, 6, 1, 4, 2, 5, 6, 3)
B, T, V = len(LENGTHS), max(LENGTHS), 5
N = B // 2
GROUPS = (0, 0, 0, 0, 1, 1, 1, 1)

SETTINGS = {
    "beta": 0.3, "smoothing": 0.15, "gamma": 0.7, "alpha": 0.6, "clip_low": 0.2, "clip_high": 0.28, "value_clip": 0.25,
    "discount": 0.97, "trace": 0.9, "limit": 9.0, "gspo_low": 0.05, "gspo_high": 0.08, "desirable": 1.3,
    "undesirable": 0.8, "cap": 1.5, "expectile": 0.7, "conservative": 0.1, "value_weight": 0.5, "baseline": 0.4,
}  # fmt: skip
"""Numbers that stand in a configuration, the same for both sides."""


def make() -> dict[str, NDArray[np.float64]]:
    """Return every tensor by its name; its name ends in its dimensions."""
    chance = random.Random(20261122)

    def thousandths(low: float, high: float, *shape: int) -> NDArray[np.float64]:
        values = [round(low + (high - low) * chance.random(), 3) for _ in range(int(np.prod(shape)))]
        return np.array(values, dtype=np.float64).reshape(shape)

    mask = np.arange(T)[None, :] < np.array(LENGTHS)[:, None]
    logprobs = thousandths(-2.5, -0.1, B, T)
    values = thousandths(-1.0, 1.0, B, T)
    logits = thousandths(-3.0, 3.0, B, T, V)
    found = {
        "mask_BT": mask.astype(np.float64),
        "logits_BTV": logits,
        "teacher_logits_BTV": thousandths(-3.0, 3.0, B, T, V),
        "tokens_BT": np.array([[chance.randrange(V) for _ in range(T)] for _ in range(B)], dtype=np.float64),
        "logprobs_BT": logprobs,
        # some ratios leave the clip on either side, most do not
        "old_logprobs_BT": logprobs + thousandths(-0.5, 0.5, B, T),
        "reference_logprobs_BT": logprobs + thousandths(-0.8, 0.8, B, T),
        # what a mismatched completion would be given: rows of their own, for KTO's point
        "point_logprobs_BT": logprobs + thousandths(0.0, 0.4, B, T),
        "rewards_B": thousandths(-1.0, 2.0, B),
        "token_rewards_BT": thousandths(-0.5, 0.5, B, T),
        "advantages_B": thousandths(-1.5, 1.5, B),
        "advantages_BT": thousandths(-1.5, 1.5, B, T),
        "values_BT": values,
        "old_values_BT": values + thousandths(-0.5, 0.5, B, T),
        "returns_BT": thousandths(-1.5, 1.5, B, T),
        "margin_N": thousandths(0.0, 1.0, N),
        "labels_BT": np.array([[chance.randrange(2) for _ in range(T)] for _ in range(B)], dtype=np.float64),
        "win_rates_B": thousandths(0.05, 0.95, B),
        # directions along which gradients and whole tensors are told in two numbers
        "probe_BT": thousandths(-1.0, 1.0, B, T),
        "probe_B": thousandths(-1.0, 1.0, B),
        "behaviour_logprobs_BT": logprobs + thousandths(-1.2, 0.6, B, T),
        # what a policy said of every token before its step, and what its reference says: near `logits_BTV`
        "logits_before_BTV": logits + thousandths(-0.6, 0.6, B, T, V),
        "reference_logits_BTV": logits + thousandths(-0.8, 0.8, B, T, V),
        # two heads' values of every token, and those of their slowly moving copy
        "q_BTKV": thousandths(-1.5, 1.5, B, T, 2, V),
        "slow_q_BTKV": thousandths(-1.5, 1.5, B, T, 2, V),
        # each group of four in an order of its own, the best first
        "ranks_B": np.array([2.0, 0.0, 3.0, 1.0, 1.0, 2.0, 0.0, 3.0]),
        **{name: np.array(value) for name, value in SETTINGS.items()},
    }
    return {name: np.round(value, 3) for name, value in found.items()}

"""KTO: learn from completions that are merely good or bad, each valued against what the policy does in general.

    r    = beta * (log pi(y) - log ref(y))
    z    = beta * max(0, mean over mismatched rows of log pi(y') - log ref(y'))         y' belongs to another prompt
    loss = q * desirable * (1 - sigma(r - z)) + (1 - q) * undesirable * (1 - sigma(z - r))      weighted mean over rows
    q    = g (1 - e) + (1 - g) e                                                             e = label_smoothing
    g    = 1 for a good completion, 0 for a bad one, and p and 1 - p for the two of a pair

Sources: Ethayarajh et al. 2024, arXiv 2402.01306, equations 7 and 8 (q of 0 or 1); the mean over flipped labels:
Mitchell, "A note on DPO with noisy preferences", 2023; what it does to a loss whose two sides add up to a constant, as
these do where both weigh the same: Ghosh et al. 2017, arXiv 1712.09482, theorem 1.

What is unusual: z is made in `targets` from the policy as it is at the window's start (view "old"), over the whole
window, so that it has no gradient and slices cannot change it. The mismatched rows come of one shift through all rows
sorted by prompt, by the size of the largest group: every completion is used once, and none beside its own prompt (a
reversal would leave a middle one, trap T30). Scores (thumbs among them) are split at `threshold`; a pair is one good
and one bad row, with the probability that people really hold it. Where good and bad weigh the same, smoothing only
scales the gradient by 1 - 2e: this loss bears flipped labels by itself. Where they do not, the dearer side's errors are
no longer paid in full.

Use it when people say up or down and nobody compares, and when good and bad are unequally many (keep desirable * goods
between 1 and 3/2 times undesirable * bads). It fails with few rows a window (z is then noise: take 8 or more), and on
pairs of two good completions, one of which it has to call bad: there DPO compares like with like.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, pairs_of
from burnish.maths.batch import Batch, Outputs
from burnish.maths.imitation import row_weights
from burnish.maths.policy_loss import masked_sum
from burnish.maths.preference_loss import implicit_reward, prospect, smoothed
from burnish.methods import Needs, above, smooths
from burnish.records import Preference, Score, Signal

METRICS: Mapping[str, str] = {
    "desirable_reward": "Implied reward of good completions: rises from 0.",
    "undesirable_reward": "The same of bad ones: falls from 0.",
    "kl_point": "z, in the implied reward's units: grows slowly from 0; far above 1 the policy has left.",
}


@dataclass(frozen=True)
class Config:
    """Settings of KTO."""

    beta: float = 0.1
    """How dear distance from the reference is: reward units per nat. Above 0; small moves far, large stays near."""
    desirable: float = 1.0
    """Weight of good completions, above 0."""
    undesirable: float = 1.0
    """Weight of bad completions, above 0."""
    threshold: float = 0.0
    """Score above which a completion is good, below which it is bad; at it it is neither and left out. Of either sign:
    0 is the middle of the scale on which signals put ratings and thumbs."""
    point: Literal["mismatched", "zero"] = "mismatched"
    """What completions are valued against: the KL seen on mismatched rows, or 0, which needs no second row for each."""
    label_smoothing: float = 0.0
    """Share of labels that are thought to be flipped, in [0, 0.5); with equal weights it only makes steps smaller."""

    def __post_init__(self) -> None:
        above(self, beta=0, desirable=0, undesirable=0)
        smooths(self)
        if not math.isfinite(self.threshold):
            raise InputError(f"threshold: {self.threshold} is not a number. Use the middle of the scale, 0.")


def needs(config: Config) -> Needs:
    """Scores and preferences, the reference's view, and the policy's at the window's start unless the point is 0."""
    views = ("reference", "old") if config.point == "mismatched" else ("reference",)
    return Needs(eats=(Score, Preference), views=views)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return an example for each good or bad completion (its score is g), a mismatched row beside it.

    Raises InputError where all completions answer one prompt: there is no other prompt to put them beside.
    """
    rows = [row for signal in signals for row in _rows(signal, config)]
    if config.point == "zero":
        return [Example((row,)) for row in rows]
    return [Example((row, *other)) for row, other in zip(rows, _mismatched(rows), strict=True)]


def _rows(signal: Signal, config: Config) -> list[Row]:
    if isinstance(signal, Preference):
        pairs = [example.rows for example in pairs_of([signal])]
        return [
            replace(row, score=share, rank=-1, probability=math.nan, margin=math.nan)
            for chosen, rejected in pairs
            for row, share in ((chosen, chosen.probability), (rejected, 1 - rejected.probability))
        ]
    if not isinstance(signal, Score) or signal.value is None or signal.value == config.threshold:
        return []
    return [Row(signal.prompt, signal.completion, signal.weight, float(signal.value > config.threshold))]


def _mismatched(rows: Sequence[Row]) -> list[tuple[Row, ...]]:
    """Return for each row its prompt with the completion of another, none where one prompt has most of the rows."""
    order = sorted(range(len(rows)), key=lambda i: rows[i].prompt.id)  # stable: rows of a prompt side by side
    names = [rows[i].prompt.id for i in order]
    if len(set(names)) == 1:
        raise InputError(
            'kto: all completions answer one prompt, so none can be put beside another. Set kto.point = "zero".'
        )
    shift = max((names.count(name) for name in set(names)), default=0)
    found: list[tuple[Row, ...]] = [()] * len(rows)
    for place, i in enumerate(order):
        other = rows[order[(place + shift) % len(order)]]
        if other.prompt.id != rows[i].prompt.id:
            found[i] = (Row(rows[i].prompt, other.completion, mismatched=True),)
    return found


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with scalars "kl_point" (z, reward units, at least 0) and "weight". Pure, no gradient."""
    point = 0.0
    if config.point == "mismatched" and batch.mismatched_B is not None and bool(batch.mismatched_B.any()):
        assert batch.old_logprobs_BT is not None
        assert batch.reference_logprobs_BT is not None
        mask_BT = batch.completion_mask_BT
        log_ratio_B = masked_sum(batch.old_logprobs_BT, mask_BT) - masked_sum(batch.reference_logprobs_BT, mask_BT)
        point = config.beta * max(0.0, float(log_ratio_B[batch.mismatched_B].double().mean()))
    scalars = {**batch.scalars, "kl_point": point, "weight": float(_weights(batch).sum())}
    return replace(batch, scalars=scalars)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's mean loss, (B,); mismatched and unlabelled rows have none.

    batch.rewards_B: g. batch.weights_BK, its first column: weight of each row, 1 without it. batch.scalars: see
    `targets`.
    """
    assert batch.rewards_B is not None
    assert outputs.logprobs_BT is not None
    assert outputs.reference_logprobs_BT is not None
    weights_B = _weights(batch)
    mask_BT = batch.completion_mask_BT & (weights_B > 0)[:, None]
    reward_B = implicit_reward(
        masked_sum(outputs.logprobs_BT, mask_BT), masked_sum(outputs.reference_logprobs_BT, mask_BT), config.beta
    )
    good_B, point = batch.rewards_B.nan_to_num(), batch.scalars["kl_point"]
    stated_B = smoothed(good_B, config.label_smoothing, "conservative")
    loss_B = prospect(reward_B, point, stated_B, config.desirable, config.undesirable)
    share_B = loss_B * (weights_B / (batch.scalars["weight"] or 1.0)).to(loss_B.dtype)
    nothing_B = torch.full_like(reward_B, torch.nan).detach()
    metrics = {
        "desirable_reward": torch.where((weights_B > 0) & (good_B > 0.5), reward_B.detach(), nothing_B),
        "undesirable_reward": torch.where((weights_B > 0) & (good_B < 0.5), reward_B.detach(), nothing_B),
        "kl_point": torch.full_like(nothing_B, point),
    }
    return share_B, metrics


def _weights(batch: Batch) -> Tensor:
    """Return the weight of each row, (B,); 0 for mismatched rows and those nobody called good or bad."""
    assert batch.rewards_B is not None
    weights_B = row_weights(batch).masked_fill(~torch.isfinite(batch.rewards_B), 0.0)
    return weights_B if batch.mismatched_B is None else weights_B.masked_fill(batch.mismatched_B, 0.0)

"""Span reward: a reward for every token, from the parts of completions that people marked.

    label="severity":  loss = 1/2 (r_t - s_t)^2                                  s_t: sum of the severities of t's marks
    label="fault":     loss = - y_t log sigma(r_t) - (1 - y_t) log sigma(-r_t)    y_t = 0 where s_t < 0, else 1
    both the mean over tokens, heads and completions; a token that nobody marked has s_t = 0 and weight `unmarked`
    pay  = r_t at every token, their sum the score                    (label="fault": -sigma(-r_t), less where likelier)

Sources: fine-grained human feedback, Wu et al. 2023, arXiv 2306.01693, section 2 (faults of spans); token-level
regression on annotated spans is the multidimensional quality metric's use: Freitag et al. 2021, arXiv 2104.14478.

Marks come as the spans of a score or critique, their severities signed: praise above 0, a fault below. What is unusual:
within a marked text, silence is taken for an opinion (nothing to remark) of weight `unmarked`; a text without any mark
is left out, since nobody may have read it.

Use it when people (or edits) say where a completion is good or wrong: it teaches faster than one number for the whole,
and each token of a new text is paid its own reward (`pay`). It fails when marks are ragged (two people seldom mark the
same characters: `marked_error` then stays near the spread of the severities), and when they are so few that 0
everywhere is nearly right: lower `unmarked`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools
from burnish.maths import token_rewards
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs
from burnish.records import Critique, Score, Signal

METRICS: Mapping[str, str] = {
    "marked_error": "Mean distance of reward (with label=fault: of sigma(r)) from label on marked tokens: falls.",
    "unmarked_error": "The same on unmarked tokens: stays small; if it grows, raise `unmarked`.",
}


@dataclass(frozen=True)
class Config:
    """Settings of the span reward."""

    heads: int = 5
    """K, the members of the ensemble. At least 1."""
    label: Literal["severity", "fault"] = "severity"
    """What is predicted: severity (its signed sum), fault (the logit of there being none)."""
    unmarked: float = 0.3
    """Weight of a token that nobody marked in a text that somebody did, beside a marked one's 1; in [0, 1]."""
    normaliser: Literal["token", "completion"] = "token"
    """What is averaged: token (every token weighs the same), completion (every completion does)."""

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 5.")
        if not (math.isfinite(self.unmarked) and 0 <= self.unmarked <= 1):
            raise InputError(f"unmarked: {self.unmarked} is not in [0, 1]. Use 0.3.")


def needs(config: Config) -> Needs:
    """Scores and critiques with spans, and K reward heads."""
    return Needs(eats=(Score, Critique), heads={"reward": config.heads}, noise=True, policy=False)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return an example for each marked completion."""
    return [
        Example((Row(signal.prompt, signal.completion, signal.weight, spans=signal.spans),))
        for signal in signals
        if isinstance(signal, Score | Critique) and signal.spans
    ]


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]. Pure, no gradient."""
    weights_BK = token_rewards.head_weights(batch, config.heads)
    total = token_rewards.total_weight(_places(batch, config), weights_BK)
    return replace(batch, scalars={**batch.scalars, "weight": total})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's weighted mean loss, (B,).

    batch.token_labels_BT: s, NaN where nothing was marked. batch.weights_BK: weights of the heads.
    batch.scalars["weight"]: see `targets`.
    """
    assert batch.token_labels_BT is not None
    assert outputs.token_rewards_BTK is not None
    place_BT, marked_BT = _places(batch, config), _marked(batch)
    label_BT = torch.where(marked_BT, batch.token_labels_BT, 0.0)
    if config.label == "fault":
        label_BT = (label_BT >= 0).to(label_BT.dtype)
    label_BT = torch.where(place_BT > 0, label_BT, torch.nan)
    against: token_rewards.Against = "squared" if config.label == "severity" else "cross_entropy"
    loss_BTK = token_rewards.label_loss(outputs.token_rewards_BTK, label_BT, against)
    weights_BK = token_rewards.head_weights(batch, config.heads)
    share_B = token_rewards.shares(loss_BTK, place_BT, weights_BK, batch.scalars["weight"])
    said_BT = outputs.token_rewards_BTK.detach().mean(-1)
    error_BT = ((said_BT if config.label == "severity" else torch.sigmoid(said_BT)) - label_BT).abs()
    return share_B, {
        "marked_error": torch.where(marked_BT, error_BT, torch.nan).nanmean(-1),
        "unmarked_error": torch.where(marked_BT, torch.nan, error_BT).nanmean(-1),
    }


def pay(readings_TK: Tensor, text: str, places: Sequence[tuple[int, int]], config: Config) -> Tensor:
    """Return what each token of a text is paid, (T, K): its severity, or less the more likely it is a fault."""
    return readings_TK if config.label == "severity" else -torch.sigmoid(-readings_TK)


def _marked(batch: Batch) -> Tensor:
    assert batch.token_labels_BT is not None
    return torch.isfinite(batch.token_labels_BT) & batch.completion_mask_BT


def _places(batch: Batch, config: Config) -> Tensor:
    """Return the weight of each place, (B, T), float64: 1 where marked, `unmarked` elsewhere in a text with a mark."""
    marked_BT = _marked(batch)
    silent_BT = batch.completion_mask_BT & ~marked_BT & marked_BT.any(-1, keepdim=True)
    place_BT = marked_BT.double() + config.unmarked * silent_BT.double()
    return place_BT if config.normaliser == "token" else token_rewards.per_completion(place_BT)

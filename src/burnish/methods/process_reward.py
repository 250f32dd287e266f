"""Process reward: how likely each step of a completion is right, read where the step ends.

    loss = - q_j log sigma(r_j) - (1 - q_j) log sigma(-r_j)         mean over labelled steps j, heads and completions
    r_j  = the reward after the last token of step j,   y_j = the probability that step j is right
    q_j  = y_j (1 - e) + (1 - y_j) e,   e = label_smoothing
    against="squared":  1/2 (r_j - q_j)^2
    pay  = F(s_1 ... s_j) - F(s_1 ... s_{j-1}) at the last token of step j, their sum the score F(s_1 ... s_n)
    F    = sum | product | min | mean | last (`whole`),   s_j = sigma(r_j)      (against="squared": r_j itself)

Sources: Uesato et al. 2022, arXiv 2211.14275; Lightman et al. 2023, arXiv 2305.20050 (labels by people; the product,
section 2.6, and the minimum, appendix F); labels that may be flipped: Mitchell, "A note on DPO with noisy preferences",
2023; soft labels, the share of continuations that end well, a reward paid at the
end of each step, and the minimum: Math-Shepherd, arXiv 2312.08935, sections 3.3 and 3.4; the last step: Snell et al.
2024, arXiv 2408.03314, appendix E; that paying what each step changes leaves the best policy the best: Ng et al. 1999.

A step is a span of a score or critique, and its severity, clipped to [0, 1], is y: 1 or more right, 0 or less wrong,
between them the probability. What is unusual: only the token that holds the step's last character has a label, so that
steps need no separator token, and a step that nobody judged costs nothing. Two steps that end within one token share
it (their labels are added, and clipped).

Use it when the way to an answer can be judged, as in sums and arguments: its reward then says where a completion went
wrong, and each step of a new text (`separator` says where one ends) is paid for what it changes. It fails when steps
after the first mistake are labelled too (right steps from wrong premises: label up to the first mistake), and when
wrong steps are rare: `step_accuracy` is then high from the start, watch `wrong_found`. Paid to a policy by their sum,
more steps are more pay: `grpo` with credit="process" holds each step against the group's mean step; with the others,
and to choose among texts (`raft`), take whole="min" or "product", by which a text is as good as its worst step or as
all of them together, or watch `length`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools
from burnish.maths import token_rewards
from burnish.maths.batch import Batch, Outputs
from burnish.maths.preference_loss import smoothed
from burnish.methods import Needs, smooths
from burnish.records import Critique, Score, Signal, Span

METRICS: Mapping[str, str] = {
    "step_accuracy": "Share of steps on the right side of 1/2: rises above the share of right steps.",
    "wrong_found": "Share of the wrong steps that are called wrong: rises from 0.",
}


@dataclass(frozen=True)
class Config:
    """Settings of the process reward."""

    heads: int = 5
    """K, the members of the ensemble. At least 1."""
    against: token_rewards.Against = "cross_entropy"
    """How far a reward is from its label: cross_entropy (r is a logit), squared (r is the probability itself)."""
    normaliser: Literal["step", "completion"] = "step"
    """What is averaged: step (every step weighs the same), completion (every completion does)."""
    label_smoothing: float = 0.0
    """Share of steps that are thought to be labelled the wrong way round, in [0, 0.5); 0 takes labels at their word."""
    separator: str = "\n"
    """What stands between two steps of a text that is paid; learning asks the spans alone."""
    whole: token_rewards.Whole = "sum"
    """What a text that is paid is worth, of its steps: sum, product (all are right), min (the worst), mean, last."""

    def __post_init__(self) -> None:
        smooths(self)
        if not self.separator:
            raise InputError("separator: an empty text stands between no two steps. Use a line's end.")
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 5.")


def needs(config: Config) -> Needs:
    """Scores and critiques with spans, and K reward heads."""
    return Needs(eats=(Score, Critique), heads={"reward": config.heads}, noise=True, policy=False)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return an example for each completion with steps; each span is shortened to the step's last character."""
    return [
        Example((Row(signal.prompt, signal.completion, signal.weight, spans=_ends(signal)),))
        for signal in signals
        if isinstance(signal, Score | Critique) and signal.spans
    ]


def _ends(signal: Score | Critique) -> tuple[Span, ...]:
    return tuple(replace(span, start=span.end - 1, severity=min(max(span.severity, 0.0), 1.0)) for span in signal.spans)


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]. Pure, no gradient."""
    weights_BK = token_rewards.head_weights(batch, config.heads)
    total = token_rewards.total_weight(_places(batch, config), weights_BK)
    return replace(batch, scalars={**batch.scalars, "weight": total})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's weighted mean loss, (B,).

    batch.token_labels_BT: y at the last token of each step, NaN elsewhere. batch.weights_BK: weights of the heads.
    batch.scalars["weight"]: see `targets`.
    """
    assert batch.token_labels_BT is not None
    assert outputs.token_rewards_BTK is not None
    place_BT = _places(batch, config)
    label_BT = torch.where(place_BT > 0, batch.token_labels_BT.clamp(0, 1), torch.nan)
    stated_BT = smoothed(label_BT, config.label_smoothing, "conservative")
    loss_BTK = token_rewards.label_loss(outputs.token_rewards_BTK, stated_BT, config.against)
    weights_BK = token_rewards.head_weights(batch, config.heads)
    share_B = token_rewards.shares(loss_BTK, place_BT, weights_BK, batch.scalars["weight"])
    middle = 0.0 if config.against == "cross_entropy" else 0.5
    called_BT = outputs.token_rewards_BTK.detach().mean(-1) > middle
    return share_B, _metrics(called_BT, label_BT)


def pay(readings_TK: Tensor, text: str, places: Sequence[tuple[int, int]], config: Config) -> Tensor:
    """Return what each step of a text adds to its score, at the step's last token, (T, K); NaN at all others."""
    chances_TK = torch.sigmoid(readings_TK) if config.against == "cross_entropy" else readings_TK
    paid_TK = torch.full_like(readings_TK, torch.nan)
    found = [token_rewards.last_token(start, end, places) for start, end in _steps(text, config.separator)]
    ends = list(dict.fromkeys(token for token in found if token is not None))  # two that end in one token are one
    paid_TK[ends] = token_rewards.added(chances_TK[ends], config.whole)
    return paid_TK


def _steps(text: str, separator: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each part between separators that holds more than blanks, to its last other character."""
    start = 0
    for part in text.split(separator):
        if part.strip():
            yield start, start + len(part.rstrip())
        start += len(part) + len(separator)


def _metrics(called_BT: Tensor, label_BT: Tensor) -> dict[str, Tensor]:
    right_BT, wrong_BT = label_BT > 0.5, label_BT < 0.5  # both False on NaN, and on an even chance
    told_BT = (called_BT & right_BT) | (~called_BT & wrong_BT)
    return {
        "step_accuracy": told_BT.sum(-1) / _or_nan((right_BT | wrong_BT).sum(-1)),
        "wrong_found": (~called_BT & wrong_BT).sum(-1) / _or_nan(wrong_BT.sum(-1)),
    }


def _or_nan(count_B: Tensor) -> Tensor:
    return count_B.float().masked_fill(count_B == 0, torch.nan)


def _places(batch: Batch, config: Config) -> Tensor:
    """Return the weight of each place, (B, T), float64: 1 where a step ends, or 1 over its completion's steps."""
    assert batch.token_labels_BT is not None
    place_BT = (torch.isfinite(batch.token_labels_BT) & batch.completion_mask_BT).double()
    return place_BT if config.normaliser == "step" else token_rewards.per_completion(place_BT)

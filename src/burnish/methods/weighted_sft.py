"""Weighted SFT: imitate what was scored, the more the better it was; reinforcement without sampling.

    loss = - sum_i w_i sum_t log pi(y_it | x_i, y_i<t)  /  sum_i w_i |y_i|                (normaliser as in sft)
    w_i  = u_i min( exp((s_i - b_i) / temperature), cap )
           weights="advantage": b = mean score of the prompt's own completions   (advantage-weighted regression)
           weights="reward":    b = mean of all scores                           (reward-weighted regression)
           weights="given":     w = u, the demonstrations' own weights, no scores

    with kept < 1, a corrected text's tokens weigh v_it in the sums over t and in |y_i|:  1 where the corrector put
    something, kept where the original stands

Sources: reward-weighted regression, Peters and Schaal 2007, "Reinforcement learning by reward-weighted regression";
advantage-weighted regression, Peng et al. 2019, arXiv 1910.00177, section 3 (its weights are clipped too). What is new
in a corrected text is known by aligning it with its original (`burnish.feedback.corrections`).

The best policy of this loss is the one that wrote the completions, tilted by exp(s / temperature): that of a KL of
weight `temperature` to that writer, not to the untouched model. What is unusual: the baseline is a mean over
completions, not a learned value; a prompt with a single scored completion has none of its own and takes the mean of
all. Under "reward" the baseline only sets what `cap` cuts off: the weights' scale is divided out.

Use it when completions were scored, and there is no time to sample anew. It fails when few of them are any good (it can
only weigh what is there), and when the temperature is small against the scores' spread: one completion then counts
for all. Watch `weight`: a window's mean near 0, or single ones at `cap`, say so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, from_demonstration
from burnish.maths import imitation
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs, above
from burnish.records import Demonstration, Score, Signal

METRICS: Mapping[str, str] = {
    "nll": "Mean negative log-likelihood of a training token, every completion alike, nats: falls, less than in sft.",
    "weight": "Mean weight of a completion: about 1 to 2; far above, `temperature` is too small for these scores.",
}


@dataclass(frozen=True)
class Config:
    """Settings of weighted supervised fine-tuning."""

    weights: Literal["advantage", "reward", "given"] = "advantage"
    """Where weights come from: advantage (score less the prompt's mean), reward (score), given (no scores)."""
    temperature: float = 1.0
    """Score units that make a completion count e times as much. Above 0; with "given" it is not used."""
    cap: float = 20.0
    """Largest weight that a score may give, from 1 up; bounds what one lucky score can do."""
    normaliser: imitation.ImitationNormaliser = "token"
    """What is averaged: token (every token weighs the same), completion (every completion does)."""
    label_smoothing: float = 0.0
    """Share of a token's target that goes to the other tokens, in [0, 0.5); as in `sft`."""
    kept: float = 1.0
    """Weight of a corrected text's tokens that its corrector left as they were, above 0 and at most 1; 0.1 teaches
    the changes. A text in which nothing is new (words were only taken out) or that is no correction weighs 1."""

    def __post_init__(self) -> None:
        above(self, temperature=0)
        if not (math.isfinite(self.cap) and self.cap >= 1):
            raise InputError(f"cap: {self.cap} is not a number from 1 up. Use 20.")
        if not 0 < self.kept <= 1:
            raise InputError(f"kept: {self.kept} is not above 0 and at most 1. Use 0.1, or 1 for every token alike.")
        if not 0 <= self.label_smoothing < 0.5:
            raise InputError(f"label_smoothing: {self.label_smoothing} is not in [0, 0.5). Use 0 for plain likelihood.")


def needs(config: Config) -> Needs:
    """Scores and demonstrations; with weights="given" only these."""
    return Needs(eats=(Demonstration,) if config.weights == "given" else (Score, Demonstration), noise=True)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return an example for each demonstration, with its own weight, and for each scored completion, with w.

    What was not scored (value None) is left out, and is never taken for a score of 0.
    """
    scores = [s for s in signals if isinstance(s, Score)] if config.weights != "given" else []
    examples = [from_demonstration(signal) for signal in signals if isinstance(signal, Demonstration)]
    return examples + _weighed(scores, config)


def _weighed(scores: Sequence[Score], config: Config) -> list[Example]:
    values: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        if score.value is not None:
            values[score.prompt.id].append(score.value)
    everything = [value for of_prompt in values.values() for value in of_prompt]
    found = []
    for score in scores:
        if score.value is None:
            continue
        own = values[score.prompt.id]
        compared = own if config.weights == "advantage" and len(own) > 1 else everything
        weight = score.weight * exponential(score.value - sum(compared) / len(compared), config)
        found.append(Example((Row(score.prompt, score.completion, weight, score.value),)))
    return found


def exponential(advantage: float, config: Config) -> float:
    """Return min(exp(advantage / temperature), cap), without overflow."""
    return math.exp(min(advantage / config.temperature, math.log(config.cap)))


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]. Pure, no gradient."""
    total = imitation.total_weight(batch, config.normaliser, _token_weights(batch, config))
    return replace(batch, scalars={**batch.scalars, "weight": total})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), in nats, and its metrics.

    batch.weights_BK, its first column: w, as `prepare` made it; without it all are 1. batch.token_labels_BT: not NaN
    where a corrector put something.
    """
    assert outputs.logprobs_BT is not None
    mask_BT = batch.completion_mask_BT
    loss_BT = imitation.token_nll(outputs.logprobs_BT, mask_BT, config.label_smoothing)
    return imitation.shares(loss_BT, batch, config.normaliser, _token_weights(batch, config)), {
        "nll": imitation.mean_nll(outputs.logprobs_BT, mask_BT),
        "weight": imitation.row_weights(batch),
    }


def _token_weights(batch: Batch, config: Config) -> Tensor | None:
    """Return v, (B, T); None where every token weighs alike."""
    if config.kept == 1 or batch.token_labels_BT is None:
        return None
    changed_BT = torch.isfinite(batch.token_labels_BT) & batch.completion_mask_BT
    return torch.where(changed_BT | ~changed_BT.any(-1, keepdim=True), 1.0, config.kept)

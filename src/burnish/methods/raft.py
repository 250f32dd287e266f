"""RAFT: draw several, keep the best, imitate them (best-of-n distilled; with a threshold, rejection sampling).

    kept = the `keep` best distinct completions of each prompt whose reward is at least `threshold`
    loss = SFT on what was kept  +  beta * KL(policy || reference), both the mean over tokens
           SFT of those parts alone that were paid `least_part` or more, and of what is in no part

Sources: RAFT, Dong et al. 2023, arXiv 2304.06767, algorithm 1; rejection sampling: Llama 2, arXiv 2307.09288, section
3.2.3; ReST, arXiv 2308.08998 (a threshold); imitating the good parts of a text alone: FIGA, Guo et al. 2023, arXiv
2311.04072. How far best-of-n leaves its policy: log n - (n - 1)/n nats, Stiennon et
al. 2020, arXiv 2009.01325, appendix G.

What is unusual: two completions of the same text count once, so that a policy that repeats itself does not also train
on it twice; what falls below the threshold is left out and counted, never turned into a weight of 0. Where a reward
pays parts (steps, spans), their sum decides what is kept, and `least_part` what of it is imitated; the KL is charged on
all of it. What a reward only looked at (`Score.spans`) decides nothing.

Use it when rewards are noisy in size and only their order is to be trusted, and as the simplest thing that works. It
fails by narrowing: it has no negative examples, and each round imitates what the last one said (watch `entropy`); its
optimum is whatever best-of-n likes, not the KL-regularised one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools
from burnish.maths import rollouts
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs, sft, smooths, within

METRICS: Mapping[str, str] = {
    "kept_reward": "Mean reward of what was kept: rises, and stays above `reward`, that of all that were drawn.",
    "imitated": "Share of a kept completion's tokens that is imitated; with least_part only: near 1, or little is.",
    "nll": "Mean negative log-likelihood of a kept token, nats: falls; near 0 the policy says one thing only.",
    **rollouts.METRICS,
}


@dataclass(frozen=True)
class Config:
    """Settings of RAFT."""

    keep: int = 1
    """Completions kept for each prompt, the best first. At least 1."""
    threshold: float | None = None
    """Least reward of what is kept, reward units; "none" keeps the best however bad they are."""
    least_part: float | None = None
    """Least that a paid part of what is kept was paid for its tokens to be imitated, reward units; "none": all are."""
    normaliser: Literal["token", "completion"] = "token"
    """What is averaged: token (every token weighs the same), completion (every completion does)."""
    label_smoothing: float = 0.0
    """Share of a token's target that goes to the other tokens, in [0, 0.5); 0 is plain likelihood, 0.1 is usual."""
    beta: float = 0.0
    """Weight of the KL to the untouched model beside the likelihood, both a token; 0 asks for no reference at all."""

    def __post_init__(self) -> None:
        smooths(self)
        if self.keep < 1:
            raise InputError(f"keep: {self.keep} is not a whole number from 1 up. Use 1.")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise InputError(f'threshold: {self.threshold} is not a finite number. Use "none" for no threshold.')
        check_least_part(self.least_part)
        within(self, beta=(0, math.inf))


def check_least_part(least: float | None) -> None:
    """Raise InputError for a least pay that is no number."""
    if least is not None and not math.isfinite(least):
        raise InputError(f'least_part: {least} is not a finite number. Use "none" to imitate every part.')


def needs(config: Config) -> Needs:
    """Fresh, scored completions, and the reference's view unless beta is 0."""
    views = ("reference",) if config.beta > 0 else ()
    return Needs(eats=(), fresh=True, scored=True, views=views, compares="group" if config.threshold is None else "")


def choose(examples: Sequence[Example], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each completion that is kept; what was drawn in vain is counted in `tools.left_out`."""
    found: list[Example] = []
    for example in examples:
        scored = [row for row in example.rows if math.isfinite(row.score)]
        tools.left_out["not scored"] += len(example.rows) - len(scored)
        good = [row for row in scored if config.threshold is None or row.score >= config.threshold]
        tools.left_out["below the threshold"] += len(scored) - len(good)
        best = sorted(distinct(good), key=lambda row: -row.score)  # stable: of equals, the first drawn
        found += [Example((labelled(row, config.least_part),)) for row in best[: config.keep]]
    return found


def labelled(row: Row, least: float | None) -> Row:
    """Return the row with what its parts were paid as labels of their tokens, where it is asked for."""
    return row if least is None else replace(row, spans=row.token_rewards)


def distinct(rows: Sequence[Row]) -> list[Row]:
    """Return the first row of each text, in their order."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.completion.text, row)
    return list(first.values())


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominators (`weighed`). Pure, no gradient."""
    return weighed(batch, sft.Config(config.normaliser, config.label_smoothing), config.least_part)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), in nats, and its metrics."""
    own = sft.Config(config.normaliser, config.label_smoothing)
    share_B, metrics = imitated(batch, outputs, own, config.beta, config.least_part)
    if batch.rewards_B is not None:
        metrics = {**metrics, "kept_reward": rollouts.whole_rewards(batch)}
    return share_B, metrics


def weighed(batch: Batch, config: sft.Config, least: float | None) -> Batch:
    """Return the batch with scalars "weight" (of what is imitated) and "charged" (of all that was kept)."""
    all_of_it = sft.targets(batch, config).scalars["weight"]
    weight = sft.targets(_imitated_part(batch, least), config).scalars["weight"]
    return replace(batch, scalars={**batch.scalars, "weight": weight, "charged": all_of_it})


def _imitated_part(batch: Batch, least: float | None) -> Batch:
    """Return the batch without the tokens of parts that were paid less; what is in no part stays."""
    if least is None or batch.token_labels_BT is None:
        return batch
    poor_BT = batch.token_labels_BT < least  # False on NaN
    return replace(batch, completion_mask_BT=batch.completion_mask_BT & ~poor_BT)


def imitated(
    batch: Batch, outputs: Outputs, config: sft.Config, beta: float, least: float | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the loss of imitation with beta * KL beside it, (B,), in nats, and its metrics.

    batch.scalars: "weight" and "charged" (`weighed`), and "beta" when a controller moves it. batch.token_labels_BT:
    what each token's part was paid, with `least`.
    """
    part = _imitated_part(batch, least)
    share_B, metrics = sft.loss(part, outputs, config)
    if least is not None:
        metrics["imitated"] = rollouts.per_row(part.completion_mask_BT, batch.completion_mask_BT)
    if beta > 0 and outputs.kl_BT is not None:
        # a token's divergence weighs as its negative log-likelihood does, were it imitated
        whole = replace(batch, scalars={**batch.scalars, "weight": batch.scalars["charged"]})
        charged_B, _ = sft.loss(whole, replace(outputs, logprobs_BT=-outputs.kl_BT), sft.Config(config.normaliser))
        share_B = share_B + rollouts.coefficient(batch, beta) * charged_B
    return share_B, {**metrics, **rollouts.rollout_metrics(batch, outputs)}

"""SeqGAN: write what a discriminator takes for real; each token is judged by how texts that go on from it are taken.

    Q_t  = mean over `rollouts` continuations y of (y_1 ... y_t) of D(y),    Q_T = D(y) itself
    loss = - (Q_t - b_t) log pi(y_t)            b: 0, or the mean of Q_t over the window's other completions

Source: Yu et al. 2017, "SeqGAN: sequence generative adversarial nets with policy gradient", arXiv 1609.05473, section
2.2. D = sigma(the discriminator's score), trained in turn with this method (`discriminator`).

What is unusual: Q_t is an action value, not a reward to be summed: `choose` puts it into `Row.token_scores`. With
every > 1 rollouts are made after every so many tokens, and the tokens before them take the next estimate: as unbiased,
with more noise, and so many times cheaper. The price: rollouts * tokens / every completions for each one learned from.

Use it to compare with: on text it is beaten by maximum likelihood with a lower temperature (Caccia et al. 2018, arXiv
1811.02549); where the true generator is known it moves along likelihood's curve, not below it (`benchmarks/seqgan.py`).
It fails as all adversarial training of text does: the generator says the few things that fool (watch `entropy`), and
against a perfect discriminator D is 0 everywhere and nothing is learned (watch `taken_for_real`). Start from a model
that has learned the text by likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Continuations, Example, Row, Tools, needed
from burnish.maths import rollouts
from burnish.maths.batch import Batch, Outputs
from burnish.maths.policy_loss import Normaliser, masked
from burnish.methods import Needs
from burnish.records import Completion, Prompt, Reward

METRICS: Mapping[str, str] = {
    "taken_for_real": "Mean probability with which the discriminator takes a completion for real: healthy from 0.2 to "
    "0.5; near 0 nothing is learned, near 1 the discriminator is fooled.",
    **rollouts.METRICS,
}


@dataclass(frozen=True)
class Config:
    """Settings of SeqGAN's generator."""

    rollouts: int = 16
    """Continuations drawn after a token to judge it. At least 1; as published 16."""
    every: int = 1
    """Tokens between two places that are judged. At least 1."""
    baseline: Literal["others", "none"] = "others"
    """What an action value is compared with: others (mean at the same place, unbiased), none (as published)."""
    normaliser: Normaliser = "constant"
    """What token losses are divided by: constant (length limit), token, completion; the last two favour short ones."""

    def __post_init__(self) -> None:
        for name in ("rollouts", "every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a whole number from 1 up.")


def needs(config: Config) -> Needs:
    """Fresh completions, and a discriminator trained in turn; `choose` needs continuations as well."""
    compares = "window" if config.baseline == "others" else ""
    return Needs(eats=(), fresh=True, partner="discriminator", compares=compares, once=True)


def choose(examples: Sequence[Example], config: Config, tools: Tools) -> list[Example]:
    """Return the examples with the action value of every token in `Row.token_scores`; its last one is the row's score.

    A completion without token ids, or one that the discriminator could not score, is left out and counted.
    """
    partner = needed(tools.partner, "a discriminator", "seqgan")
    go_on = needed(tools.continuations, "a sampler that can go on from part of a completion", "seqgan")
    rows = [row for example in examples for row in example.rows if row.completion.token_ids]
    tools.left_out["no tokens"] += sum(len(example.rows) for example in examples) - len(rows)
    whole = _taken_for_real(partner, [row.prompt for row in rows], [row.completion for row in rows])
    places = [_places(row, config) for row in rows]
    begun = [(row, place) for row, judged in zip(rows, places, strict=True) for place in judged]
    values = iter(_values(begun, partner, go_on, config, tools))
    found: list[Example] = []
    for row, final, judged in zip(rows, whole, places, strict=True):
        known = {**{place: next(values) for place in judged}, len(row.completion.token_ids or ()): final}
        scores = tuple(known[min(place for place in known if place > t)] for t in range(max(known)))
        if math.isfinite(final):
            found.append(Example((replace(row, score=final, token_scores=scores),)))
        else:
            tools.left_out["not scored"] += 1
    return found


def _places(row: Row, config: Config) -> list[int]:
    """Return how many tokens stand before each judgement: every so many, but not the whole."""
    return list(range(config.every, len(row.completion.token_ids or ()), config.every))


def _values(
    begun: Sequence[tuple[Row, int]], partner: Reward, go_on: Continuations, config: Config, tools: Tools
) -> list[float]:
    """Return the mean of D over continuations of each beginning; NaN where none could be scored."""
    if not begun:
        return []
    prompts = [row.prompt for row, _ in begun]
    prefixes = [(row.completion.token_ids or ())[:place] for row, place in begun]
    groups = go_on(prompts, prefixes, n=config.rollouts, seed=tools.seed)
    asked = [prompt for prompt, group in zip(prompts, groups, strict=True) for _ in group]
    taken = iter(_taken_for_real(partner, asked, [completion for group in groups for completion in group]))
    found: list[float] = []
    for group in groups:
        known = [value for value in [next(taken) for _ in group] if math.isfinite(value)]
        found.append(sum(known) / len(known) if known else math.nan)
    return found


def _taken_for_real(partner: Reward, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[float]:
    """Return D = sigma(score) of each completion, NaN where it was not scored."""
    values = [score.value for score in partner.score(prompts, completions)]
    known = torch.tensor([math.nan if value is None else value for value in values], dtype=torch.float64)
    return [float(value) for value in torch.sigmoid(known)]


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with advantages_BT and the window's counts. Pure, no gradient.

    batch.token_rewards_BT: the action value of each token; one that is not known is not learned from.
    """
    assert batch.token_rewards_BT is not None
    known_BT = batch.completion_mask_BT & torch.isfinite(batch.token_rewards_BT)
    values_BT = masked(batch.token_rewards_BT, known_BT)
    advantages_BT = values_BT
    if config.baseline == "others":
        others_T = (known_BT.sum(0) - 1).clamp(min=1)
        mean_BT = (values_BT.sum(0) - values_BT) / others_T  # of all at this place, without one's own
        advantages_BT = masked(values_BT - mean_BT, known_BT)
    batch = replace(batch, completion_mask_BT=known_BT, advantages_BT=advantages_BT)
    return rollouts.with_counts(batch)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), and its metrics.

    batch.scalars: "tokens" and "completions" of the whole window, and "max_new_tokens".
    """
    assert outputs.logprobs_BT is not None
    assert batch.advantages_BT is not None
    mask_BT = batch.completion_mask_BT
    share_B = rollouts.shares(-batch.advantages_BT * masked(outputs.logprobs_BT, mask_BT), batch, config.normaliser)
    metrics = {} if batch.rewards_B is None else {"taken_for_real": batch.rewards_B}
    return share_B, {**metrics, **rollouts.rollout_metrics(batch, outputs)}

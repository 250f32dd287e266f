"""Nash-MD: seek the policy that no other is preferred to, by playing against a mixture of itself and the reference.

    y  ~ pi                                                    learns
    y' ~ pi_mix,   log pi_mix = (1 - mixture) log pi + mixture log ref + c       opponent, token by token (`behaviour`)
    r  = P(y preferred to y') - 1/2 - beta * log( pi(y) / ref(y) ),              loss = REINFORCE on r

Sources: Munos et al. 2023, "Nash learning from human feedback", arXiv 2312.00886, section 7 (Nash-MD-PG); mixture = 0
is self-play, 1 is playing against the reference alone. That paying what each step changes leaves the best policy the
best: Ng et al. 1999.

What is unusual: the preference is averaged over all opponents of the prompt's group; with a reward it is
sigma((r(y) - r(y')) / scale), with a judge each y is compared with one y'. Where the reward pays parts (steps, spans),
each is paid what it changes of that probability, where it stands: the parts and the rest add up to P, and a token does
not answer for what was won or lost before it, which leaves the mean gradient as it is. The learner's completions are
drawn in `choose` from the policy itself, with a seed of their own: drawn alike, y and y' would not be independent.

Use it when people's preferences go in circles (A over B over C over A), which no reward can say: its end is the
regularised Nash equilibrium, not the favourite of an average. It fails to be worth its price when a reward exists that
explains the preferences: then `rloo` reaches the same with half the samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.examples import Example, Row, Tools, needed
from burnish.maths import rollouts
from burnish.maths.batch import Batch, Outputs
from burnish.maths.kl import KLKind
from burnish.methods import Needs, Says, above, online_dpo, reinforce, within
from burnish.records import Completion, Score, Span, seed_of

METRICS: Mapping[str, str] = {
    "win_rate": "Mean probability of being preferred to the mixture: begins near 1/2, rises, comes back to it.",
    **rollouts.METRICS,
}


@dataclass(frozen=True)
class Config:
    """Settings of Nash-MD."""

    mixture: float = 0.125
    """Share of the reference in the opponent, in [0, 1]: 0 is self-play (may go in circles), 1 the reference alone."""
    beta: float = 0.05
    """Weight of the KL to the reference, probabilities of preference per nat. From 0 up."""
    kl_in: rollouts.Place = "reward"
    """Where the KL is charged: reward (as published; the whole completion's gradient), loss (`kl`)."""
    kl: KLKind = "exact"
    """With kl_in = "loss": exact, k2 (same gradient in expectation), k1 and k3 (see maths/kl.py)."""
    preference: Literal["reward", "judge"] = "reward"
    """Who says which is better: a reward through its differences, or a judge, who is asked about each pair."""
    scale: float = 1.0
    """Reward units that make a difference of one logit, with preference = "reward". Above 0."""
    baseline: Literal["none", "batch"] = "batch"
    """What a win rate is compared with beside 1/2: none (as published), batch (the mean of the other completions)."""

    def __post_init__(self) -> None:
        within(self, mixture=(0, 1), beta=(0, math.inf))
        above(self, scale=0)


def needs(config: Config) -> Needs:
    """Opponents drawn from `behaviour`, the reference, a reward or a judge; `choose` needs the sampler as well."""
    learner = reinforce.needs(_learner(config))
    views = learner.views
    views = views if "reference" in views else (*views, "reference")  # `behaviour` mixes with it even when beta is 0
    return Needs(
        eats=(), fresh=True, scored=config.preference == "reward", views=views, compares=learner.compares, once=True
    )


def behaviour(says: Says, config: Config) -> Tensor:
    """Return the logits of the geometric mixture, (B, V): from these the opponents are drawn, in training alone."""
    assert says.reference_logits_BV is not None
    policy_BV, reference_BV = says.logits_BV.log_softmax(-1), says.reference_logits_BV.log_softmax(-1)
    return (1 - config.mixture) * policy_BV + config.mixture * reference_BV


def choose(examples: Sequence[Example], config: Config, tools: Tools) -> list[Example]:
    """Return, for each group of opponents, as many completions of the policy itself, scored by their win rate."""
    sampler = needed(tools.policy, "a sampler (the policy as it is)", "nash_md")
    prompts = [example.rows[0].prompt for example in examples]
    size = max((len(example.rows) for example in examples), default=1)
    groups = sampler.sample(prompts, tools.sampling, n=size, seed=seed_of(tools.seed, "nash_md"))
    ask = _by_judge if config.preference == "judge" else _by_reward
    found: list[Example] = []
    for example, group, won in zip(examples, groups, ask(examples, groups, config, tools), strict=True):
        prompt = example.rows[0].prompt
        tools.left_out["no preference"] += sum(math.isnan(each.rate) for each in won)
        rows = (
            Row(prompt, y, score=each.rate, token_rewards=each.parts, fresh=True)
            for y, each in zip(group, won, strict=True)
        )
        found.append(Example(tuple(rows)))
    return found


Groups = Sequence[Sequence[Completion]]


@dataclass(frozen=True, slots=True)
class Won:
    """How a completion does against its opponents."""

    rate: float
    """Mean probability of being preferred; NaN = unknown."""
    parts: tuple[Span, ...] = ()
    """What of it is paid where it was won or lost."""


def _by_reward(examples: Sequence[Example], groups: Groups, config: Config, tools: Tools) -> list[list[Won]]:
    """Return each completion's mean probability of being preferred to its group's opponents, and where it is won."""
    reward = needed(tools.reward, "a reward", "nash_md")
    asked = [e.rows[0].prompt for e, group in zip(examples, groups, strict=True) for _ in group]
    scores = iter(reward.score(asked, [completion for group in groups for completion in group]))
    found: list[list[Won]] = []
    for example, group in zip(examples, groups, strict=True):
        against = [row.score for row in example.rows if math.isfinite(row.score)]
        found.append([_won(next(scores), against, config.scale) for _ in group])
    return found


def _won(score: Score, against: Sequence[float], scale: float) -> Won:
    if score.value is None or not against:
        return Won(math.nan)
    return Won(win_rate(score.value, against, scale), _changes(score.token_rewards, against, scale))


def win_rate(value: float, against: Sequence[float], scale: float) -> float:
    """Return the mean probability that a completion of this reward is preferred to those of the others."""
    return sum(online_dpo.probability((value - other) / scale) for other in against) / len(against)


def _changes(parts: Sequence[Span], against: Sequence[float], scale: float) -> tuple[Span, ...]:
    """Return the parts, each paid what it changes of the win rate that those before it come to, in the text's order."""
    found: list[Span] = []
    so_far = 0.0
    for part in sorted(parts, key=lambda each: each.end):
        gained = win_rate(so_far + part.severity, against, scale) - win_rate(so_far, against, scale)
        found.append(replace(part, severity=gained))
        so_far += part.severity
    return tuple(found)


def _by_judge(examples: Sequence[Example], groups: Groups, config: Config, tools: Tools) -> list[list[Won]]:
    """Return what the judge says of each completion and the opponent of the same number; NaN = no answer."""
    judge = needed(tools.judge, "a judge", "nash_md")
    found: list[list[Won]] = []
    for example, group in zip(examples, groups, strict=True):
        pairs = [[y, example.rows[i % len(example.rows)].completion] for i, y in enumerate(group)]
        answers = judge.judge([example.rows[0].prompt] * len(pairs), pairs)
        rates = [online_dpo.first_is_better(said, pair) for said, pair in zip(answers, pairs, strict=True)]
        found.append([Won(math.nan if rate is None else rate) for rate in rates])
    return found


def _learner(config: Config) -> reinforce.Config:
    return reinforce.Config(baseline=config.baseline, beta=config.beta, kl_in=config.kl_in, kl=config.kl)


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with advantages_BT and the window's counts; rewards_B are win rates. Pure, no gradient."""
    batch = reinforce.targets(batch, _learner(config))
    assert batch.advantages_BT is not None
    if config.baseline == "batch":
        return batch  # the others' mean takes the 1/2 away as well
    half_BT = torch.where(batch.completion_mask_BT, 0.5, 0.0).to(batch.advantages_BT.dtype)
    return replace(batch, advantages_BT=batch.advantages_BT - half_BT)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), and its metrics; as `reinforce`."""
    share_B, metrics = reinforce.loss(batch, outputs, _learner(config))
    return share_B, {("win_rate" if name == "paid" else name): values for name, values in metrics.items()}

"""STaR: imitate one's own right answers; where there are none, be told the answer, explain it, and forget being told.

    right = completions whose score is at least `right`: imitated as they are
    else  = drawn again with the reference answer in the prompt (the hint); the right ones are imitated without it
    loss  = SFT on both  +  beta * KL(policy || reference), the mean over tokens; as in `raft`, of those parts alone
            that were paid `least_part` or more

Sources: STaR, Zelikman et al. 2022, arXiv 2203.14465, algorithm 1 ("rationalisation" is the hint).

What is unusual: a completion that was drawn under the hint is scored, and trained on, beside the prompt without it; its
sampler's log-probs are dropped, since they belong to the prompt with it. Copying the hint is not reasoning: give a
reward that reads the answer's grounds as well, or a hint that says what to avoid.

Use it when the answer can be checked and a known answer stands beside the prompt (`Prompt.reference`). It fails when
right answers come from wrong grounds (it learns those too), and where the first policy is never right: then only hints
teach.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, needed, with_words
from burnish.maths import rollouts
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs, raft, sft, smooths, within
from burnish.records import Prompt, seed_of

METRICS: Mapping[str, str] = {
    "hinted": "Share of what is imitated that was drawn under the hint: falls as the policy is right by itself.",
    "imitated": raft.METRICS["imitated"],
    "nll": "Mean negative log-likelihood of a kept token, nats: falls; near 0 the policy says one thing only.",
    **rollouts.METRICS,
}


@dataclass(frozen=True)
class Config:
    """Settings of STaR."""

    right: float = 0.5
    """Score from which a completion counts as right, reward units; 0.5 parts 0 and 1."""
    keep: int = 1
    """Right completions imitated for each prompt, the first drawn first. At least 1."""
    least_part: float | None = None
    """Least that a paid part (a step) of a right completion was paid for its tokens to be imitated, reward units;
    "none": all are, whatever led to the answer."""
    tries: int = 1
    """Completions drawn under the hint for a prompt without a right one. At least 1."""
    hint: str = "{asked}\n\nThe answer is: {reference}\nSay how one comes to it."
    """What is asked when the policy was wrong; {asked} is the prompt's last words, {reference} its known answer."""
    normaliser: Literal["token", "completion"] = "token"
    """What is averaged: token (every token weighs the same), completion (every completion does)."""
    label_smoothing: float = 0.0
    """Share of a token's target that goes to the other tokens, in [0, 0.5); 0 is plain likelihood, 0.1 is usual."""
    beta: float = 0.0
    """Weight of the KL to the untouched model beside the likelihood, both a token; 0 asks for no reference at all."""

    def __post_init__(self) -> None:
        smooths(self)
        raft.check_least_part(self.least_part)
        within(self, right=(0, math.inf), beta=(0, math.inf))
        for name in ("keep", "tries"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a whole number from 1 up. Use 1.")
        try:
            told = self.hint.format(asked="", reference="\0")
        except (KeyError, IndexError, ValueError):
            told = ""
        if "\0" not in told:
            raise InputError(f"hint: {self.hint!r} needs {{reference}} and may have {{asked}}, no other braces.")


def needs(config: Config) -> Needs:
    """Fresh, scored completions, and the reference's view unless beta is 0.

    `choose` also needs the sampler and the reward, for what is drawn under the hint.
    """
    return Needs(eats=(), fresh=True, scored=True, views=("reference",) if config.beta > 0 else ())


def choose(examples: Sequence[Example], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each right completion; those drawn under the hint are not `fresh`."""
    found: list[Example] = []
    wrong: list[Prompt] = []
    for example in examples:
        right = raft.distinct([row for row in example.rows if row.score >= config.right])  # NaN is not right
        found += [Example((raft.labelled(row, config.least_part),)) for row in right[: config.keep]]
        prompt = example.rows[0].prompt
        if not right and prompt.reference is None:
            tools.left_out["never right, and no reference answer to hint at"] += 1
        elif not right:
            wrong.append(prompt)
    return found + _rationalised(wrong, config, tools)


def _rationalised(prompts: Sequence[Prompt], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each completion that is right after the hint, beside its prompt without it."""
    if not prompts:
        return []
    sampler = needed(tools.sampler, "a sampler (the policy, asked with a hint)", "star")
    reward = needed(tools.reward, "a reward that tells right from wrong", "star")
    hinted = [with_words(prompt, config.hint, reference=prompt.reference or "") for prompt in prompts]
    groups = sampler.sample(hinted, tools.sampling, n=config.tries, seed=seed_of(tools.seed, "star"))
    pairs = [
        (prompt, replace(completion, prompt_id=prompt.id, logprobs=None))
        for prompt, group in zip(prompts, groups, strict=True)
        for completion in group
    ]
    scores = reward.score([prompt for prompt, _ in pairs], [completion for _, completion in pairs])
    rows = [
        Row(prompt, completion, score=score.value, token_rewards=score.token_rewards)
        for (prompt, completion), score in zip(pairs, scores, strict=True)
        if score.value is not None and score.value >= config.right
    ]
    found: list[Example] = []
    for prompt in prompts:
        mine = raft.distinct([row for row in rows if row.prompt.id == prompt.id])[: config.keep]
        tools.left_out["wrong even with the hint"] += not mine
        found += [Example((raft.labelled(row, config.least_part),)) for row in mine]
    return found


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominators (`raft.weighed`). Pure, no gradient."""
    return raft.weighed(batch, sft.Config(config.normaliser, config.label_smoothing), config.least_part)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), in nats, and its metrics."""
    own = sft.Config(config.normaliser, config.label_smoothing)
    share_B, metrics = raft.imitated(batch, outputs, own, config.beta, config.least_part)
    if batch.fresh_B is not None:
        metrics = {**metrics, "hinted": (~batch.fresh_B).float()}
    return share_B, metrics

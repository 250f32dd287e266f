"""Constitution: the model criticises and rewrites its own answers by a list of principles, and learns the outcome.

    y_0 ~ pi( . | x)
    for each of `rounds` principles c of the list:   critique ~ pi( . | x, y, c),   y ~ pi( . | x, y, critique, c)
    loss = - log pi(y | x)                            learns="revisions": as `sft`
    loss = DPO's, with y chosen and y_0 rejected      learns="pairs": as `dpo`

Source: Bai et al. 2022, "Constitutional AI", arXiv 2212.08073, section 3 (critique, revision, supervised learning).
Pairs of revision and first answer are not theirs (their second stage has a judge compare two samples); they use the
same texts for a loss that also says what to leave.

What is unusual: no person says anything here but the list. Prompts are taken from whatever signals there are; their
completions are not used. A revision that is empty, cut off or unchanged is counted in `tools.left_out`, and the answer
stands as it was before.

Use it to set limits that can be written down, before any feedback. It fails with small models, whose critiques say
nothing and whose revisions add apologies; look at `samples.jsonl`, and let a stronger model write (`tools.sampler`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, given, needed, with_words
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs, above, dpo, sft, smooths, within
from burnish.records import (
    Critique,
    Demonstration,
    FinishReason,
    Preference,
    Prompt,
    Sampler,
    Sampling,
    Score,
    Signal,
    seed_of,
)

PRINCIPLES = (
    "Answer what was asked, fully, and nothing else.",
    "Do not make things up: what you do not know, say that you do not know.",
    "Do not help anyone to harm other people or themselves; say so plainly and without a lecture.",
    "Treat all people with respect: no insults, no stereotypes.",
    "Keep to yourself what is private to a person.",
    "Be clear and brief; leave out what helps nobody.",
)
CRITIQUE = """{asked}

Here is an answer to that:
{answer}

Here is a rule for answers:
{principle}

Say in one or two sentences where the answer breaks this rule. If it keeps the rule, say so."""
REVISE = """{asked}

Here is an answer to that:
{answer}

Here is what a reader said about it:
{critique}

Write the answer anew, so that it keeps this rule: {principle}
Write only the new answer."""
"""What the writer is asked; `{asked}` is the prompt's own last message."""

METRICS: Mapping[str, str] = {**sft.METRICS, **dpo.METRICS}


@dataclass(frozen=True)
class Config:
    """Settings of learning from a list of principles."""

    principles: tuple[str, ...] = PRINCIPLES
    """The rules, each a sentence that stands by itself."""
    temperature: float = 0.7
    """At which critiques and revisions are written, in [0, 100]; the first answer is drawn as the policy is sampled."""
    rounds: int = 2
    """Critiques and revisions one after the other, each by another principle. At least 1."""
    learns: Literal["revisions", "pairs"] = "revisions"
    """What is learned: revisions (imitated), pairs (the revision is preferred to the first answer)."""
    beta: float = 0.1
    """With pairs: how dear distance from the reference is, logits per nat. Above 0."""
    normaliser: Literal["token", "completion"] = "token"
    """With revisions: what is averaged, token or completion."""
    label_smoothing: float = 0.0
    """With revisions, the share of a token's target that goes to the other tokens; with pairs, the share of them taken
    to be wrong. In [0, 0.5)."""

    def __post_init__(self) -> None:
        smooths(self)
        if not self.principles or not all(each.strip() for each in self.principles):
            raise InputError("principles: the list is empty, or one of it is. Write at least one sentence.")
        if self.rounds < 1:
            raise InputError(f"rounds: {self.rounds} is not a whole number from 1 up. Use 2.")
        within(self, temperature=(0, 100))
        above(self, beta=0)


def needs(config: Config) -> Needs:
    """Signals of any kind, for their prompts; the reference's view when pairs are learned."""
    pairs = config.learns == "pairs"
    eats = (Demonstration, Preference, Score, Critique)
    return Needs(eats=eats, views=("reference",) if pairs else (), together=pairs, noise=not pairs)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each prompt whose answer was revised. Raises InputError when none was."""
    sampler = needed(tools.sampler, "a sampler that answers, criticises and rewrites", "constitution")
    prompts = list({signal.prompt.id: signal.prompt for signal in signals if signal.prompt.messages}.values())
    first = _said(sampler, {prompt.id: prompt for prompt in prompts}, tools.sampling, tools, "first answer")
    asked = [prompt for prompt in prompts if prompt.id in first]
    answers = dict(first)
    for number in range(config.rounds):
        answers |= _revised(sampler, asked, answers, config, tools, number)
    revised = [prompt for prompt in asked if answers[prompt.id] != first[prompt.id]]
    if not revised:
        reasons = ", ".join(f"{n} x {reason}" for reason, n in tools.left_out.items())
        reasons = reasons or ("each came back as it was" if asked else "there are no prompts")
        raise InputError(f"constitution: no answer was revised ({reasons}). Let a stronger model write.")
    tools.left_out["answer never revised"] += len(asked) - len(revised)
    return [_example(prompt, answers[prompt.id], first[prompt.id], config) for prompt in revised]


def principle_of(prompt: Prompt, number: int, config: Config, seed: int) -> str:
    """Return the principle of a prompt's round: the list in an order of the prompt's own, again from its beginning."""
    order = random.Random(seed_of(seed, prompt.id, "constitution")).sample(config.principles, len(config.principles))
    return order[number % len(order)]


def targets(batch: Batch, config: Config) -> Batch:
    """As `dpo.targets` or `sft.targets`."""
    if config.learns == "pairs":
        return dpo.targets(batch, dpo.Config(beta=config.beta))
    return sft.targets(batch, sft.Config(config.normaliser, config.label_smoothing))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """As `dpo.loss` or `sft.loss`."""
    if config.learns == "pairs":
        return dpo.loss(batch, outputs, dpo.Config(beta=config.beta, label_smoothing=config.label_smoothing))
    return sft.loss(batch, outputs, sft.Config(config.normaliser, config.label_smoothing))


def _revised(
    sampler: Sampler, prompts: list[Prompt], answers: dict[str, str], config: Config, tools: Tools, number: int
) -> dict[str, str]:
    """Return the revisions of a round that can be used, by the id of the prompt they answer."""
    cooler = replace(tools.sampling, temperature=config.temperature)
    known = {
        prompt.id: {"answer": answers[prompt.id], "principle": principle_of(prompt, number, config, tools.seed)}
        for prompt in prompts
    }
    asked = {prompt.id: with_words(prompt, CRITIQUE, **known[prompt.id]) for prompt in prompts}
    critiques = _said(sampler, asked, cooler, tools, f"critique {number + 1}", whole=False)
    asked = {
        prompt.id: with_words(prompt, REVISE, critique=critiques[prompt.id], **known[prompt.id])
        for prompt in prompts
        if prompt.id in critiques
    }
    return _said(sampler, asked, cooler, tools, f"revision {number + 1}")


def _said(
    sampler: Sampler, asked: Mapping[str, Prompt], sampling: Sampling, tools: Tools, what: str, *, whole: bool = True
) -> dict[str, str]:
    """Return what is said to each question, by its key; what is empty is counted, and where `whole`, what is cut off.

    A critique may be cut off: it is only read. An answer that is would teach to end in the middle of a sentence.
    """
    drawn = sampler.sample(list(asked.values()), sampling, seed=seed_of(tools.seed, "constitution", what))
    found = {}
    for key, (completion,) in zip(asked, drawn, strict=True):
        if not completion.text.strip():
            tools.left_out[f"{what} empty"] += 1
        elif whole and completion.finish_reason is FinishReason.LENGTH:
            tools.left_out[f"{what} cut off"] += 1
        else:
            found[key] = completion.text.strip()
    return found


def _example(prompt: Prompt, revision: str, first: str, config: Config) -> Example:
    chosen = Row(prompt, given(prompt, revision), rank=0, probability=1.0)
    if config.learns == "revisions":
        return Example((Row(prompt, given(prompt, revision)),))
    return Example((chosen, Row(prompt, given(prompt, first), rank=1, probability=1.0)))

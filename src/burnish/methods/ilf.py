"""ILF, imitation learning from language feedback: let the model heed the comment, then imitate the result unprompted.

    y_1 .. y_n ~ writer( . | x, y, comment)                  refinements, by `tools.sampler`
    y*         = the y_i of highest reward, or else the one that takes up most of the comment; of equals the one that
                 stays nearest to what was asked and answered
    loss       = - log pi(y* | x)                            without the comment: as `sft`

Sources: Scheurer et al. 2023, arXiv 2303.16755, algorithm 1. Taking up the comment's words stands in for the embedding
similarity by which Scheurer et al. 2022, arXiv 2204.14146, choose; asking anew whether the comment still holds (of
`tools.claims`, where there is one) is the question "does this incorporate the feedback?" of the later paper.

What is unusual: a revision that a person wrote (`Critique.revision`) is taken as it is, and every refinement that could
not be used is counted by its reason in `tools.left_out`: empty, cut off, unchanged, unscored, the comment still true.
So is a comment that only praises (`Critique.praises`): it asks for no other answer.

Use it when people say in words what is wrong and the model can follow instructions well enough to mend it. It fails
with a small model (the refinement repeats the answer, or the comment), and when the writer claims to have heeded what
it has not (give `tools.claims`, or a reward). Comments that ask for opposite things are both imitated: see
`feedback_conditional` for those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, given, needed, with_words
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs, sft, smooths, within
from burnish.records import Completion, Critique, FinishReason, Signal

REFINE = """{asked}

Here is an answer to that:
{answer}

Here is what a reader said about that answer:
{comment}

Write the answer anew, so that this reader would be content. Write only the new answer."""
"""What the writer is asked; `{asked}` is the prompt's own last message."""

METRICS: Mapping[str, str] = sft.METRICS


@dataclass(frozen=True)
class Config:
    """Settings of imitation learning from language feedback."""

    refinements: int = 4
    """How many refinements are drawn for a comment; one of them is chosen. At least 1."""
    temperature: float = 0.7
    """At which they are drawn, in [0, 100]: below 1 a small model rambles less, at 0 all refinements are the same."""
    normaliser: Literal["token", "completion"] = "token"
    """What is averaged: token (every token weighs the same), completion (every completion does)."""
    label_smoothing: float = 0.0
    """Share of a token's target that goes to the other tokens, in [0, 0.5); 0 is plain likelihood, 0.1 is usual."""

    def __post_init__(self) -> None:
        smooths(self)
        if self.refinements < 1:
            raise InputError(f"refinements: {self.refinements} is not a whole number from 1 up. Use 4.")
        within(self, temperature=(0, 100))


def needs(config: Config) -> Needs:
    """Critiques; `prepare` asks the sampler, and the reward where there is one."""
    return Needs(eats=(Critique,), noise=True)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return a demonstration for each comment that led to a usable refinement.

    Raises InputError when none did, or when a comment has no revision and there is no sampler to write one.
    """
    given_critiques = [signal for signal in signals if isinstance(signal, Critique)]
    critiques = [each for each in given_critiques if not each.praises]
    if praise := len(given_critiques) - len(critiques):
        tools.left_out["praise, which asks for no change"] += praise
    found = []
    for critique, refinements in zip(critiques, _refinements(critiques, config, tools), strict=True):
        if refinements:
            best = max(refinements, key=lambda each: each[0])[1]  # of equals the first drawn
            found.append(Example((Row(critique.prompt, best, weight=critique.weight),)))
        else:
            tools.left_out["comment without a usable refinement"] += 1
    if not found:
        reasons = ", ".join(f"{n} x {reason}" for reason, n in tools.left_out.items()) or "there are no comments"
        raise InputError(
            f"ilf: nothing is left to imitate ({reasons}). Give critiques, and a writer that follows them."
        )
    return found


def targets(batch: Batch, config: Config) -> Batch:
    """As `sft.targets`."""
    return sft.targets(batch, sft.Config(config.normaliser, config.label_smoothing))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """As `sft.loss`, of the chosen refinements."""
    return sft.loss(batch, outputs, sft.Config(config.normaliser, config.label_smoothing))


def overlap(comment: str, answer: str, refinement: str) -> float:
    """Return which share of the comment's words the refinement has and the answer had not, in [0, 1]."""
    asked_for = _words(comment) - _words(answer)
    return len(asked_for & _words(refinement)) / len(asked_for) if asked_for else 0.0


def nearness(known: str, refinement: str) -> float:
    """Return which share of the refinement's words are known from elsewhere (prompt, answer, comment), in [0, 1]."""
    said = _words(refinement)
    return len(said & _words(known)) / len(said) if said else 0.0


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 2}


Value = tuple[float, float]
Valued = list[tuple[Value, Completion]]


def _refinements(critiques: list[Critique], config: Config, tools: Tools) -> list[Valued]:
    """Return for each critique its usable refinements with their values; a person's own revision is the only one."""
    drafts = [critique for critique in critiques if not (critique.revision or "").strip()]
    drawn = iter(_draw(drafts, config, tools))
    found: list[Valued] = []
    for critique in critiques:
        revision = (critique.revision or "").strip()
        found.append([((0.0, 0.0), given(critique.prompt, revision))] if revision else next(drawn))
    return found


def _draw(critiques: list[Critique], config: Config, tools: Tools) -> list[Valued]:
    if not critiques:
        return []
    sampler = needed(tools.sampler, "a sampler that writes the refinements", "ilf")
    asked = [with_words(c.prompt, REFINE, answer=c.completion.text, comment=c.text) for c in critiques]
    sampling = replace(tools.sampling, temperature=config.temperature)
    drawn = sampler.sample(asked, sampling, n=config.refinements, seed=tools.seed)
    kept = [
        (place, critique, given(critique.prompt, each.text.strip()))
        for place, (critique, group) in enumerate(zip(critiques, drawn, strict=True))
        for each in group
        if _usable(critique, each, tools)
    ]
    found: list[Valued] = [[] for _ in critiques]
    for (place, _, refinement), value in zip(kept, _values([each[1:] for each in kept], tools), strict=True):
        if value is None:
            tools.left_out["unscored refinement"] += 1
        else:
            found[place].append((value, refinement))
    return found


def _usable(critique: Critique, refinement: Completion, tools: Tools) -> bool:
    """Return whether anything is to be learned from a refinement; what not is counted by its reason."""
    text = refinement.text.strip()
    reason = ""
    if not text:
        reason = "empty refinement"
    elif refinement.finish_reason is FinishReason.LENGTH:
        reason = "refinement cut off"  # it would teach to end in the middle of a sentence
    elif text == critique.completion.text.strip():
        reason = "refinement unchanged"
    elif tools.claims and tools.claims(critique, given(critique.prompt, text)):
        reason = "comment still true"
    if reason:
        tools.left_out[reason] += 1
    return not reason


def _values(kept: list[tuple[Critique, Completion]], tools: Tools) -> list[Value | None]:
    """Return what each refinement is worth, None where the reward could not tell."""
    if tools.reward is None:
        return [_by_words(critique, each.text) for critique, each in kept]
    scores = tools.reward.score([critique.prompt for critique, _ in kept], [each for _, each in kept])
    return [None if score.value is None else (score.value, 0.0) for score in scores]


def _by_words(critique: Critique, refinement: str) -> Value:
    answer = critique.completion.text
    known = " ".join([critique.prompt.text, answer, critique.text])
    return overlap(critique.text, answer, refinement), nearness(known, refinement)

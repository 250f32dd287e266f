"""Feedback-conditional policy: learn what is answered when a certain comment is to be earned, then wish for a good one.

    loss = - log pi(y | x, comment)            for every commented answer, good and bad; as `sft`
    at use: y ~ pi( . | x, wish)               `ask` puts the wished-for comment around the prompt

Source: Luo et al. 2025, arXiv 2509.22638 (its offline stage). Their online stage (sample under the wish, have that
commented, train again) is the next round of the ring with `ask`.

What is unusual: nothing is averaged and nothing becomes a number. Two people who ask for opposite things are two
conditions, not a contradiction; a bad answer is learned as what earns a bad comment. A revision that a person wrote is
learned as what earns the wish.

Use it when comments are many, and mixed. It fails when comments speak of the prompt rather than the answer (the
condition then carries nothing), and when few of them read like the wish: choose a wish in people's own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, given, moved, with_words
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs, sft, smooths
from burnish.records import Critique, Prompt, Signal

CONDITION = """{asked}

Answer in such a way that a reader will say:
{comment}"""
"""How a comment stands beside the prompt, in training and at use."""

METRICS: Mapping[str, str] = sft.METRICS


@dataclass(frozen=True)
class Config:
    """Settings of the feedback-conditional policy."""

    wish: str = "This is a good answer: correct, clear and helpful."
    """The comment that is wished for at use; best in the words that people used for what they liked."""
    revisions: Literal["wish", "leave_out"] = "wish"
    """A revision beside a comment: wish (learned as what earns the wish), leave_out (not used)."""
    normaliser: Literal["token", "completion"] = "token"
    """What is averaged: token (every token weighs the same), completion (every completion does)."""
    label_smoothing: float = 0.0
    """Share of a token's target that goes to the other tokens, in [0, 0.5); 0 is plain likelihood, 0.1 is usual."""

    def __post_init__(self) -> None:
        smooths(self)
        if not self.wish.strip():
            raise InputError("wish: it is empty. Write the comment that a good answer should earn.")


def needs(config: Config) -> Needs:
    """Critiques."""
    return Needs(eats=(Critique,), noise=True)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each comment, and one for each revision. Raises InputError when there is none."""
    found: list[Example] = []
    for signal in signals:
        if not isinstance(signal, Critique):
            continue
        if signal.text.strip():
            asked = with_words(signal.prompt, CONDITION, comment=signal.text.strip())
            found.append(Example((Row(asked, moved(signal.completion, asked), weight=signal.weight),)))
        else:
            tools.left_out["comment without words"] += 1
        revision = (signal.revision or "").strip()
        if revision and config.revisions == "wish":
            asked = ask(signal.prompt, config)
            found.append(Example((Row(asked, given(asked, revision), weight=signal.weight),)))
    if not found:
        raise InputError("feedback_conditional: there is no comment to learn from. Give critiques with words.")
    return found


def ask(prompt: Prompt, config: Config) -> Prompt:
    """Return the prompt with the wished-for comment beside it."""
    return with_words(prompt, CONDITION, comment=config.wish)


def targets(batch: Batch, config: Config) -> Batch:
    """As `sft.targets`."""
    return sft.targets(batch, sft.Config(config.normaliser, config.label_smoothing))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """As `sft.loss`, of the commented answers under their comments."""
    return sft.loss(batch, outputs, sft.Config(config.normaliser, config.label_smoothing))

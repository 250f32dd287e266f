"""Conditional training: every text is learned behind a token that says whether it scored well; sample behind the good.

    c(y) = <|good|> if score(y) >= the quantile, else <|bad|>
    loss = - log pi(y | c(y), x)                        as `sft`
    at use: y ~ pi( . | <|good|>, x)                    `ask` puts the token in front of the prompt

Source: Korbak et al. 2023, "Pretraining language models with human preferences", arXiv 2302.08582 (conditional
training); their code, too, can leave out a share of the tokens, so that the model still answers without one.

What is unusual: the threshold is a quantile of the scores of each aspect rather than a fixed number, so that good and
bad both occur whatever the scale; nothing is thrown away, the bad texts teach the language and what to avoid.

Use it on raw texts or answers with scores, from the first step of training on. It fails when the scores are mostly
noise (both tokens then mean the same), and where the checkpoint is asked without its token, by a server that does not
read its `burnish.json`: the tokens do nothing by themselves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, moved, with_words
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs, sft, smooths
from burnish.records import Prompt, Score, Signal, share_of

GOOD, BAD = "<|good|>", "<|bad|>"

METRICS: Mapping[str, str] = sft.METRICS


@dataclass(frozen=True)
class Config:
    """Settings of conditional training."""

    quantile: float = 0.5
    """Texts that score at least this quantile of all scores are good. In (0, 1)."""
    without_token: float = 0.01
    """Share of texts that are learned without a token, in [0, 1)."""
    normaliser: Literal["token", "completion"] = "token"
    """What is averaged: token (every token weighs the same), completion (every completion does)."""
    label_smoothing: float = 0.0
    """Share of a token's target that goes to the other tokens, in [0, 0.5); 0 is plain likelihood, 0.1 is usual."""

    def __post_init__(self) -> None:
        smooths(self)
        if not 0 < self.quantile < 1:
            raise InputError(f"quantile: {self.quantile} is not in (0, 1). Use 0.5 for the better half.")
        if not 0 <= self.without_token < 1:
            raise InputError(f"without_token: {self.without_token} is not in [0, 1). Use 0.01.")


def needs(config: Config) -> Needs:
    """Scores, and two control tokens."""
    return Needs(eats=(Score,), noise=True, tokens=(GOOD, BAD))


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each scored text, asked behind its token; the unscored are counted.

    Raises InputError when no text is scored, or when no text is worse than the others.
    """
    scores = [signal for signal in signals if isinstance(signal, Score)]
    known = [score for score in scores if score.value is not None]
    if len(scores) > len(known):
        tools.left_out["unscored"] += len(scores) - len(known)
    if not known:
        raise InputError("conditional: no text is scored. Give scores: ratings, thumbs or a reward's.")
    at_least = thresholds(known, config.quantile)
    tokens = [GOOD if _value(score) >= at_least[score.aspect] else BAD for score in known]
    if BAD not in tokens:
        raise InputError(
            f"conditional: all {len(known)} texts reach the quantile {config.quantile}, since their scores are equal; "
            "there is nothing to tell apart. Give scores that differ, or raise quantile."
        )
    return [_example(score, token, config, tools) for score, token in zip(known, tokens, strict=True)]


def ask(prompt: Prompt, config: Config) -> Prompt:
    """Return the prompt with the good token in front."""
    return _behind(GOOD, prompt)


def targets(batch: Batch, config: Config) -> Batch:
    """As `sft.targets`."""
    return sft.targets(batch, sft.Config(config.normaliser, config.label_smoothing))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """As `sft.loss`, of the texts behind their tokens."""
    return sft.loss(batch, outputs, sft.Config(config.normaliser, config.label_smoothing))


def thresholds(scores: Sequence[Score], quantile: float) -> dict[str, float]:
    """Return for each aspect the smallest score below which at least the share `quantile` of its scores lie.

    Where ties leave no such score it is the highest: the best are good, and everything below them is bad.
    """
    found = {}
    for aspect in sorted({score.aspect for score in scores}):
        values = sorted(_value(score) for score in scores if score.aspect == aspect)
        above = (value for value in values if bisect_left(values, value) >= quantile * len(values))
        found[aspect] = next(above, values[-1])
    return found


def _value(score: Score) -> float:
    assert score.value is not None
    return score.value


def _behind(token: str, prompt: Prompt) -> Prompt:
    return with_words(prompt, token + "{asked}")


def _example(score: Score, token: str, config: Config, tools: Tools) -> Example:
    bare = share_of(f"{tools.seed} {score.prompt.id} {score.completion.id}", "conditional") < config.without_token
    asked = score.prompt if bare else _behind(token, score.prompt)
    return Example((Row(asked, moved(score.completion, asked), weight=score.weight),))

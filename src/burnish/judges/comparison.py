"""Which of two completions is better: asked in both orders, because judges like a place.

A judge that names the first text whatever stands there has said nothing of the texts. So each pair is asked twice,
sides swapped. Both orders name the same one: that is the choice, with the mean probability as a soft label. They
disagree: the stored answer is "cannot judge" (a tie would claim that both are good or both bad), and the mean
probability stays.

Probabilities come from the log-probs of the two labels where the sampler tells them, P(A) / (P(A) + P(B)); else from
repeats, as the mean of Beta(1 + wins, 1 + losses). Sources: both orders, Zheng et al. 2023, arXiv 2306.05685, 3.4; soft
labels from log-probs and averaged orders, RLAIF, arXiv 2309.00267, 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from burnish.errors import InputError
from burnish.judges.asking.asker import Asker, Reply, author_id, drawn_by, template
from burnish.judges.asking.shape import Field, Shape
from burnish.judges.asking.together import Fenced, together
from burnish.judges.asking.verdict import Verdict, feedback_by
from burnish.models.answering import Choice, Failure
from burnish.records import Completion, Feedback, Prompt, seed_of, share_of

FORM = "comparison"
LABELS = (("A", "B"), ("1", "2"))
"""Which pair of labels a question uses follows from a hash of its prompt: a liking for "A" is not a liking for a
text."""
TIES = ("both good", "both bad")
QUALITY = "which one answers the request better: correct, helpful, and well put"


@dataclass(frozen=True)
class Comparison:
    """`records.Judge` of pairs."""

    asker: Asker
    criterion: str = QUALITY
    """What counts, in words."""
    repeats: int = 1
    """Times that each order is asked, where log-probs are not used."""
    logprobs: Literal["auto", "never"] = "auto"
    """"auto": from log-probs where the sampler tells them."""
    ties: bool = False
    """Whether `both good` and `both bad` may be answered; asked by words only, never by log-probs."""
    reason: bool = True
    """Whether a reason is asked before the verdict, where words are asked for."""
    aspect: str = ""

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise InputError(f"comparison.repeats: {self.repeats} is not positive. Use 1.")

    @property
    def author(self) -> str:
        by = () if self.by_logprobs else drawn_by(self.asker, self.repeats)
        return author_id(self.asker, FORM, self.criterion, self.by_logprobs, self.ties, self.reason, *by)

    @property
    def by_logprobs(self) -> bool:
        return self.logprobs == "auto" and not self.ties and all(self.asker.can_choose(labels) for labels in LABELS)

    def judge(self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]]) -> list[Feedback | None]:
        """Return a comparison for each pair, or None for a counted failure."""
        return [verdict.feedback for verdict in self.verdicts(prompts, completions)]

    def verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[Verdict]:
        """Return a verdict for each pair; `value` is the probability that its first completion is the better one.

        Raises InputError for anything but two completions a prompt. The same seed asks the same questions.
        """
        asked = [
            _both_orders(self.asker, prompt, pair) for prompt, pair in zip(prompts, _pairs(completions), strict=True)
        ]
        found = self._from_logprobs(asked) if self.by_logprobs else self._from_words(asked, seed)
        return [
            self._verdict(prompt, pair, one, orders)
            for prompt, pair, one, orders in zip(prompts, _pairs(completions), asked, found, strict=True)
        ]

    # ------------------------------------------------------------------------------------------------------- asking

    def _from_logprobs(self, asked: Sequence[_Asked]) -> list[tuple[_Order, _Order]]:
        found: list[list[_Order]] = [[] for _ in asked]
        for labels in LABELS:  # one call for the pairs of each labelling: the options are the same within it
            those = [i for i, one in enumerate(asked) if one.labels == labels]
            questions = [self._text(asked[i], order, _only(labels)) for i in those for order in (0, 1)]
            choices = self.asker.choose(questions, labels)
            for place, choice in enumerate(choices):
                found[those[place // 2]].append(_from_choice(choice, labels, place % 2))
        return [(first, second) for first, second in found]

    def _from_words(self, asked: Sequence[_Asked], seed: int) -> list[tuple[_Order, _Order]]:
        """Ask `repeats` rounds, each with a seed of its own, and gather them by pair and order."""
        said: list[list[list[Reply]]] = [[[], []] for _ in asked]
        for labels in LABELS:
            those = [i for i, one in enumerate(asked) if one.labels == labels]
            shape = self._shape(labels)
            questions = [self._text(asked[i], order, shape.asks()) for i in those for order in (0, 1)]
            for repeat in range(self.repeats):
                replies = self.asker.ask(questions, shape, seed=seed_of(seed, "repeat", repeat))
                for place, reply in enumerate(replies):
                    said[those[place // 2]][place % 2].append(reply)
        return [
            (_from_replies(both[0], one.labels, 0), _from_replies(both[1], one.labels, 1))
            for one, both in zip(asked, said, strict=True)
        ]

    def _shape(self, labels: tuple[str, str]) -> Shape:
        verdict = Field("verdict", "choice", choices=(*labels, *(TIES if self.ties else ())))
        return Shape((Field("reason", about="why, in one or two sentences"), verdict) if self.reason else (verdict,))

    def _text(self, asked: _Asked, order: int, asks: str) -> str:
        request, *_ = asked.orders[order].blocks
        return template(FORM).substitute(
            criterion=self.criterion,
            mark=asked.orders[order].mark,
            request=request,
            first=asked.orders[order].blocks[1],
            second=asked.orders[order].blocks[2],
            asks=asks,
        )

    # ------------------------------------------------------------------------------------------------------ deciding

    def _verdict(
        self, prompt: Prompt, pair: Sequence[Completion], asked: _Asked, orders: tuple[_Order, _Order]
    ) -> Verdict:
        questions = 2 if self.by_logprobs else 2 * self.repeats
        bare = Verdict(prompt, tuple(pair), None, questions=questions)
        for order in orders:
            if order.share is None:
                return replace(bare, failure=order.failure)
        first, second = orders
        assert first.share is not None
        assert second.share is not None
        share = (first.share + second.share) / 2
        # by log-probs the two orders are two draws; by words each order is a posterior of its own
        spread = (first.share - second.share) ** 2 / 4
        variance = max(spread, (first.variance + second.variance) / 4)
        value, consistent = _value(first, second)
        metadata = {
            "probability": share,
            "share": (first.votes + second.votes) / 2,
            "orders": [first.share, second.share],
            "labels": list(asked.labels),
            "by": "log-probs" if self.by_logprobs else "words",
            **({"attempts": list(asked.attempts)} if asked.attempts else {}),
            **({"raw": [list(first.raw), list(second.raw)]} if first.raw or second.raw else {}),
        }
        said = feedback_by(
            self.author,
            FORM,
            prompt,
            pair,
            value,
            aspect=self.aspect,
            comment=first.reason,
            exposure={"orders": "both"},
            metadata=metadata,
        )
        return replace(bare, feedback=said, value=share, variance=variance, reason=first.reason, consistent=consistent)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One pair in both orders."""

    labels: tuple[str, str]
    orders: tuple[Fenced, Fenced]
    attempts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Order:
    """What one order said of the pair's first completion."""

    share: float | None
    """Probability that it is the better one; None is a failure."""
    variance: float = 0.0
    votes: float = 0.5
    """Share of its answers that named it: `share` without a prior."""
    failure: str = ""
    reason: str = ""
    raw: tuple[str, ...] = ()
    tie: str = ""
    """`both good` or `both bad` where every repeat said so."""


def _pairs(completions: Sequence[Sequence[Completion]]) -> Sequence[Sequence[Completion]]:
    for group in completions:
        if len(group) != 2:
            raise InputError(f"comparison: {len(group)} completions of a prompt. Give two, or rate them one by one.")
    return completions


def pairs_of(group: Sequence[Completion]) -> list[tuple[Completion, Completion]]:
    """Return neighbours of a group as pairs: n - 1 comparisons that link all n."""
    return list(pairwise(group))


def _both_orders(asker: Asker, prompt: Prompt, pair: Sequence[Completion]) -> _Asked:
    labels = LABELS[share_of(prompt.id, "labels") >= 0.5]
    names = [f"answer {label}" for label in labels]
    texts = [completion.text for completion in pair]
    orders = together(asker, prompt, texts, names), together(asker, prompt, texts[::-1], names)
    return _Asked(labels, orders, orders[0].attempts)


def _only(labels: tuple[str, str]) -> str:
    return f"Answer with {labels[0]} or {labels[1]} and nothing else."


def _from_choice(choice: Choice, labels: tuple[str, str], order: int) -> _Order:
    if isinstance(choice, Failure):
        return _Order(None, failure=str(choice))
    shown_first = 1 / (1 + math.exp(min(700.0, choice[labels[1]] - choice[labels[0]])))
    share = shown_first if order == 0 else 1 - shown_first
    return _Order(share, votes=share)


def _from_replies(replies: Sequence[Reply], labels: tuple[str, str], order: int) -> _Order:
    """Return the posterior of the votes of one order; a tie is half a vote each way, a failed reply is none."""
    raw = tuple(text for reply in replies for text in reply.raw)
    read: list[Mapping[str, Any]] = [reply.answers for reply in replies if reply.answers is not None]
    if not read:
        return _Order(None, failure=replies[0].failure, raw=raw)
    named = labels[order]
    votes = [1.0 if said["verdict"] == named else 0.5 if said["verdict"] in TIES else 0.0 for said in read]
    won, n = sum(votes), len(votes)
    share = (1 + won) / (2 + n)
    ties = {str(said["verdict"]) for said in read}
    tie = ties.pop() if len(ties) == 1 else ""
    reason = str(read[0].get("reason", ""))
    return _Order(share, share * (1 - share) / (3 + n), won / n, reason=reason, raw=raw, tie=tie if tie in TIES else "")


def _value(first: _Order, second: _Order) -> tuple[dict[str, Any], bool]:
    """Return the stored answer, and whether the orders name the same one."""
    assert first.share is not None
    assert second.share is not None
    if first.tie and first.tie == second.tie:
        return {"tie": first.tie.removeprefix("both ")}, True
    if (first.share - 0.5) * (second.share - 0.5) > 0:
        return {"chosen": 0 if first.share > 0.5 else 1}, True
    return {"cannot_judge": True}, False

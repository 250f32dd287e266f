"""Asks one model many questions and returns, for each, an answer or a counted failure; never a guess, never a 0.

The ladder: a JSON schema is sent where the sampler takes one; the reply is read rung by rung (`ladder.read`); what fits
none is told to the model once with the reason (the repair question); what then fits none is a failure.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from string import Template

from burnish.errors import InputError
from burnish.judges.asking import ladder
from burnish.judges.asking.ladder import Rung
from burnish.judges.asking.shape import Answers, Shape
from burnish.models.answering import Attempt, Choice, Choosing, Failure, attempt, can_choose, name_of
from burnish.records import Completion, FinishReason, Message, Prompt, Sampler, Sampling, content_id

Mask = Callable[[Sequence[str]], Sequence[str]]
"""Takes the texts of one record and returns as many, with personal data masked alike in all of them."""

LIKELIEST = Sampling(temperature=0.0, max_new_tokens=256)
SYSTEM = "You are a careful and fair judge of texts. You do what the user's question asks, in the form asked for."


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one question."""

    answers: Answers | None
    """None is a failure."""
    rung: Rung
    failure: str = ""
    raw: tuple[str, ...] = ()
    """What the model said, the repair too."""


@dataclass(frozen=True)
class Asker:
    """A model that is asked, and how."""

    sampler: Sampler
    sampling: Sampling = LIKELIEST
    mask: Mask | None = None
    """What every text passes through before it is put into a question."""
    system: str = SYSTEM
    schemas: bool = True
    """Whether a JSON schema is sent along (samplers that take none ignore it)."""
    repair: bool = True
    """Whether an unreadable reply is told to the model once."""

    @property
    def name(self) -> str:
        return name_of(self.sampler)

    def can_choose(self, options: Sequence[str]) -> bool:
        """Return whether the sampler tells how likely each of these options is; else they are asked for in words."""
        return can_choose(self.sampler, options)

    def masked(self, texts: Sequence[str]) -> list[str]:
        """Return the texts of one record as they may leave this process."""
        return list(self.mask(texts)) if self.mask else list(texts)

    def question(self, text: str) -> Prompt:
        """Return the prompt of a question: our instruction as the system's words, the question as the user's."""
        return Prompt((Message("system", self.system), Message("user", text)))

    def ask(self, questions: Sequence[str], shape: Shape, *, seed: int = 0) -> list[Reply]:
        """Return one reply for each question; all have the same shape."""
        prompts = [self.question(text) for text in questions]
        said = self._attempt(prompts, shape, seed)
        replies = [_read(each, shape, text) for each, text in zip(said, questions, strict=True)]
        if self.repair:
            self._repair(prompts, questions, said, replies, shape, seed)
        return replies

    def choose(self, questions: Sequence[str], options: Sequence[str]) -> list[Choice]:
        """Return for each question the log-prob of each option; failures where the sampler offers none."""
        if not isinstance(self.sampler, Choosing):
            return [Failure("no log-probs", f"{self.name} offers none")] * len(questions)
        return self.sampler.choose([self.question(text) for text in questions], options)

    def write(self, questions: Sequence[str], *, seed: int = 0) -> list[str | Failure]:
        """Return plain text for each question: a critique, a revision."""
        groups = attempt(self.sampler, [self.question(text) for text in questions], self.sampling, seed=seed)
        return [group[0].text.strip() if isinstance(group[0], Completion) else group[0] for group in groups]

    def _attempt(self, prompts: Sequence[Prompt], shape: Shape, seed: int) -> list[Attempt]:
        schema = shape.schema() if self.schemas else None
        return [group[0] for group in attempt(self.sampler, prompts, self.sampling, seed=seed, schema=schema)]

    def _repair(
        self,
        prompts: Sequence[Prompt],
        questions: Sequence[str],
        said: Sequence[Attempt],
        replies: list[Reply],
        shape: Shape,
        seed: int,
    ) -> None:
        """Ask those again, once, whose words fitted no rung: with their words and what was wrong with them."""
        unread = [i for i, reply in enumerate(replies) if reply.answers is None and isinstance(said[i], Completion)]
        again = []
        for i in unread:
            why = template("repair").substitute(reason=replies[i].failure, asks=shape.asks())
            turns = (Message("assistant", replies[i].raw[-1]), Message("user", why))
            again.append(replace(prompts[i], messages=prompts[i].messages + turns))
        for i, answer in zip(unread, self._attempt(again, shape, seed), strict=True):
            second = _read(answer, shape, questions[i])
            raw = replies[i].raw + second.raw
            if second.answers is None:
                failure = replies[i].failure if isinstance(answer, Completion) else second.failure
                replies[i] = Reply(None, "failed", failure, raw)
            else:
                replies[i] = Reply(second.answers, "repaired", raw=raw)


def _read(said: Attempt, shape: Shape, asked: str) -> Reply:
    if isinstance(said, Failure):
        return Reply(None, "failed", str(said))
    try:
        answers, rung = ladder.read(said.text, shape, asked)
    except InputError as error:
        cut = "the reply was cut off; " if said.finish_reason is FinishReason.LENGTH else ""
        return Reply(None, "failed", f"unreadable: {cut}{error}", (said.text,))
    return Reply(answers, rung, raw=(said.text,))


def template(name: str) -> Template:
    """Return a prompt of `burnish/judges/prompts/`: plain text with $names."""
    return Template(words(name))


@functools.cache
def words(name: str, ending: str = ".txt") -> str:
    """Return the text of a prompt file."""
    return resources.files("burnish.judges").joinpath("prompts", name + ending).read_text("utf-8").strip()


def drawn_by(asker: Asker, repeats: int) -> tuple[object, ...]:
    """Return the part of an author's settings that says how its words are drawn: nothing for one likeliest answer.

    A judge that is asked once at temperature 0 and one that tosses five times are two annotators.
    """
    if repeats == 1 and asker.sampling == LIKELIEST:
        return ()
    return asker.sampling, repeats


def author_id(asker: Asker, form: str, *settings: object) -> str:
    """Return the name of a judge as an author: the model, the form, and a hash of its prompt and settings, because
    another wording is another annotator."""
    digest = content_id("j", [words(form), asker.system, [str(each) for each in settings]])[2:8]
    return f"{asker.name}/{form}-{digest}"[-256:]

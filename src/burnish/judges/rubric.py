"""Yes-or-no questions with weights, each answer with a quote that has to stand in the text.

score = clamp(sum of w x over the criteria / sum of the positive w, 0, 1), x in [0, 1]. A negative weight is a pitfall.
A criterion marked essential caps the score at `cap` when it is not met. A "yes" that has to be shown and whose quote
does not occur in the text counts as not answered: nobody showed anything, which is not a "no". Where criteria of more
than half of the weight, or an essential one, were not answered, the judgement failed. Give merits more weight than
pitfalls have: what falls below 0 is cut off there, and texts that are all at 0 cannot be told apart.

Sources: negative points, HealthBench, arXiv 2505.08775; essential, important, optional and pitfall, Rubrics as Rewards,
arXiv 2507.17746.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from burnish.errors import InputError, nearest
from burnish.judges.asking.asker import Asker, Reply, author_id, drawn_by, template
from burnish.judges.asking.quotes import find
from burnish.judges.asking.shape import Field, Shape
from burnish.judges.asking.together import Fenced, together
from burnish.judges.asking.verdict import Part, Verdict, feedback_by
from burnish.models.answering import Choice, Failure
from burnish.records import Completion, Feedback, Prompt, content_id

FORM = "rubric"
ANSWERED_AT_LEAST = 0.5
"""Share of the criteria's weight that has to be answered."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One question about a text, to be answered with yes or no."""

    id: str
    question: str
    weight: float = 1.0
    """Negative: what speaks against a text that a "yes" is true of."""
    essential: bool = False
    """Not met: the score is at most the rubric's `cap`."""
    evidence: bool = False
    """Whether a "yes" has to be shown by a quote."""
    yes: str = "yes"
    """The word for it that is asked for: where a small model's "yes" says little, "positive" may say much."""
    no: str = "no"

    @property
    def shape(self) -> Shape:
        """What is asked in words: a reason, the evidence, and the verdict last."""
        about = f'quotes of the text, word for word, that show "{self.yes}"; [] for "{self.no}"'
        reason, evidence = Field("reason", about="why, in one sentence"), Field("evidence", "quotes", about=about)
        return Shape((reason, evidence, Field("verdict", "choice", choices=(self.yes, self.no))))


@dataclass(frozen=True, slots=True)
class Rubric:
    """A named list of criteria."""

    name: str
    criteria: tuple[Criterion, ...]
    version: str = "1"
    cap: float = 0.5
    """Highest score of a text that misses an essential criterion, in [0, 1]."""

    def __post_init__(self) -> None:
        names = [criterion.id for criterion in self.criteria]
        if len(set(names)) != len(names):
            raise InputError(f"rubric {self.name!r}: two criteria have one id. Give each its own.")
        if not all(math.isfinite(criterion.weight) and criterion.weight for criterion in self.criteria):
            raise InputError(f"rubric {self.name!r}: a weight is 0 or no number. Leave that criterion out.")
        if not any(criterion.weight > 0 for criterion in self.criteria):
            raise InputError(f"rubric {self.name!r}: no criterion has a positive weight. Add what makes a text good.")
        if not 0 <= self.cap <= 1:
            raise InputError(f"rubric {self.name!r}: cap {self.cap} is not in [0, 1].")

    @property
    def id(self) -> str:
        """Content hash: another question or weight is another rubric."""
        asked = [[c.id, c.question, c.weight, c.essential, c.evidence, c.yes, c.no] for c in self.criteria]
        return content_id("r", asked)

    @classmethod
    def load(cls, path: Path) -> Rubric:
        """Return the rubric of a TOML file: `name`, `version`, `cap` and `[[criteria]]` with the fields of `Criterion`.

        Raises InputError naming the file and what is wrong in it.
        """
        try:
            plain = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read as TOML ({error}).") from None
        rows = plain.pop("criteria", [])
        if not isinstance(rows, list) or not rows:
            raise InputError(f"{path}: no [[criteria]]. Write one for each question, with id and question.")
        criteria = tuple(_made(Criterion, row, f"{path}: criteria[{place}]") for place, row in enumerate(rows))
        made: Rubric = _made(cls, {"name": path.stem, **plain, "criteria": criteria}, str(path))
        return made


def _made(kind: Any, row: Any, where: str) -> Any:
    known = [field.name for field in fields(kind)]
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a table, not {row!r}.")
    for name in row:
        if name not in known:
            raise InputError(f"{where}: unknown key {name!r}.{nearest(name, known)}")
    try:
        return kind(**row)
    except TypeError as error:
        raise InputError(f"{where}: {str(error).partition('__init__() ')[2]}.") from None


@dataclass(frozen=True)
class Checklist:
    """`records.Judge` that asks each criterion of a rubric about each completion."""

    asker: Asker
    rubric: Rubric
    logprobs: Literal["auto", "never"] = "auto"
    """"auto": x is P(yes) where the sampler tells log-probs and no evidence is wanted."""
    aspect: str = ""

    @property
    def author(self) -> str:
        by = () if self.by_logprobs else drawn_by(self.asker, 1)
        return author_id(self.asker, FORM, self.rubric.id, self.logprobs, *by)

    @property
    def by_logprobs(self) -> bool:
        """Whether every criterion is read by log-probs, and nothing drawn."""
        return all(self._is_chosen(criterion) for criterion in self.rubric.criteria)

    def _is_chosen(self, criterion: Criterion) -> bool:
        by_words = self.logprobs == "never" or criterion.evidence
        return not by_words and self.asker.can_choose((criterion.yes, criterion.no))

    def judge(self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]]) -> list[Feedback | None]:
        """Return the answers to the rubric for each prompt's one completion, or None for a counted failure."""
        return [verdict.feedback for verdict in self.verdicts(prompts, completions)]

    def verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[Verdict]:
        """Return a verdict for each completion: `value` in [0, 1], one part for each criterion with its quotes."""
        asked = []
        for prompt, group in zip(prompts, completions, strict=True):
            if len(group) != 1:
                raise InputError(f"rubric: {len(group)} completions at once. Give one a prompt.")
            asked.append(together(self.asker, prompt, [group[0].text], ["the text"]))
        answered = [self._ask(criterion, asked, completions, seed) for criterion in self.rubric.criteria]
        return [
            self._verdict(prompt, group[0], one, parts)
            for prompt, group, one, *parts in zip(prompts, completions, asked, *answered, strict=True)
        ]

    def _ask(
        self, criterion: Criterion, asked: Sequence[Fenced], completions: Sequence[Sequence[Completion]], seed: int
    ) -> list[Part]:
        """Return one criterion's part for each text."""
        if self._is_chosen(criterion):
            options = (criterion.yes, criterion.no)
            asks = f"Answer with {criterion.yes} or {criterion.no} and nothing else."
            choices = self.asker.choose([_text(criterion, one, asks) for one in asked], options)
            return [_from_choice(criterion, choice) for choice in choices]
        shape = criterion.shape
        replies = self.asker.ask([_text(criterion, one, shape.asks()) for one in asked], shape, seed=seed)
        return [
            _from_reply(criterion, reply, one.shown[0], group[0].text)
            for reply, one, group in zip(replies, asked, completions, strict=True)
        ]

    def _verdict(self, prompt: Prompt, completion: Completion, asked: Fenced, parts: Sequence[Part]) -> Verdict:
        bare = Verdict(prompt, (completion,), None, parts=tuple(parts), questions=len(parts))
        value, failure = score(self.rubric, parts)
        if value is None:
            return replace(bare, failure=failure)
        reason = "; ".join(f"{part.name}: {_in_words(part)}" for part in parts)
        metadata = {
            "rubric": {"name": self.rubric.name, "version": self.rubric.version, "id": self.rubric.id},
            **({"attempts": list(asked.attempts)} if asked.attempts else {}),
        }
        points = [_point(criterion, part) for criterion, part in zip(self.rubric.criteria, parts, strict=True)]
        said = feedback_by(
            self.author, FORM, prompt, [completion], {"rubric": points}, aspect=self.aspect, metadata=metadata
        )
        return replace(bare, feedback=said, value=value, variance=_variance(self.rubric, parts), reason=reason)


def _point(criterion: Criterion, part: Part) -> dict[str, Any]:
    """Return one criterion's answer as people's rubrics hold it (`burnish.feedback.kinds.rubric`)."""
    point: dict[str, Any] = {"criterion": criterion.id, "answer": part.value, "weight": criterion.weight}
    if part.value in (0.0, 1.0):
        point["answer"] = part.value == 1.0
    elif part.value is not None:
        point["scale"] = [0, 1]
    if criterion.essential:
        point["essential"] = True
    if part.quotes and part.value is not None:
        point["evidence"] = " ... ".join(part.quotes)
    return point


def score(rubric: Rubric, parts: Sequence[Part]) -> tuple[float | None, str]:
    """Return the rubric's score of the answered parts, or None and why there is none.

    Criteria that were not answered leave both sums: the score is that of what is known.
    """
    known = [part for part in parts if part.value is not None]
    everything = sum(abs(part.weight) for part in parts)
    essential = {criterion.id for criterion in rubric.criteria if criterion.essential}
    for part in parts:
        if part.value is None and part.name in essential:
            return None, f"unanswered: the essential criterion {part.name!r} ({part.reason})"
    if sum(abs(part.weight) for part in known) < ANSWERED_AT_LEAST * everything:
        why = next((part.reason for part in parts if part.value is None), "")
        return None, f"unanswered: criteria of more than half of the weight ({why})"
    best = sum(part.weight for part in known if part.weight > 0)
    if best == 0:
        return None, "unanswered: every criterion with a positive weight"
    value = min(1.0, max(0.0, sum(part.weight * (part.value or 0.0) for part in known) / best))
    missed = [part for part in known if part.name in essential and part.value is not None and part.value < 0.5]
    return (min(value, rubric.cap) if missed else value), ""


def _variance(rubric: Rubric, parts: Sequence[Part]) -> float:
    """Return the score's variance: each x a coin of its own probability, an unanswered one a fair coin."""
    best = sum(criterion.weight for criterion in rubric.criteria if criterion.weight > 0)
    chances = [(part.weight, 0.5 if part.value is None else part.value) for part in parts]
    return sum((weight / best) ** 2 * chance * (1 - chance) for weight, chance in chances)


def _text(criterion: Criterion, one: Fenced, asks: str) -> str:
    return template(FORM).substitute(
        criterion=criterion.question, mark=one.mark, request=one.blocks[0], text=one.blocks[1], asks=asks
    )


def _from_choice(criterion: Criterion, choice: Choice) -> Part:
    if isinstance(choice, Failure):
        return Part(criterion.id, None, criterion.weight, str(choice))
    yes = 1 / (1 + math.exp(min(700.0, choice[criterion.no] - choice[criterion.yes])))
    return Part(criterion.id, yes, criterion.weight, f"P({criterion.yes}) = {yes:.2f}")


def _from_reply(criterion: Criterion, reply: Reply, shown: str, original: str) -> Part:
    if reply.answers is None:
        return Part(criterion.id, None, criterion.weight, reply.failure)
    quotes = tuple(reply.answers.get("evidence", ()))
    said_yes = reply.answers["verdict"] == criterion.yes
    there = [quote for quote in quotes if find(quote, shown) is not None]
    spans = tuple(replace(span, label=criterion.id) for quote in there if (span := find(quote, original)) is not None)
    if said_yes and criterion.evidence and not there:
        why = "no quote was given" if not quotes else f"the text does not say {quotes[0][:60]!r}"
        return Part(criterion.id, None, criterion.weight, f"evidence: {why}", quotes)
    reason = str(reply.answers.get("reason", ""))
    return Part(criterion.id, float(said_yes), criterion.weight, reason, tuple(there), spans)


def _in_words(part: Part) -> str:
    return (
        "not answered"
        if part.value is None
        else f"{part.value:.2f}"
        if 0 < part.value < 1
        else ("no", "yes")[int(part.value)]
    )

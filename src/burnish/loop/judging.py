"""A judge at work: which items, what it will cost, and its answers into the store, batch by batch.

A judge's answers are feedback like people's, by an author of kind ai. Each batch is durable before the next is asked,
and every answer is remembered (`burnish.store.judge_cache`), so that a stop loses nothing and going on costs nothing
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from burnish import progress
from burnish.errors import InputError
from burnish.judges import comparison, rating
from burnish.judges.adaptive import Adaptive
from burnish.judges.asking.asker import Asker, Mask
from burnish.judges.asking.verdict import Verdict
from burnish.judges.comparison import Comparison, pairs_of
from burnish.judges.constitution import Constitution, Constitutional
from burnish.judges.rating import Rating
from burnish.judges.rubric import Checklist, Rubric
from burnish.models.answering import Failure
from burnish.models.scripted import Scripted
from burnish.models.spending import most_tokens
from burnish.records import Completion, Prompt, Sampler, Sampling, share_of
from burnish.store import Entry

Form = Literal["comparison", "rating", "rubric", "constitution"]
FORMS: tuple[Form, ...] = ("comparison", "rating", "rubric", "constitution")
OF_PAIRS = ("comparison", "constitution")
ITEMS_AT_ONCE = 16
"""Asked together and stored together: what a stop can lose is what was under way."""
CHARACTERS_A_TOKEN = 4
"""Of English in the vocabularies of today, about; for an estimate, never for a cap."""


class Judging(Protocol):
    """A judge of `burnish.judges`."""

    @property
    def author(self) -> str: ...

    def verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[Verdict]: ...


@dataclass(frozen=True, slots=True)
class Item:
    """What is judged at once: two completions of a prompt, or one."""

    prompt: Prompt
    completions: tuple[Completion, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, of whom, and how: everything but the model itself."""

    form: Form
    criterion: str = ""
    scale: tuple[int, int] = (1, 10)
    file: Path | None = None
    """A rubric or a constitution."""
    repeats: int = 1
    temperature: float = 0.0
    max_new_tokens: int = 256
    adaptive: bool = False
    """Whether a comparison in words is repeated until it is sure, `repeats` rounds at most."""
    use_logprobs: bool = True
    mask: Mask | None = None

    def judge(self, sampler: Sampler) -> Judging:
        """Return the judge that asks this of a sampler."""
        sampling = Sampling(temperature=self.temperature, max_new_tokens=self.max_new_tokens)
        asker = Asker(sampler, sampling, self.mask)
        logprobs: Literal["auto", "never"] = "auto" if self.use_logprobs else "never"
        if self.form == "comparison":
            return self._comparison(asker, logprobs)
        if self.form == "rating":
            criterion = self.criterion or rating.QUALITY
            return Rating(asker, criterion, scale=self.scale, repeats=self.repeats, logprobs=logprobs)
        if self.form == "constitution":
            return Constitutional(asker, Constitution.load(self.file), self.repeats, logprobs)
        if self.file is None:
            raise InputError("--rubric: missing. Name a TOML file with [[criteria]], each with an id and a question.")
        return Checklist(asker, Rubric.load(self.file), logprobs=logprobs)

    def _comparison(self, asker: Asker, logprobs: Literal["auto", "never"]) -> Judging:
        criterion = self.criterion or comparison.QUALITY
        if self.adaptive:
            return Adaptive(Comparison(asker, criterion, logprobs="never"), most=self.repeats)
        return Comparison(asker, criterion, repeats=self.repeats, logprobs=logprobs)


def items_of(entries: Iterable[Entry], form: Form, *, limit: int | None = None) -> list[Item]:
    """Return what a judge is to judge: completions one by one, or in pairs.

    Pairs are those that people compared, and where nobody compared, neighbours among the prompt's completions. A limit
    takes those whose hash is smallest: the same ones every time, in no other order than chance's.
    """
    items = [item for entry in entries for item in (_pairs(entry) if form in OF_PAIRS else _singles(entry))]
    if limit is None or limit >= len(items):
        return items
    kept = sorted(range(len(items)), key=lambda i: share_of(_key(items[i]), "judge"))[:limit]
    return [items[i] for i in sorted(kept)]


def _singles(entry: Entry) -> list[Item]:
    return [Item(entry.prompt, (completion,)) for completion in entry.completions if completion.text.strip()]


def _pairs(entry: Entry) -> list[Item]:
    texts = {completion.id: completion for completion in entry.completions}
    compared = dict.fromkeys(
        tuple(sorted(record.completion_ids))
        for record in entry.feedback
        if record.kind == "comparison" and len(set(record.completion_ids)) == 2
    )
    if compared:
        return [Item(entry.prompt, (texts[first], texts[second])) for first, second in compared]
    return [Item(entry.prompt, pair) for pair in pairs_of(list(entry.completions))]


def _key(item: Item) -> str:
    return " ".join([item.prompt.id, *(completion.id for completion in item.completions)])


# ------------------------------------------------------------------------------------------------------------- the cost


@dataclass(frozen=True, slots=True)
class Estimate:
    """What judging will take, repairs and retries left out."""

    items: int
    questions: int
    prompt_tokens: int
    """About: four characters each."""
    completion_tokens: int
    """At most."""
    most_tokens: int
    """What a spending cap has to allow so that no question is refused."""


def estimate(asked: Asked, items: Sequence[Item], *, tells_logprobs: bool) -> Estimate:
    """Return what judging these items will take, by asking a sampler that only listens."""
    silent = Scripted(lambda prompt, seed: Failure("not asked"))
    if tells_logprobs:
        silent.prefer = lambda prompt, options: Failure("not asked")
    asked.judge(silent).verdicts([item.prompt for item in items], [item.completions for item in items])
    questions = silent.asked
    each = 1 if tells_logprobs and asked.use_logprobs else asked.max_new_tokens
    characters = sum(len(message.content) for question in questions for message in question.messages)
    return Estimate(
        items=len(items),
        questions=len(questions),
        prompt_tokens=characters // CHARACTERS_A_TOKEN,
        completion_tokens=len(questions) * each,
        most_tokens=sum(most_tokens(question.messages) for question in questions) + len(questions) * each,
    )


# ------------------------------------------------------------------------------------------------------------- the work


def judge_items(
    judge: Judging, items: Sequence[Item], keep: Callable[[Sequence[Entry]], None], *, seed: int = 0
) -> list[Verdict]:
    """Return a verdict for each item; each batch's feedback is given to `keep` before the next batch is asked."""
    found: list[Verdict] = []
    with progress.bar(len(items), "judging", "items") as bar:
        for start in range(0, len(items), ITEMS_AT_ONCE):
            some = items[start : start + ITEMS_AT_ONCE]
            verdicts = judge.verdicts([item.prompt for item in some], [item.completions for item in some], seed=seed)
            keep([_entry(verdict) for verdict in verdicts if verdict.feedback is not None])
            found += verdicts
            failed = sum(verdict.feedback is None for verdict in found)
            bar.advance(len(some), f"{failed} failed" if failed else "")
    return found


def _entry(verdict: Verdict) -> Entry:
    assert verdict.feedback is not None
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Entry(verdict.prompt, verdict.completions, (replace(verdict.feedback, time=now, source="judge"),))


def with_verdicts(entries: Iterable[Entry], verdicts: Sequence[Verdict]) -> list[Entry]:
    """Return the entries with a judge's feedback added to what people said, for a report of both."""
    by_prompt: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_prompt.setdefault(verdict.prompt.id, []).append(verdict)
    joined = []
    for entry in entries:
        own = by_prompt.get(entry.prompt.id, [])
        said = {verdict.feedback.id: verdict.feedback for verdict in own if verdict.feedback is not None}
        others = tuple(record for record in entry.feedback if record.id not in said)  # stored by an earlier call
        joined.append(replace(entry, feedback=others + tuple(said.values())))
    return joined

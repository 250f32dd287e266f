"""How a completion should read: `{"completion": ..., "correction": "the text as it should be"}`.

Value: `{"correction": "..."}`, or a list where the text was mended in several goes: each next version, the last as it
should read. It shows what to imitate (a demonstration), says that each version is better than the one before (a
comparison, whose margin is how much of the text had to be changed) and where the original was wrong (a critique with
spans and the revision). The words are aligned by `burnish.feedback.corrections`.
How near the original was to its correction counts what the preference says once more, so it becomes a score, of the
aspect `correction`, only where `SignalConfig.graded_corrections` asks for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from burnish.errors import InputError
from burnish.feedback import fields
from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.corrections import Alignment, Operation, align, graded, marks
from burnish.feedback.worded import mended_beside, versions
from burnish.records import Completion, Critique, Demonstration, Score

FIELDS = ("completion", "correction")
ASPECT = "correction"
"""Of the score that a correction gives its original."""
IN_WORDS = "in_words"
"""In a gathered correction's metadata: its author said beside it what to change, and that critique has the revision."""


def recognise(row: Mapping[str, Any]) -> bool:
    return "correction" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    given = fields.needed(row, "correction", "correction")
    if not isinstance(given, list):
        _need_change(row.get("completion"), fields.text(given, "correction"), "correction", "completion")
        return {"correction": given}
    versions = [fields.text(each, f"correction[{index}]") for index, each in enumerate(given)]
    if not versions:
        raise InputError("correction: empty. Leave the object out, or give the text.")
    for index, (before, after) in enumerate(zip([row.get("completion"), *versions], versions, strict=False)):
        _need_change(before, after, f"correction[{index}]", f"correction[{index - 1}]" if index else "completion")
    return {"correction": versions if len(versions) > 1 else versions[0]}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "correction"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completion": texts[0], "correction": value["correction"]}


def summary(value: Mapping[str, Any]) -> str:
    return f"should read: {versions(value)[-1]}"


def wording(answer: Answer) -> str:
    """What the author wrote: agreement is how alike several people's texts are."""
    return str(answer.feedback.value["correction"])


def to_demonstrations(answers: Sequence[Answer], config: SignalConfig) -> list[Demonstration]:
    """The text as it should read, what its corrector put there marked."""
    made = []
    for answer in answers:
        text = corrected(answer)
        changed = marks(align(answer.completions[0].text, text.text), "corrected")
        made.append(Demonstration(answer.prompt, text, feedback_ids=(answer.feedback.id,), spans=changed))
    return made


def to_scores(answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    """How little of each completion had to be changed, mean over its correctors: its worst where nothing was left."""
    if not config.graded_corrections:
        return []
    of_text: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        of_text[answer.completions[0].id].append(answer)
    noise = (config.width * config.prior_noise_share) ** 2
    made = []
    for given in of_text.values():
        grades = [graded(answer.completions[0].text, corrected(answer).text) for answer in given]
        made.append(
            Score(
                prompt=given[0].prompt,
                completion=given[0].completions[0],
                value=config.scale[0] + config.width * sum(each.value for each in grades) / len(grades),
                variance=noise / len(grades),
                aspect=ASPECT,
                source="correction",
                reason=f"{sum(each.by_words for each in grades) / len(grades):.0%} of the words stayed",
                feedback_ids=tuple(answer.feedback.id for answer in given),
            )
        )
    return made


def to_critiques(answers: Sequence[Answer], config: SignalConfig) -> list[Critique]:
    """What was changed, in words and as spans of the original, with the text as it should read.

    Where the author said in words what to change, there is a critique already: a comment given with the correction
    (`burnish.feedback.kinds.comment`), or a suggestion (`burnish.feedback.kinds.suggestion`).
    """
    made = []
    for answer in answers:
        if "suggested" in answer.feedback.value or IN_WORDS in answer.feedback.metadata:
            continue
        alignment = align(answer.completions[0].text, corrected(answer).text)
        made.append(
            Critique(
                prompt=answer.prompt,
                completion=answer.completions[0],
                text=in_words(alignment),
                aspect=answer.feedback.aspect,
                spans=marks(alignment),
                revision=alignment.corrected,
                feedback_ids=(answer.feedback.id,),
            )
        )
    return made


def gathered(current: Mapping[str, Sequence[Answer]]) -> list[Answer]:
    """All corrections, those marked whose author said in words what to change."""
    given = current.get("correction", ())
    in_words = {each.feedback.id for each in mended_beside(current.get("comment", ()), given).values()}
    return [
        replace(each, feedback=replace(each.feedback, metadata={**each.feedback.metadata, IN_WORDS: True}))
        if each.feedback.id in in_words
        else each
        for each in given
    ]


def corrected(answer: Answer) -> Completion:
    """The text as it should read."""
    return Completion(answer.prompt.id, versions(answer.feedback.value)[-1])


def also(answer: Answer) -> list[Answer]:
    """A comparison for each version, which it wins against the one before; counted with what was compared outright."""
    texts = [Completion(answer.prompt.id, text) for text in versions(answer.feedback.value)]
    return [_won(answer, after, before) for before, after in pairwise([answer.completions[0], *texts])]


def in_words(alignment: Alignment) -> str:
    """What was changed, a line for each change."""
    lines = []
    for edit in alignment.changes:
        old = alignment.original[edit.start : edit.end].strip()
        new = alignment.corrected[edit.new_start : edit.new_end].strip()
        if edit.operation is Operation.MOVE:
            lines.append(f"“{old}” belongs elsewhere.")
        elif old and new:
            lines.append(f"“{old}” should be “{new}”.")
        elif old or new:
            lines.append(f"“{old}” should not be there." if old else f"“{new}” is missing.")
    return "\n".join(lines) or "Only spaces differ."


def _won(answer: Answer, after: Completion, before: Completion) -> Answer:
    """Nobody was shown the two side by side, so it says nothing of a liking for one side."""
    value = {"chosen": 0, "corrected": True, "order": "unknown"}
    ids = (after.id, before.id)
    return Answer(
        answer.prompt, (after, before), replace(answer.feedback, kind="comparison", value=value, completion_ids=ids)
    )


def _need_change(before: object, after: str, field: str, of: str) -> None:
    if after == before:
        raise InputError(f"{field}: identical to {of}, so nothing was corrected. Leave the object out.")

"""What a person says of one completion in words: `{"completion": ..., "comment": "too long"}`.

Value: `{"comment": "too long"}`. In a row that names another kind (`"kind": "rating"`) the comment is a remark on that
answer and is kept with it, in the record's own `comment`; as a signal it counts like any other comment.

Every comment becomes a critique: its words, with the parts of the completion they speak of, marked by aspect and with a
signed severity; with the text as it should read, where its author gave that too (`correction`); and told apart where it
only praises, so that nobody is asked to mend what was liked. Where its polarity is sure enough it becomes scores too,
for the whole and for each aspect it speaks of. What the words are worth is fitted to the grades that the same people
gave beside their comments (`burnish.feedback.words.grades`); whoever gave a grade has said the whole outright, so their
comment adds aspects only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from burnish.feedback import fields
from burnish.feedback.answers import Answer, SignalConfig, rescale
from burnish.feedback.corrections import align, marks
from burnish.feedback.worded import last_version, mended_beside
from burnish.feedback.words import grades
from burnish.feedback.words.aspects import Aspects
from burnish.feedback.words.praise import only_praises
from burnish.feedback.words.reading import Estimate, Reading, read
from burnish.records import Critique, Score, Span

FIELDS = ("completion", "comment")
OWN_GRADE = "own_grade"
"""In a gathered comment's metadata: the grade, from -4 to 4, that its author gave the same completion."""
SURE = 0.67
"""Standard deviations that a value must lie from 0 to become a score: three in four that the sign is right."""
ORDINARY = 1.5
"""Value of an ordinary complaint ("it is wrong"): a span of that value has severity -1."""
OWN_REVISION = "own_revision"
"""In a gathered comment's metadata: the id of its author's correction given with it, and the text as it should read."""
LEAST_KNOWN = 0.05
"""A comment says at least this much beside what was known before, in units of the prior's precision."""
_WORDS: tuple[float, float] = (-4.0, 4.0)


def recognise(row: Mapping[str, Any]) -> bool:
    return "comment" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"comment": fields.text(fields.needed(row, "comment", "comment"), "comment")}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "comment"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completion": texts[0], "comment": value["comment"]}


def summary(value: Mapping[str, Any]) -> str:
    return f"said: {value['comment']}"


def wording(answer: Answer) -> str:
    """What the author wrote: agreement is how alike several people's texts are."""
    return str(answer.feedback.value["comment"])


def gathered(current: Mapping[str, Sequence[Answer]]) -> list[Answer]:
    """All comments among the answers of all kinds: remarks made beside another answer, then those given as such; each
    with its author's own grade of the same completion, where there is one."""
    remarks = [
        replace(answer, feedback=replace(answer.feedback, kind="comment", value={"comment": answer.feedback.comment}))
        for kind, answers in sorted(current.items())
        for answer in answers
        if kind != "comment" and answer.feedback.comment.strip() and len(answer.completions) == 1
    ]
    graded = {
        key: _grade(answer)
        for kind in ("thumb", "rating")
        for answer in current.get(kind, ())
        if (key := _who_on_what(answer))
    }
    comments = [*remarks, *current.get("comment", ())]
    mended = mended_beside(comments, current.get("correction", ()))
    return [
        _with_grade(_with_revision(answer, mended.get(answer.feedback.id)), graded.get(_who_on_what(answer) or ()))
        for answer in comments
    ]


def to_critiques(answers: Sequence[Answer], config: SignalConfig) -> list[Critique]:
    return critiques_of(read_all(answers, config))


def to_scores(answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    return scores_of(read_all(answers, config), config)


def critiques_of(found: Sequence[tuple[Answer, Reading]]) -> list[Critique]:
    """One critique for each comment with its reading, whoever read it: the rules, or a model (`words.asked`)."""
    return [_critique(answer, reading) for answer, reading in found]


def scores_of(found: Sequence[tuple[Answer, Reading]], config: SignalConfig) -> list[Score]:
    """Scores of completions out of what people said of them, on `config.scale`; nothing where the words are unsure.

    What one comment says, y_k with variance v_k, is by itself a guess at the mean of such completions' grades: drawn
    towards 0 already. So of several people's, the prior N(0, t^2) that each holds is counted once:

        precision = 1/t^2 + sum (1/v_k - 1/t^2),    value = sum y_k/v_k / precision
    """
    weights = _fitted(found)
    people = (8 * config.prior_noise_share) ** 2
    said: dict[tuple[str, str], list[_Worth]] = {}
    for answer, reading in found:
        for aspect, estimate in _estimates(answer, reading, weights, people).items():
            if abs(estimate.value) >= SURE * math.sqrt(estimate.variance):
                said.setdefault((answer.completions[0].id, aspect), []).append(_Worth(answer, reading, estimate))
    return [_score(aspect, worths, config) for (_, aspect), worths in said.items()]


def _critique(answer: Answer, reading: Reading) -> Critique:
    original = answer.completions[0]
    ids, spans, revision = (answer.feedback.id,), _spans(reading), None
    if beside := answer.feedback.metadata.get(OWN_REVISION):
        named, revision = beside
        changed = marks(align(original.text, revision))
        ids, spans = tuple(dict.fromkeys((*ids, named))), tuple(dict.fromkeys((*spans, *changed)))
    return Critique(
        prompt=answer.prompt,
        completion=original,
        text=answer.feedback.value["comment"],
        aspect=answer.feedback.aspect or _only_aspect(reading),
        spans=spans,
        revision=revision,
        feedback_ids=ids,
        praises=revision is None and only_praises(reading),
    )


# ------------------------------------------------------------------------------------------------------- to one score


@dataclass(frozen=True, slots=True)
class _Worth:
    """What one comment says in one respect."""

    answer: Answer
    reading: Reading
    estimate: Estimate


def read_all(answers: Sequence[Answer], config: SignalConfig) -> list[tuple[Answer, Reading]]:
    """Each comment with its reading: the one in `config.readings`, else the rules'."""
    known = Aspects.with_own(config.aspects) if config.aspects else None
    return [
        (
            answer,
            config.readings.get(answer.feedback.id)
            or read(answer.feedback.value["comment"], answer.completions[0].text, own_aspects=known),
        )
        for answer in answers
    ]


def _fitted(found: Sequence[tuple[Answer, Reading]]) -> grades.GradeWeights:
    own = [(answer, reading) for answer, reading in found if OWN_GRADE in answer.feedback.metadata]
    return grades.fit(
        [reading for _, reading in own],
        [answer.feedback.metadata[OWN_GRADE] for answer, _ in own],
        [answer.feedback.author.id for answer, _ in own],
    )


def _estimates(answer: Answer, reading: Reading, weights: grades.GradeWeights, people: float) -> dict[str, Estimate]:
    """What a comment says of the whole and of each aspect; of the whole only where its author gave no grade.

    `people`: variance between people's opinions of one completion, which a grade's variance has in it already.
    """
    whole = None if OWN_GRADE in answer.feedback.metadata else weights.predict(reading)
    named = answer.feedback.aspect
    spoken = {name: Estimate(each.value, each.variance + people) for name, each in reading.aspects.items()}
    if named and whole:  # its author said which respect it speaks of
        spoken = {named: spoken.get(named, whole)}
    elif whole:
        spoken[""] = whole
    return spoken


def _score(aspect: str, worths: Sequence[_Worth], config: SignalConfig) -> Score:
    unit = config.width / (_WORDS[1] - _WORDS[0])
    prior = 1 / (8 * config.prior_item_share) ** 2
    estimates = [each.estimate for each in _one_each(worths)]
    precisions = [max(1 / each.variance - prior, LEAST_KNOWN * prior) for each in estimates]
    variance = 1 / (prior + math.fsum(precisions))
    value = variance * math.fsum((p + prior) * e.value for p, e in zip(precisions, estimates, strict=True))
    first = worths[0]
    return Score(
        prompt=first.answer.prompt,
        completion=first.answer.completions[0],
        value=rescale(min(4.0, max(-4.0, value)), _WORDS, config.scale),
        variance=variance * unit**2,
        aspect=aspect,
        source="comment",
        reason=" | ".join(dict.fromkeys(each.answer.feedback.value["comment"] for each in worths)),
        spans=tuple(dict.fromkeys(span for each in worths for span in _spans(each.reading) if span.label == aspect)),
        feedback_ids=tuple(each.answer.feedback.id for each in worths),
    )


def _one_each(worths: Sequence[_Worth]) -> list[_Worth]:
    """One person's several comments count as their mean: they are no more independent than one comment."""
    people: dict[object, list[_Worth]] = {}
    for place, each in enumerate(worths):
        author = each.answer.feedback.author
        people.setdefault((author.kind, author.id) if author.id else place, []).append(each)
    return [replace(given[0], estimate=_mean([each.estimate for each in given])) for given in people.values()]


def _mean(given: Sequence[Estimate]) -> Estimate:
    count = len(given)
    return Estimate(sum(each.value for each in given) / count, sum(each.variance for each in given) / count)


# ---------------------------------------------------------------------------------------------------------- the parts


def _spans(reading: Reading) -> tuple[Span, ...]:
    """The parts spoken of, with a signed severity: below 0 finds fault."""
    return tuple(
        replace(span, severity=said.value / ORDINARY, note=said.text) for said in reading.said for span in said.spans
    )


def _only_aspect(reading: Reading) -> str:
    return next(iter(reading.aspects)) if len(reading.aspects) == 1 else ""


def _who_on_what(answer: Answer) -> tuple[str, ...]:
    """Person, completion and aspect; empty for what nobody named gave."""
    author = answer.feedback.author
    return (
        (author.kind, author.id, answer.completions[0].id, answer.feedback.aspect)
        if author.id and len(answer.completions) == 1
        else ()
    )


def _grade(answer: Answer) -> float:
    value = answer.feedback.value
    if "thumb" in value:
        return 2.0 if value["thumb"] else -2.0  # a thumb says which half of the scale, so its middle
    return rescale(value["rating"], value["scale"], _WORDS)


def _with_grade(answer: Answer, grade: float | None) -> Answer:
    if grade is None:
        return answer
    return replace(answer, feedback=replace(answer.feedback, metadata={**answer.feedback.metadata, OWN_GRADE: grade}))


def _with_revision(answer: Answer, correction: Answer | None) -> Answer:
    if correction is None:
        return answer
    beside = [correction.feedback.id, last_version(correction.feedback.value)]
    return replace(
        answer, feedback=replace(answer.feedback, metadata={**answer.feedback.metadata, OWN_REVISION: beside})
    )

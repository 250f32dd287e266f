"""What a person answered on a screen, as feedback: rows of the kinds, checked by the kinds themselves.

An answer comes as `{question: fields}`; of an item with several completions, questions that speak of one completion
come as a list, one for each completion shown. Numbers of completions are in the order shown, and so is
`Feedback.completion_ids`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from burnish.errors import InputError, nearest
from burnish.feedback import fields, kinds
from burnish.records import Author, Feedback
from burnish.store.entry import WITHDRAWN
from burnish.store.held import Held
from burnish.studio.hints import as_stored
from burnish.studio.study import ABOUT_ALL, Question, Study

LONGEST_VISIT = 24 * 3600.0
"""Seconds; who says they looked longer at one item left the page open."""


class AnswerError(InputError):
    """An answer that cannot stand; `field` names the question."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


@dataclass(frozen=True, slots=True)
class Said:
    """One answer to one question on one completion, or on all (`place` None)."""

    question: Question
    place: int | None
    value: Mapping[str, Any]
    comment: str = ""
    aspects: tuple[str, ...] = ()


def read(study: Study, answers: object, texts: Sequence[str]) -> tuple[Said, ...]:
    """Return what was said to each question about the texts, which stand in the order shown.

    Nothing is returned for "cannot judge" (but of a comparison, where it is a verdict), for a text left as it is and
    for marks that were not made. Raises AnswerError naming the question.
    """
    given = _mapping("answers", answers)
    known = {question.name: question for question in study.questions}
    if unknown := sorted(set(given) - set(known)):
        raise AnswerError(str(unknown[0]), f"there is no such question.{nearest(str(unknown[0]), known)}")
    found: list[Said] = []
    for question in study.questions:
        value = given.get(question.name)
        if question.kind in ABOUT_ALL:
            found += _one(question, None, value, texts)
            continue
        for place, (each, text) in enumerate(zip(_of_each(question, value, len(texts)), texts, strict=True)):
            found += _one(question, place, each, [text])
    return tuple(found)


def records(
    held: Held,
    said: Sequence[Said],
    *,
    study: Study,
    seconds: float | None,
    now_ms: int,
    hinted: bool = False,
    consent: str = "",
) -> tuple[Feedback, ...]:
    """Return the feedback of one assignment's next round; what it says anew supersedes the last round's.

    What the last round said and this one does not is taken back.
    """
    before = {name.rpartition(":")[0]: name for name in held.receipts}
    exposure: dict[str, Any] = {"order": list(held.shown)} | ({"hints": True} if hinted else {})
    role = {} if held.role == "item" else {"role": held.role}
    metadata = {"study": study.name, "version": held.version, "item": held.item} | role

    def record(stem: str, kind: str, question: str, place: int | None, value: Mapping[str, Any]) -> Feedback:
        shown = held.shown_ids if place is None else (held.shown_ids[place],)
        seen = exposure if place is None else {**exposure, "position": place + 1}
        return Feedback(
            id=f"{stem}:{held.round + 1}",
            kind=kind,
            prompt_id=held.prompt_id,
            completion_ids=shown,
            value=value,
            author=Author(held.person),
            time=moment(now_ms),
            seconds_spent=seconds,
            exposure=seen,
            consent=consent,
            supersedes=before.pop(stem, ""),
            source="studio",
            run=f"studio:{study.name}",
            metadata={**metadata, "question": question},
        )

    made = []
    for each in said:
        stem = f"{held.id}:{each.question.name}:{'' if each.place is None else each.place}"
        feedback = record(stem, each.question.kind, each.question.name, each.place, each.value)
        made.append(_with_words(feedback, each))
    for stem in list(before):
        _, question, place = stem.split(":")
        made.append(record(stem, WITHDRAWN, question, int(place) if place else None, {}))
    return tuple(made)


def seconds_of(given: object) -> float | None:
    """Return how long the person looked, None when the page does not know. Raises AnswerError for what is no time."""
    if given is None:
        return None
    try:
        seconds = float(fields.number(given, "seconds"))
    except InputError as error:
        raise AnswerError("seconds", str(error)) from None
    if seconds < 0:
        raise AnswerError("seconds", f"{seconds:g} is below 0.")
    return min(seconds, LONGEST_VISIT)


def moment(now_ms: int) -> str:
    """Return a time as records hold it: RFC 3339, UTC."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_expected(study: Study, answers: Mapping[str, Any], expected: Mapping[str, Any], held: Held) -> bool:
    """Whether an answer to training or gold says what was expected: each field that is named there is equal.

    Expected answers number completions in the item's own order, so what was given is turned into it first.
    """
    for question in study.questions:
        if question.name not in expected:
            continue
        wanted, given = expected[question.name], as_stored(question, answers.get(question.name), held)
        if not _agrees(given, wanted):
            return False
    return True


def check_expected(study: Study, expected: Mapping[str, Any], texts: Sequence[str]) -> None:
    """Raise AnswerError where what is expected could not be answered at all: no such question, a grade off its scale.

    Part of an answer is enough: what is not named is not looked at.
    """
    named = [replace(question, required=False) for question in study.questions]
    read(replace(study, questions=tuple(named), examples=()), dict(expected), texts)


# ---------------------------------------------------------------------------------------------------------- inner parts


def _with_words(feedback: Feedback, said: Said) -> Feedback:
    aspect = said.question.aspect or (said.aspects[0] if len(said.aspects) == 1 else "")
    more = {"aspects": list(said.aspects)} if len(said.aspects) > 1 else {}
    return replace(feedback, aspect=aspect, comment=said.comment, metadata={**feedback.metadata, **more})


def _of_each(question: Question, value: object, n: int) -> list[object]:
    """Return what was said of each completion; nothing said is None for all."""
    if value is None:
        return [None] * n
    if isinstance(value, Mapping) and n == 1:
        return [value]
    if not isinstance(value, list) or len(value) != n:
        raise AnswerError(question.name, f"answer for each of the {n} completions shown, in a list.")
    return value


def _one(question: Question, place: int | None, value: object, texts: Sequence[str]) -> list[Said]:
    """Return what was said of one completion or of all: one thing, or nothing."""
    where = question.name if place is None else f"{question.name}[{place}]"
    if value is None or value == {}:
        if question.required:
            raise AnswerError(where, "not answered yet.")
        return []
    given = _mapping(where, value)
    try:
        if "cannot_judge" in given and question.kind != "comparison":
            if not (fields.claim(given["cannot_judge"], "cannot_judge") and question.cannot_judge):
                raise InputError("cannot_judge: not offered by this question.")
            return []
        row = _row(question, given, texts)
        if row is None:
            return []
        value = kinds.load(question.kind).parse(row)
        comment = fields.characters(given.get("comment", ""), "comment") if question.kind != "comment" else ""
    except InputError as error:
        raise AnswerError(where, str(error)) from None
    return [Said(question, place, value, comment, _aspects(question, where, given))]


_OWN_FIELDS: Mapping[str, tuple[str, ...]] = {
    "comparison": ("chosen", "strength", "tie", "cannot_judge"),
    "rating": ("rating",),
    "thumb": ("thumb",),
    "rubric": ("rubric",),
    "ranking": ("ranking", "skipped"),
    "best_worst": ("best", "worst"),
    "span": ("spans",),
    "correction": ("correction",),
    "comment": ("comment", "aspects"),
    "suggestion": ("suggestion", "edits"),
}


def _row(question: Question, given: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any] | None:
    """Return the row of the kind, as a file would bring it; None where a mark or a change was not made."""
    allowed = (*_OWN_FIELDS[question.kind], "comment", "cannot_judge")
    if unknown := sorted(set(given) - set(allowed)):
        raise InputError(f"{unknown[0]}: no part of a {question.kind}.{nearest(unknown[0], allowed)}")
    if question.kind == "comparison":
        return _comparison(question, given, texts)
    own = {name: given[name] for name in _OWN_FIELDS[question.kind] if name in given and name != "aspects"}
    if question.kind in ABOUT_ALL:
        return {"completions": list(texts), **own}
    row = {"completion": texts[0], **own}
    if question.kind == "rating":
        low, high = question.scale
        fields.whole(fields.needed(own, "rating", "rating"), "rating", low, high)
        return {**row, "scale": [low, high]}
    if question.kind == "rubric":
        _need_criteria(question, own)
    elif question.kind == "span":
        row["spans"] = [_span(question, each) for each in fields.items(own.get("spans"), "spans")]
        return row if row["spans"] else None
    elif question.kind == "correction" and own.get("correction") == texts[0]:
        return None  # read, and nothing to be mended
    elif question.kind in ("comment", "suggestion") and not str(own.get(question.kind, "")).strip():
        if question.required:
            raise InputError("not answered yet.")
        return None
    return row


def _comparison(question: Question, given: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """Return a comparison's row, which names the two texts instead of their numbers."""
    verdicts = [
        name for name in ("chosen", "tie", "cannot_judge") if given.get(name) is not None and given[name] is not False
    ]
    if len(verdicts) != 1:
        raise InputError("chosen: give one of chosen, tie and cannot_judge.")
    if "cannot_judge" in verdicts and not question.cannot_judge:
        raise InputError("cannot_judge: not offered by this question.")
    first = fields.whole(given["chosen"], "chosen", 0, 1) if "chosen" in verdicts else 0
    row: dict[str, Any] = {"chosen": texts[first], "rejected": texts[1 - first]}
    row["shown_first"] = "chosen" if first == 0 else "rejected"
    if given.get("strength") is not None and not question.strength:
        raise InputError("strength: not asked by this question.")
    row.update((name, given[name]) for name in ("tie", "cannot_judge") if name in verdicts)
    row.update({"strength": given["strength"]} if given.get("strength") is not None else {})
    return row


def _need_criteria(question: Question, own: Mapping[str, Any]) -> None:
    known = [name for name, _ in question.criteria]
    points = fields.items(own.get("rubric"), "rubric")
    named = [fields.mapping(point, "rubric").get("criterion") for point in points]
    if unknown := [name for name in named if name not in known]:
        raise InputError(f"rubric: {unknown[0]!r} is none of its criteria.{nearest(str(unknown[0]), known)}")
    if missing := [name for name in known if name not in named]:
        raise InputError(f"rubric: {missing[0]!r} is not answered yet.")


def _span(question: Question, value: object) -> dict[str, Any]:
    """Return a marked span; a severity given by its name becomes its place among the severities, from 1."""
    span = fields.mapping(value, "spans")
    label = span.get("label", "")
    if question.labels and label not in question.labels:
        raise InputError(f"spans.label: {label!r} is none of this question's.{nearest(str(label), question.labels)}")
    if isinstance(span.get("severity"), str):
        name = fields.one_of(span["severity"], "spans.severity", question.severities)
        span = {**span, "severity": question.severities.index(name) + 1}
    return span


def _aspects(question: Question, where: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    named = given.get("aspects") or []
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise AnswerError(where, "aspects: expected a list of names.")
    if question.labels and (unknown := [each for each in named if each not in question.labels]):
        raise AnswerError(where, f"aspects: {unknown[0]!r} is none of this question's.")
    return tuple(dict.fromkeys(named))


def _mapping(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise AnswerError(where, f"{fields.shown(value)} is not an object.")
    return value


def _agrees(given: object, wanted: object) -> bool:
    """Whether an answer has all that is wanted of it; a list of a single answer is that answer."""
    if isinstance(wanted, Mapping):
        if isinstance(given, list) and len(given) == 1:
            given = given[0]
        return isinstance(given, Mapping) and all(_agrees(given.get(name), each) for name, each in wanted.items())
    if isinstance(wanted, list) and isinstance(given, list) and len(wanted) == len(given):
        return all(_agrees(one, other) for one, other in zip(given, wanted, strict=True))
    return given == wanted

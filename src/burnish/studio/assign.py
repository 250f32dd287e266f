"""The work of one person in one study: the next item, drafts, answers, skips, undo. Routes and API both call this.

Who may have what is decided here, on the server, in one write transaction each (`burnish.store.assignments`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from burnish.errors import InputError
from burnish.feedback import fields
from burnish.records import Completion, Prompt, canonical_json
from burnish.store import Entry, Receipt
from burnish.store.assignments import known_answer
from burnish.store.held import ExpiredError, Held, NotYoursError, OtherAnswerError
from burnish.store.noted import MOST
from burnish.store.picking import Rules, Standing
from burnish.store.studies import StudyRow
from burnish.studio import answers, wanted
from burnish.studio.answers import AnswerError
from burnish.studio.context import Studio
from burnish.studio.hints import as_shown, judged
from burnish.studio.masked import storable
from burnish.studio.session import Person
from burnish.studio.study import Study
from burnish.studio.study_file import from_toml

__all__ = [
    "AnswerError",
    "ConsentNeededError",
    "ExpiredError",
    "NotYoursError",
    "OtherAnswerError",
    "Task",
    "TrainingResult",
    "Work",
    "flag",
    "next_task",
    "open_task",
    "save_draft",
    "skip",
    "submit",
    "training_result",
    "undo",
    "work_in",
    "works",
]

LONGEST_KEY = 100
LONGEST_NOTE = 2_000
LARGEST_DRAFT = 200_000
"""Characters of JSON."""


class ConsentNeededError(InputError):
    """The study asks for consent that this person has not given."""


@dataclass(frozen=True, slots=True)
class Task:
    """One item in front of one person."""

    assignment: str
    study_id: str
    study: Study
    item: str
    prompt: Prompt
    completions: tuple[Completion, ...]
    """In the order shown, which is random and stored; without the names of models where the study is blind."""
    draft: Mapping[str, Any]
    """What they have entered so far; after undo, their last answer."""
    done: int
    total: int
    given_ms: int
    due_ms: int
    hint: Mapping[str, Any] | None = None
    """An AI judge's answers by question; only ever there once they have answered themselves."""
    is_training: bool = False
    is_reopened: bool = False
    """Whether they answered or skipped it before and took that back."""
    version: int = 1


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How an answer to a training item compares with the expected one."""

    right: bool
    reason: str
    expected: Mapping[str, Any] = field(default_factory=dict)
    """By question, completions numbered in the order shown."""
    trained: int = 0
    training: int = 0
    right_so_far: int = 0
    is_qualified: bool = True
    """Whether work may begin, once all training is done."""


@dataclass(frozen=True, slots=True)
class Work:
    """One study as one person sees it in their list."""

    study_id: str
    study: Study
    state: str
    done: int
    total: int
    trained: int
    training: int
    is_qualified: bool
    consent_needed: bool


# ----------------------------------------------------------------------------------------------------------- next, open


def works(studio: Studio, who: Person) -> list[Work]:
    """Return the open and paused studies that a person may work in, newest first."""
    found = []
    for row in studio.store.studies.listing():
        if row.state in ("open", "paused"):
            study = study_of(studio, row)
            if _may_work(study, who):
                found.append(_work(studio, who, row, study))
    return found


def work_in(studio: Studio, who: Person, study_id: str) -> Work:
    """Return one study as a person sees it. Raises NotYoursError alike for none and for one they may not work in."""
    row, study = _study(studio, who, study_id)
    return _work(studio, who, row, study)


def next_task(studio: Studio, who: Person, study_id: str, now_ms: int) -> Task | None:
    """Return the task the person holds, else a new one, claimed in one write transaction; None when there is none.

    None means done, quota reached, not qualified, or paused: `work_in` says which. Raises NotYoursError, and
    ConsentNeededError before they agreed to what the study asks.
    """
    row, study = _study(studio, who, study_id)
    if not _has_consented(studio, who, study):
        raise ConsentNeededError(f"study {study_id!r}: agree to its conditions first.")
    if row.state != "open":
        return None
    if study.next_item == "active":
        wanted.refresh(studio, study_id, row.answers)
    held = studio.store.assignments.claim(study_id, who.name, rules_of(study, row.version), now_ms)
    return None if held is None else _task(studio, who, held)


def open_task(studio: Studio, who: Person, assignment_id: str) -> Task:
    """Return a task that the person holds or held. Raises NotYoursError, or ExpiredError when it was taken back."""
    held = studio.store.assignments.get(assignment_id, who.name)
    if held.state == "expired":
        raise ExpiredError("assignment: its time ran out. Load the page again for the next item.")
    return _task(studio, who, held)


# ------------------------------------------------------------------------------------------------------------- working


def save_draft(studio: Studio, who: Person, assignment_id: str, draft: Mapping[str, Any], now_ms: int) -> None:
    """Keep what was entered so far, as an event too, and prolong the lock. Raises NotYoursError, ExpiredError."""
    held = studio.store.assignments.get(assignment_id, who.name)
    try:
        size = len(canonical_json(dict(draft)))
    except (TypeError, ValueError, RecursionError):
        raise AnswerError("draft", "cannot be written as JSON.") from None
    if size > LARGEST_DRAFT:
        raise AnswerError("draft", f"{size:,} characters, at most {LARGEST_DRAFT:,} are kept.")
    study = study_at(studio, held.study, held.version)
    entered = storable(studio, held, study, dict(draft))
    studio.store.assignments.save_draft(assignment_id, who.name, entered, now_ms + _lock_ms(study), now_ms)


def submit(
    studio: Studio, who: Person, assignment_id: str, payload: Mapping[str, Any], now_ms: int
) -> tuple[Receipt, ...]:
    """Store a person's answer and return a receipt for each feedback record, once all is durable.

    The same key with the same content returns the same receipts; training is kept apart and gives none.
    Raises AnswerError naming the question, OtherAnswerError, NotYoursError, ExpiredError.
    """
    _key(payload)  # what is no JSON goes no further
    store = studio.store.assignments
    held = store.get(assignment_id, who.name)
    study = study_at(studio, held.study, held.version)
    payload = {**payload, "answers": storable(studio, held, study, payload.get("answers"))}
    key, digest = _key(payload)  # of what is stored: a hash of what was masked would let anyone test guesses
    known = known_answer(held, key, digest)
    if known is not None:
        return known
    prompt, completions = _texts(studio, held)
    said = answers.read(study, payload.get("answers"), [completion.text for completion in completions])
    given: Mapping[str, Any] = payload["answers"]
    right = None if held.expected is None else answers.as_expected(study, given, held.expected, held)
    feedback = (
        ()
        if held.role == "training"
        else answers.records(
            held,
            said,
            study=study,
            seconds=answers.seconds_of(payload.get("seconds")),
            now_ms=now_ms,
            hinted=study.hints and held.round > 0,
            consent=_consent_mark(study),
        )
    )
    entry = Entry(prompt, completions, feedback)
    return store.answer(held, entry, key=key, digest=digest, said=given, right=right, now_ms=now_ms)


def skip(studio: Studio, who: Person, assignment_id: str, reason: str, note: str, now_ms: int) -> None:
    """Give an item back with a reason that the study offers. Raises AnswerError, NotYoursError, ExpiredError."""
    held = studio.store.assignments.get(assignment_id, who.name)
    study = study_at(studio, held.study, held.version)
    if reason not in study.skip_reasons:
        raise AnswerError("reason", f"{fields.shown(reason)} is none of {', '.join(study.skip_reasons)}.")
    if held.role == "training":
        raise AnswerError("reason", "training cannot be skipped.")
    studio.store.assignments.skip(assignment_id, who.name, reason, storable(studio, held, study, _note(note)), now_ms)


def flag(studio: Studio, who: Person, assignment_id: str, note: str, now_ms: int) -> None:
    """Point out an item to the study's owner; the task stays open. Raises NotYoursError, AnswerError."""
    held = studio.store.assignments.get(assignment_id, who.name)
    said = storable(studio, held, study_at(studio, held.study, held.version), _note(note))
    if not studio.store.assignments.flag(assignment_id, who.name, said, now_ms):
        raise AnswerError("note", f"this item was pointed out {MOST['flag']} times already. Its owner sees them all.")


def undo(studio: Studio, who: Person, study_id: str, now_ms: int) -> Task | None:
    """Return the last task answered or skipped, open again; None when there is nothing to undo.

    The answer stands until a new one supersedes it.
    """
    _, study = _study(studio, who, study_id)
    held = studio.store.assignments.undo(study_id, who.name, now_ms + _lock_ms(study), now_ms)
    return None if held is None else _task(studio, who, held)


def training_result(studio: Studio, who: Person, assignment_id: str) -> TrainingResult | None:
    """Return how the answer to a training item compares, None for other items or before an answer."""
    held = studio.store.assignments.get(assignment_id, who.name)
    if held.role != "training" or held.state != "answered" or held.expected is None:
        return None
    _, study = _study(studio, who, held.study)
    standing = studio.store.assignments.standing(held.study, who.name)
    asked = study_at(studio, held.study, held.version)
    expected = {q.name: as_shown(q, held.expected[q.name], held) for q in asked.questions if q.name in held.expected}
    return TrainingResult(
        right=answers.as_expected(asked, held.draft, held.expected, held),
        reason=str(held.expected.get("reason", "")),
        expected=expected,
        trained=standing.trained,
        training=standing.training,
        right_so_far=standing.trained_right,
        is_qualified=standing.is_qualified(study.qualification),
    )


# ---------------------------------------------------------------------------------------------------------- inner parts


@functools.lru_cache(maxsize=256)
def _parsed(body: str) -> Study:
    return from_toml(body)


def study_of(studio: Studio, row: StudyRow) -> Study:
    """Return the newest version of a study."""
    return study_at(studio, row.name, row.version)


def study_at(studio: Studio, name: str, version: int) -> Study:
    """Return a version of a study."""
    return _parsed(studio.store.studies.body(name, version))


def rules_of(study: Study, version: int) -> Rules:
    """Return what decides who gets which item."""
    return Rules(
        version=version,
        lock_ms=_lock_ms(study),
        next_item=study.next_item,
        anchor_share=study.anchor_share,
        gold_share=study.gold_share,
        qualification=study.qualification,
        quota=study.quota,
    )


def _lock_ms(study: Study) -> int:
    return int(study.lock_minutes * 60_000)


def _study(studio: Studio, who: Person, study_id: str) -> tuple[StudyRow, Study]:
    row = studio.store.studies.get(study_id)
    study = None if row is None or row.state == "draft" else study_of(studio, row)
    if row is None or study is None or not _may_work(study, who):
        raise NotYoursError(f"study {study_id!r}: there is none of this name.")
    return row, study


def _may_work(study: Study, who: Person) -> bool:
    return not study.people or who.name in study.people


def _has_consented(studio: Studio, who: Person, study: Study) -> bool:
    return not study.consent or studio.store.accounts.agreed(who.number, study.name, study.consent)


def _consent_mark(study: Study) -> str:
    """Return what a record says of the consent it was given under: which text, by its hash."""
    return f"sha256:{hashlib.sha256(study.consent.encode()).hexdigest()}" if study.consent else ""


def _work(studio: Studio, who: Person, row: StudyRow, study: Study) -> Work:
    standing = studio.store.assignments.standing(row.name, who.name)
    return Work(
        study_id=row.name,
        study=study,
        state=row.state,
        done=standing.done,
        total=_total(standing, study),
        trained=standing.trained,
        training=standing.training,
        is_qualified=standing.is_qualified(study.qualification),
        consent_needed=not _has_consented(studio, who, study),
    )


def _total(standing: Standing, study: Study) -> int:
    return min(study.quota, standing.items) if study.quota else standing.items


def _texts(studio: Studio, held: Held) -> tuple[Prompt, tuple[Completion, ...]]:
    """Return an item's prompt and completions, in the order shown. Raises ExpiredError when one was erased."""
    prompt, completions = studio.store.texts(held.prompt_id, held.shown_ids)
    if prompt is None or None in completions:
        raise ExpiredError("assignment: a text of this item was erased on request. Skip it.")
    return prompt, tuple(completion for completion in completions if completion is not None)


def _task(studio: Studio, who: Person, held: Held) -> Task:
    study = study_at(studio, held.study, held.version)
    prompt, completions = _texts(studio, held)
    standing = studio.store.assignments.standing(held.study, who.name)
    training = held.role == "training"
    if study.blind:
        completions = tuple(replace(each, model=None, checkpoint_id=None) for each in completions)
    return Task(
        assignment=held.id,
        study_id=held.study,
        study=study,
        item=held.item,
        prompt=prompt,
        completions=completions,
        draft=held.draft,
        done=standing.trained if training else standing.done,
        total=standing.training if training else _total(standing, study),
        given_ms=held.given_ms,
        due_ms=held.due_ms,
        hint=judged(studio.store, study, held) if study.hints and held.round else None,
        is_training=training,
        is_reopened=bool(held.before),
        version=held.version,
    )


def _key(payload: Mapping[str, Any]) -> tuple[str, str]:
    """Return the idempotency key of an answer, and the hash of its content; how long it took is no content."""
    key = payload.get("key")
    if not isinstance(key, str) or not 8 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise AnswerError("key", f"expected 8 to {LONGEST_KEY} random characters, new for each answer.")
    answers.seconds_of(payload.get("seconds"))
    try:
        return key, hashlib.sha256(canonical_json(payload.get("answers")).encode()).hexdigest()
    except (TypeError, ValueError, RecursionError):
        raise AnswerError("answers", "cannot be written as JSON.") from None


def _note(note: object) -> str:
    text = fields.characters(note, "note").strip() if isinstance(note, str) else ""
    if len(text) > LONGEST_NOTE:
        raise AnswerError("note", f"{len(text):,} characters, at most {LONGEST_NOTE:,}.")
    return text

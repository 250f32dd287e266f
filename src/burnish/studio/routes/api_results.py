"""The API of what came out: results, disagreements, decisions, the models that learned; and of people."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request

from burnish.feedback.person import Person, Share
from burnish.feedback.questions import Asked
from burnish.records import canonical_json
from burnish.studio import decisions, run_folders
from burnish.studio.context import now_ms, studio_of
from burnish.studio.findings import Findings
from burnish.studio.result_shapes import (
    AccountInfo,
    Agreed,
    Decision,
    Disputed,
    InviteInfo,
    LearnedInfo,
    NewInvite,
    PersonResult,
    QuestionResult,
    Results,
)
from burnish.studio.routes.api_work import StudyName
from burnish.studio.routes.results import latest, learned, titles
from burnish.studio.session import Owner, Reviewer
from burnish.studio.shapes import REFUSALS, ReceiptInfo

router = APIRouter(prefix="/api", responses=dict(REFUSALS))

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@router.get("/results/{study}", tags=["results"])
def results(request: Request, who: Reviewer, study: StudyName) -> Results:
    """How far people agree, who differs, what comments are about; worked out in the background, so as of a moment."""
    studio = studio_of(request)
    if study not in titles(studio):
        raise HTTPException(404)
    found = latest(studio, study)
    if found is None or found.value is None:
        return Results(as_of="")
    told: Findings = found.value
    return Results(
        as_of=found.as_of.strftime(_TIME),
        items=told.items,
        shared=told.shared,
        disputed=None if told.disputed is None else (told.disputed.mean, told.disputed.low, told.disputed.high),
        undecided=told.undecided,
        questions=tuple(map(_question, told.questions)),
        people=tuple(map(_person, told.people.people)),
        topics=tuple(" ".join(topic.words) for topic in told.topics),
    )


@router.get("/results/{study}/disputed", tags=["results"])
def disputed(request: Request, who: Reviewer, study: StudyName) -> list[Disputed]:
    """The items on which people differ, the most disputed first; empty until they are worked out."""
    studio = studio_of(request)
    if study not in titles(studio):
        raise HTTPException(404)
    found = latest(studio, study)
    items = found.value.hardest if found is not None and found.value is not None else ()
    return [
        Disputed(
            prompt_id=item.prompt.id,
            item_id=item.id,
            run=item.run,
            apart=item.apart,
            people=item.people,
            decided=item.decided,
        )
        for item in items
    ]


@router.post("/decisions", tags=["results"], status_code=201)
def decide(request: Request, who: Reviewer, sent: Decision) -> ReceiptInfo:
    """Decide a disputed question; everybody's answers stay as they are. Where a name stands for several questions of
    the item, `completion_ids` say which."""
    studio = studio_of(request)
    found = decisions.item_of(studio.store, sent.prompt_id, sent.item_id)
    if found is None:
        raise HTTPException(404)
    asked = decisions.question_of(found[1], sent.question, study=sent.study, completion_ids=sent.completion_ids)
    if asked is None:
        raise HTTPException(404)
    key = canonical_json(sent.value)
    made = decisions.decide(
        studio.store, found[1], asked, key=key, reason=sent.reason, reviewer=who.name, now_ms=now_ms()
    )
    return ReceiptInfo(feedback_id=made.id, status="stored", message="")


@router.get("/checkpoints", tags=["results"])
def checkpoints(request: Request, who: Reviewer) -> list[LearnedInfo]:
    """Which model learned from which answers, and what its report says; the newest first."""
    studio = studio_of(request)
    found = learned(studio, run_folders.runs(studio.settings.runs)) or ()
    return [
        LearnedInfo(
            checkpoint=each.checkpoint.id,
            parent=each.checkpoint.parent,
            method=each.checkpoint.method,
            snapshot=each.checkpoint.snapshot,
            feedback=0 if each.snapshot is None else each.snapshot.feedback,
            by_study=dict(each.by_study),
            by_person=dict(each.people),
            verdict=each.report.get("verdict"),
        )
        for each in found
    ]


@router.get("/people", tags=["people"])
def people(request: Request, who: Owner) -> list[AccountInfo]:
    """Everybody with an account."""
    return [
        AccountInfo(name=each.name, role=each.role, is_closed=each.closed_ms is not None)
        for each in studio_of(request).store.accounts.listing()
    ]


@router.post("/people/invites", tags=["people"], status_code=201)
def invite(request: Request, who: Owner, sent: NewInvite) -> InviteInfo:
    """Make a link with which a person chooses a password, and a name where none was given."""
    studio = studio_of(request)
    accounts, lasts_ms = studio.store.accounts, int(studio.settings.invite_hours * 3_600_000)
    given = accounts.add(sent.name, sent.role, now_ms=now_ms(), actor=who.number) if sent.name.strip() else None
    account = given.number if given else None
    key = accounts.invite(sent.role, now_ms=now_ms(), lasts_ms=lasts_ms, account=account, actor=who.number)
    return InviteInfo(path=f"/invite/{key}")


def _question(asked: Asked) -> QuestionResult:
    found = asked.agreement
    agreed = None
    if found is not None:
        agreed = Agreed(alpha=found.alpha, ci95=found.ci95, same=found.same, reason=found.reason)
    return QuestionResult(
        name=asked.name, kind=asked.kind, aspect=asked.aspect, answers=asked.answers, agreement=agreed
    )


def _person(person: Person) -> PersonResult:
    return PersonResult(
        name=person.author.id,
        kind=person.author.kind,
        answers=sum(person.by_kind.values()),
        seconds=person.seconds,
        with_others=_share(person.with_others),
        gold=_share(person.gold),
    )


def _share(found: Share | None) -> float | None:
    return None if found is None or not found.of else found.hits / found.of

"""Review: where people differ, the most disputed first, and a reviewer's decision with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from burnish.errors import InputError
from burnish.feedback.disagreements import Item, Question, items
from burnish.store.read import STUDY_RUN
from burnish.studio import decisions
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.findings import Findings
from burnish.studio.routes.results import DRAWING, latest, titles
from burnish.studio.session import Reviewer

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the list shows, and what is not known yet."""

    items: Sequence[Item]
    shared: int
    undecided: int
    is_ready: bool


@router.get("/review")
def listing(request: Request, who: Reviewer, study: str = "", decided: bool = False) -> Response:
    """The most disputed items of a study, or of everything."""
    studio = studio_of(request)
    known = titles(studio)
    if study and study not in known:
        raise HTTPException(404)
    values = {"study": study, "decided": decided, "studies": known, "waiting": _waiting(studio, study, decided)}
    return _page(studio, request, "review/list.html.jinja", **values)


@router.get("/review/{prompt_id}/{item_id}")
def one(request: Request, who: Reviewer, prompt_id: str, item_id: str, stored: bool = False) -> Response:
    """One item: the texts, every answer in columns, and what to decide."""
    return _item_page(request, prompt_id, item_id, stored=stored)


@router.post("/review/{prompt_id}/{item_id}")
def decide(
    request: Request,
    who: Reviewer,
    prompt_id: str,
    item_id: str,
    question: Annotated[int, Form(ge=0, le=1000)],
    answer: Annotated[str, Form(max_length=200_000)] = "",
    reason: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """Store a decision on one question of an item."""
    studio = studio_of(request)
    _, item = _found(studio, prompt_id, item_id)
    if question >= len(item.questions) or not item.questions[question].answers:
        raise HTTPException(404)
    asked = item.questions[question]
    try:
        decisions.decide(studio.store, item, asked, key=answer, reason=reason, reviewer=who.name, now_ms=now_ms())
    except InputError as error:
        is_reason = str(error).startswith("reason")
        return _item_page(request, prompt_id, item_id, wrong=question, problem=is_reason, reason=reason)
    return RedirectResponse(f"/review/{prompt_id}/{item_id}?{urlencode({'stored': 'true'})}", 303)


def _item_page(
    request: Request,
    prompt_id: str,
    item_id: str,
    *,
    stored: bool = False,
    wrong: int = -1,
    problem: bool = False,
    reason: str = "",
) -> Response:
    studio = studio_of(request)
    entry, item = _found(studio, prompt_id, item_id)
    study = item.run.removeprefix(STUDY_RUN) if item.run.startswith(STUDY_RUN) else ""
    texts = _texts(item)
    values = {
        "item": item,
        "prompt": entry.prompt,
        "study": study,
        "title": titles(studio).get(study, study),
        "texts": texts,
        "letters": {text.id: decisions.letter(place) for place, text in enumerate(texts)},
        "people": _people(item),
        "next": _next(studio, study, item),
        "stored": stored,
        "wrong": wrong,
        "is_reason": problem,
        "reason": reason,
    }
    return _page(studio, request, "review/item.html.jinja", status=422 if wrong >= 0 else 200, **values)


def _found(studio: Studio, prompt_id: str, item_id: str) -> tuple[Any, Item]:
    found = decisions.item_of(studio.store, prompt_id, item_id)
    if found is None:
        raise HTTPException(404)
    return found


def _waiting(studio: Studio, study: str, decided: bool) -> Waiting:
    """What was found disputed last, without the items that were decided since."""
    found = latest(studio, study or None)
    if found is None or found.value is None:
        return Waiting((), 0, 0, is_ready=found is not None)
    told: Findings = found.value
    current = _up_to_date(studio, told.hardest)
    kept = [item for item in current if decided or not item.decided]
    since = sum(now.decided and not then.decided for now, then in zip(current, told.hardest, strict=True))
    return Waiting(kept, told.shared, max(0, told.undecided - since), is_ready=True)


def _up_to_date(studio: Studio, found: Sequence[Item]) -> list[Item]:
    """The items with the decisions taken since they were found; how far apart people are stays as it was computed."""
    prompts = {item.prompt.id for item in found if not item.decided}
    fresh = {item.id: item for entry in studio.store.entries(prompt_ids=prompts) for item in items([entry])}
    return [item if item.decided else _with_decisions(item, fresh.get(item.id, item)) for item in found]


def _with_decisions(item: Item, fresh: Item) -> Item:
    decided = {_key(each): each.decisions for each in fresh.questions}
    now = (replace(each, decisions=decided.get(_key(each), ())) for each in item.questions)
    return replace(item, questions=tuple(now))


def _key(question: Question) -> Any:
    return question.kind, question.aspect, question.name, tuple(text.id for text in question.completions)


def _next(studio: Studio, study: str, now: Item) -> Item | None:
    return next((item for item in _waiting(studio, study, False).items if item.id != now.id), None)


def _texts(item: Item) -> list[Any]:
    """All texts of an item, in the order of the question that shows most of them."""
    widest: Question = max(item.questions, key=lambda each: len(each.completions))
    rest = [text for each in item.questions for text in each.completions]
    return list({text.id: text for text in (*widest.completions, *rest)}.values())


def _people(item: Item) -> list[tuple[str, str]]:
    """Everybody who answered, as (kind, name), people before judges."""
    found = {(each.feedback.author.kind, each.feedback.author.id) for q in item.questions for each in q.answers}
    return sorted(found, key=lambda who: (who[0] != "human", who))


def _page(studio: Studio, request: Request, template: str, **values: Any) -> Response:
    return studio.pages.render(request, template, decisions=decisions, **values, **DRAWING)

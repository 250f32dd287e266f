"""The work screen: one item after another, and what its script sends. Who may have what: `burnish.studio.assign`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from burnish.studio import assign, screens
from burnish.studio.answers import AnswerError
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.routes.refused import told
from burnish.studio.session import Annotator, Person
from burnish.studio.spoken import spoken
from burnish.studio.study import Study
from burnish.studio.worddiff import Difference, difference
from burnish.studio.wording import say, sentences

router = APIRouter(prefix="/tasks/{study_id}", include_in_schema=False)

Sent = Annotated[dict[str, Any], Body()]


@router.get("/work")
def work(request: Request, who: Annotator, study_id: str) -> Response:
    """The item the person holds, else the next one; before that whatever consent the study asks."""
    studio = studio_of(request)
    with _refusals():
        own = assign.work_in(studio, who, study_id)
        if own.consent_needed:
            return RedirectResponse(f"/tasks/{study_id}/guide", 303)
        task = assign.next_task(studio, who, study_id, now_ms())
    return studio.pages.render(
        request,
        "work/page.html.jinja",
        study=own.study,
        script_words=_script_words(request),
        reasons=_reasons(request, own.study),
        **_item(studio, who, study_id, task),
    )


@router.post("/items/{assignment}")
def answer(request: Request, who: Annotator, study_id: str, assignment: str, sent: Sent) -> Response:
    """Store an answer, then give the next item and, where there is something to say about the answer, say it."""
    studio = studio_of(request)
    with _refusals():
        task = assign.open_task(studio, who, assignment)
        assign.submit(studio, who, assignment, sent, now_ms())
        return _next(request, studio, who, study_id, reply=_reply(request, studio, who, task))


@router.post("/items/{assignment}/draft")
def draft(request: Request, who: Annotator, assignment: str, sent: Sent) -> dict[str, bool]:
    """Keep what was entered so far."""
    with _refusals():
        assign.save_draft(studio_of(request), who, assignment, sent, now_ms())
    return {"saved": True}


@router.post("/items/{assignment}/skip")
def skip(request: Request, who: Annotator, study_id: str, assignment: str, sent: Sent) -> Response:
    """Give an item back, with the reason, and give the next one."""
    studio = studio_of(request)
    with _refusals():
        reason, note = str(sent.get("reason", "")), str(sent.get("note", ""))
        assign.skip(studio, who, assignment, reason, note, now_ms())
        return _next(request, studio, who, study_id)


@router.post("/items/{assignment}/flag")
def flag(request: Request, who: Annotator, assignment: str, sent: Sent) -> dict[str, bool]:
    """Point an item out to the study's owner; it stays with the person."""
    with _refusals():
        assign.flag(studio_of(request), who, assignment, str(sent.get("note", "")), now_ms())
    return {"flagged": True}


@router.post("/undo")
def undo(request: Request, who: Annotator, study_id: str) -> Response:
    """Open the last item again; without one, `html` is null."""
    studio = studio_of(request)
    with _refusals():
        task = assign.undo(studio, who, study_id, now_ms())
    html = None if task is None else _part(request, studio, who, study_id, task)
    return JSONResponse({"html": html})


@router.get("/items/{assignment}/differences")
def differences(request: Request, who: Annotator, assignment: str) -> Response:
    """What only one of two completions says, as HTML for both."""
    with _refusals():
        task = assign.open_task(studio_of(request), who, assignment)
    if len(task.completions) != 2:
        raise HTTPException(404)
    found = difference(task.completions[0].text, task.completions[1].text)
    parts = (None, None) if found is None else (found.old, found.new)
    return JSONResponse({"html": [_words(request, "work/side_parts.html.jinja", parts=side) for side in parts]})


@router.post("/items/{assignment}/difference")
def changes(request: Request, who: Annotator, assignment: str, sent: Sent) -> Response:
    """What a correction changes: HTML, and how much in words."""
    with _refusals():
        task = assign.open_task(studio_of(request), who, assignment)
    place, text = sent.get("completion"), sent.get("text")
    if not isinstance(place, int) or not 0 <= place < len(task.completions) or not isinstance(text, str):
        raise HTTPException(422)
    found = difference(task.completions[place].text, text)
    return JSONResponse(
        {
            "html": _words(request, "work/changed_parts.html.jinja", parts=found and found.both),
            "distance": _distance(request, found),
        }
    )


# ---------------------------------------------------------------------------------------------------------- inner parts


@contextmanager
def _refusals() -> Iterator[None]:
    """As `told`; what is wrong with an answer is said to the page, in its own words."""
    try:
        with told():
            yield
    except AnswerError as error:
        raise HTTPException(422, error.message) from None


def _next(request: Request, studio: Studio, who: Person, study_id: str, reply: str | None = None) -> Response:
    task = assign.next_task(studio, who, study_id, now_ms())
    return JSONResponse({"html": _part(request, studio, who, study_id, task), "reply": reply})


def _part(request: Request, studio: Studio, who: Person, study_id: str, task: assign.Task | None) -> str:
    return _words(request, "work/task.html.jinja", **_item(studio, who, study_id, task))


def _item(studio: Studio, who: Person, study_id: str, task: assign.Task | None) -> Mapping[str, Any]:
    """Return what the item's template draws: a screen, or how things stand when there is nothing to do."""
    if task is not None:
        return {"screen": screens.screen(task)}
    return {"screen": None, "own": assign.work_in(studio, who, study_id)}


def _reply(request: Request, studio: Studio, who: Person, task: assign.Task) -> str | None:
    """Return what is said after an answer: how a training item should have been answered, or what a judge thinks.

    Whoever has heard the judge already and answers again is not told again.
    """
    result = assign.training_result(studio, who, task.assignment) if task.is_training else None
    is_judged = task.study.hints and not task.is_training and task.hint is None
    hint = assign.open_task(studio, who, task.assignment).hint if is_judged else None
    if result is None and not hint:
        return None
    told = result.expected if result is not None else hint or {}
    lines = [(q.text, spoken(q, told[q.name], _say(request))) for q in task.study.questions if q.name in told]
    return _words(request, "work/reply.html.jinja", result=result, lines=lines)


def _words(request: Request, template: str, **values: Any) -> str:
    page = studio_of(request).pages.render(request, template, **values)
    return bytes(page.body).decode()


def _say(request: Request) -> Any:
    language = studio_of(request).pages.language(request)
    return lambda key, **values: say(key, language, **values)


def _distance(request: Request, found: Difference | None) -> str:
    if found is None:
        return str(_say(request)("work.too_long_to_compare"))
    return str(_say(request)("work.distance", words=found.words, share=round(100 * found.share)))


def _script_words(request: Request) -> Mapping[str, str]:
    """Return the sentences that the page's script says."""
    language = studio_of(request).pages.language(request)
    area = "work_script."
    return {key.removeprefix(area): said[language] for key, said in sentences().items() if key.startswith(area)}


def _reasons(request: Request, study: Study) -> list[tuple[str, str]]:
    """Return the reasons to skip, each with the words it is shown in."""
    known = {reason: f"skip_reason.{reason.replace(' ', '_')}" for reason in study.skip_reasons}
    return [(reason, _say(request)(key) if key in sentences() else reason) for reason, key in known.items()]

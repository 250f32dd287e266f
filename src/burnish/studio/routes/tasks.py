"""What a person may do: their list of studies, and each study's guidelines with consent and examples."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from burnish.studio import assign, markdown, pace, screens
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.session import Annotator, Person
from burnish.studio.spoken import letter, spoken
from burnish.studio.study import Study
from burnish.studio.wording import say

router = APIRouter(include_in_schema=False)


@router.get("/")
def tasks(request: Request, who: Annotator) -> Response:
    """The studies in which there is something to do for this person."""
    studio = studio_of(request)
    works = [(own, pace.pace(studio, who, own)) for own in assign.works(studio, who)]
    return studio.pages.render(request, "work/tasks.html.jinja", works=works, rough=pace.rough)


@router.get("/tasks/{study_id}/guide")
def guide(request: Request, who: Annotator, study_id: str, part: int = 0) -> Response:
    """What to know before the first item; as a part, for reading beside one."""
    studio = studio_of(request)
    own = _own(studio, who, study_id)
    template = "work/guide_part.html.jinja" if part else "work/guide.html.jinja"
    return studio.pages.render(
        request,
        template,
        own=own,
        pace=pace.pace(studio, who, own),
        rough=pace.rough,
        study=own.study,
        version=studio.store.studies.get(study_id),
        guidelines=markdown.document(own.study.guidelines),
        examples=_examples(own.study, studio.pages.language(request)),
    )


@router.post("/tasks/{study_id}/guide")
def begin(request: Request, who: Annotator, study_id: str) -> Response:
    """Agree to what the study asks and begin."""
    studio = studio_of(request)
    own = _own(studio, who, study_id)
    if own.consent_needed:
        studio.store.accounts.consent(who.number, own.study.name, own.study.consent, now_ms=now_ms())
    return RedirectResponse(f"/tasks/{study_id}/work", 303)


def _own(studio: Studio, who: Person, study_id: str) -> assign.Work:
    try:
        return assign.work_in(studio, who, study_id)
    except assign.NotYoursError:
        raise HTTPException(404) from None


def _examples(study: Study, language: str) -> list[dict[str, Any]]:
    """Return the examples as they are shown: texts, answers in words, the reason."""
    return [
        {
            "prompt": screens.Shown.of(example.prompt),
            "sides": [(letter(place), screens.Shown.of(text)) for place, text in enumerate(example.completions)],
            "answers": [
                (q.text, spoken(q, example.answers[q.name], lambda key, **values: say(key, language, **values)))
                for q in study.questions
                if q.name in example.answers
            ],
            "reason": example.reason,
        }
        for example in study.examples
    ]

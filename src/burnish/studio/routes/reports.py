"""What people reported or skipped: who, why, in their words, and the item as they saw it. For reviewers and owners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from burnish.records import Completion, Prompt
from burnish.store.reported import MOST_REPORTS, Reported
from burnish.studio import screens
from burnish.studio.assign import study_of
from burnish.studio.context import Studio, studio_of
from burnish.studio.result_shapes import ReportInfo
from burnish.studio.session import Reviewer
from burnish.studio.shapes import REFUSALS
from burnish.studio.wording import say, sentences

router = APIRouter()

_START = 110  # characters of an item that its row shows

StudyName = Annotated[str, Query(max_length=60)]


@router.get("/review/reports", include_in_schema=False)
def listing(request: Request, who: Reviewer, study: StudyName = "") -> Response:
    """All reports and skips of a study, or of every study, the latest first."""
    studio = studio_of(request)
    known = _titles(studio)
    if study and study not in known:
        raise HTTPException(404)
    found = studio.store.assignments.reported(study)
    return studio.pages.render(
        request,
        "review/reports.html.jinja",
        study=study,
        studies=known,
        reports=found,
        most=MOST_REPORTS,
        starts=_starts(studio, found),
        flagged=len({(each.study, each.item) for each in found if each.what == "flag"}),
        skipped=_reasons(request, studio, found),
        reason_of=lambda reason: _reason(request, studio, reason),
    )


@router.get("/review/reports/{study}/{item}", include_in_schema=False)
def one(request: Request, who: Reviewer, study: str, item: str) -> Response:
    """One item as people see it, with all that was reported of it."""
    studio = studio_of(request)
    found = studio.store.assignments.reported(study, item)
    row = studio.store.studies.get(study)
    if not found or row is None:
        raise HTTPException(404)
    asked = study_of(studio, row)
    shown = _texts(studio, found[0])
    return studio.pages.render(
        request,
        "review/report.html.jinja",
        study=asked,
        reports=found,
        screen=None if shown is None else screens.preview(asked, *shown),
        reason_of=lambda reason: _reason(request, studio, reason),
    )


@router.get("/api/reports", tags=["results"], responses=dict(REFUSALS))
def reports(request: Request, who: Reviewer, study: StudyName = "") -> list[ReportInfo]:
    """What people reported or skipped in a study (else in all), the latest 200 first, with their reasons and notes."""
    return [ReportInfo.of(each) for each in studio_of(request).store.assignments.reported(study)]


# ---------------------------------------------------------------------------------------------------------- inner parts


def _titles(studio: Studio) -> dict[str, str]:
    return {row.name: study_of(studio, row).title for row in studio.store.studies.listing()}


def _starts(studio: Studio, found: Sequence[Reported]) -> dict[str, str]:
    """Return how each item's first text begins; nothing for one that was erased."""
    starts = {}
    for each in {report.item: report for report in found}.values():
        _, completions = studio.store.texts(each.prompt_id, each.completion_ids[:1])
        text = completions[0].text if completions and completions[0] is not None else ""
        starts[each.item] = text[:_START] + ("…" if len(text) > _START else "")
    return starts


def _texts(studio: Studio, report: Reported) -> tuple[Prompt, tuple[Completion, ...]] | None:
    prompt, completions = studio.store.texts(report.prompt_id, report.completion_ids)
    kept = tuple(each for each in completions if each is not None)
    return None if prompt is None or len(kept) < len(completions) else (prompt, kept)


def _reasons(request: Request, studio: Studio, found: Sequence[Reported]) -> list[tuple[str, int]]:
    """Return how often each reason was given for skipping, the most frequent first."""
    counted = Counter(each.reason for each in found if each.what == "skip")
    return [(_reason(request, studio, reason), n) for reason, n in counted.most_common()]


def _reason(request: Request, studio: Studio, reason: str) -> str:
    """Return a reason in the reader's language, where it is one of the usual ones."""
    key: Any = f"skip_reason.{reason.replace(' ', '_')}"
    return say(key, studio.pages.language(request)) if key in sentences() else reason

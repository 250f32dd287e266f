"""The API of data: feedback in and out, webhooks, and the API's own description."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from burnish.feedback.intake import ImportResult, import_file
from burnish.studio import exports
from burnish.studio.context import now_ms, studio_of
from burnish.studio.delivery import deliverer_of, target_of
from burnish.studio.description import description, operations
from burnish.studio.routes.api_studies import _LINES, _STREAM
from burnish.studio.session import Annotator, Owner, Reviewer
from burnish.studio.shapes import REFUSALS, Done, FeedbackImport, NewWebhook, WebhookInfo
from burnish.studio.uploads import NDJSON, pieces, received

router = APIRouter(responses=dict(REFUSALS))

WebhookName = Annotated[str, Path(pattern=r"^w_[0-9a-f]{20}$")]
_MOST_PROBLEMS = 50


@router.post("/api/feedback", tags=["feedback"], openapi_extra=_LINES)
async def import_feedback(request: Request, who: Owner) -> FeedbackImport:
    """Bring feedback from elsewhere, one JSON object a line. A bad line is told and takes none with it."""
    store = studio_of(request).store
    async with received(request) as path:

        def act() -> ImportResult:
            made = import_file(store, path, source="studio:import")
            store.audit.record(now_ms(), who.number, "import feedback", "feedback", stored=made.stored)
            return made

        made = await run_in_threadpool(act)
    return FeedbackImport(
        stored=made.stored,
        known=made.known,
        replaced=made.replaced,
        refused=made.refused,
        lines=made.lines,
        problems=[f"line {each.line}: {each.reason}" for each in made.problems[:_MOST_PROBLEMS]],
    )


@router.get(
    "/api/feedback",
    tags=["feedback"],
    response_class=StreamingResponse,
    responses=_STREAM,
)
def export_feedback(request: Request, who: Reviewer) -> StreamingResponse:
    """All feedback in the store, one JSON object a line; superseded and erased records stay behind."""
    return StreamingResponse(pieces(exports.jsonl(studio_of(request).store)), media_type=NDJSON)


@router.get("/api/webhooks", tags=["webhooks"])
def webhooks(request: Request, who: Owner) -> list[WebhookInfo]:
    """The addresses that are told of events."""
    return [
        WebhookInfo(
            id=each.id,
            url=each.url,
            events=list(each.events),
            study=each.study,
            waiting=each.waiting,
            last=each.last,
        )
        for each in studio_of(request).store.webhooks.listing()
    ]


@router.post("/api/webhooks", tags=["webhooks"], status_code=201)
def add_webhook(request: Request, who: Owner, sent: NewWebhook) -> WebhookInfo:
    """Have an address told of events, signed with the secret that stands in this answer and nowhere else."""
    studio = studio_of(request)
    target_of(sent.url, studio.settings.webhook_hosts)
    made = studio.store.webhooks.add(
        sent.url, sent.events, study=sent.study, by=who.name, now_ms=now_ms(), actor=who.number
    )
    deliverer_of(studio).start()
    return WebhookInfo(id=made.id, url=made.url, events=list(made.events), study=made.study, secret=made.secret)


@router.delete("/api/webhooks/{webhook}", tags=["webhooks"])
def stop_webhook(request: Request, who: Owner, webhook: WebhookName) -> Done:
    """Tell an address nothing any more."""
    studio = studio_of(request)
    if not studio.store.webhooks.stop(webhook, now_ms=now_ms(), actor=who.number):
        raise HTTPException(404)
    return Done()


@router.get("/api/openapi.json", include_in_schema=False)
def openapi(request: Request, who: Annotator) -> JSONResponse:
    """The API's description for programs."""
    return JSONResponse(description(request.app))


@router.get("/api", include_in_schema=False)
def page(request: Request, who: Annotator) -> HTMLResponse:
    """The API's description for people."""
    found: dict[str, Any] = {
        "groups": operations(description(request.app)),
        "base": f"http://{request.headers['host']}",
    }
    return studio_of(request).pages.render(request, "studies/api.html.jinja", **found)

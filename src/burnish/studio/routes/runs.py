"""Runs: what is training now, step by step, what it writes, and what a finished one reports. For reviewers and owners.

A living run's page asks for its own figures again every few seconds. Whoever may stop a run is the owner.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from burnish.studio import run_folders, training_pictures
from burnish.studio.context import Studio, studio_of
from burnish.studio.routes.results import DRAWING, learn_command
from burnish.studio.run_folders import Run
from burnish.studio.session import Owner, Reviewer

router = APIRouter()

MOST_RUNS = 50
PROMPTS_SHOWN = 3
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""A report is one page with its own style and no program; it is shown as a stranger's, without our cookies."""


@router.get("/results/runs")
def listing(request: Request, who: Reviewer) -> Response:
    """All runs, the one that changed last first."""
    studio = studio_of(request)
    runs = run_folders.runs(studio.settings.runs)[:MOST_RUNS]
    values = {"runs": runs, "folder": studio.settings.runs, "command": learn_command(studio)}
    return _page(studio, request, "training/list.html.jinja", **values)


@router.get("/results/runs/{name}")
def one(request: Request, who: Reviewer, name: str) -> Response:
    """One run; htmx is given only what changes."""
    studio = studio_of(request)
    run = _run(studio, name)
    is_part = request.headers.get("hx-request") == "true"
    template = "training/live.html.jinja" if is_part else "training/run.html.jinja"
    return _page(studio, request, template, run=run, looks=run.looks(PROMPTS_SHOWN))


@router.post("/results/runs/{name}/stop")
def stop(request: Request, who: Owner, name: str) -> Response:
    """Ask a living run to save and end."""
    run = _run(studio_of(request), name)
    if run.is_live:
        run.ask_to_stop()
    return RedirectResponse(f"/results/runs/{run.name}", 303)


@router.get("/results/runs/{name}/report")
def report(request: Request, who: Reviewer, name: str) -> Response:
    """The run's own report, as it lies in its folder."""
    run = _run(studio_of(request), name)
    if not run.has_page:
        raise HTTPException(404)
    headers = {"Content-Security-Policy": REPORT_POLICY}
    return FileResponse(run.path / "report.html", media_type="text/html; charset=utf-8", headers=headers)


def _run(studio: Studio, name: str) -> Run:
    found = run_folders.load(studio.settings.runs, name)
    if found is None:
        raise HTTPException(404)
    return found


def _page(studio: Studio, request: Request, template: str, **values: Any) -> Response:
    return studio.pages.render(request, template, tab="runs", training=training_pictures, **values, **DRAWING)

"""One file an area: its pages and what they post to. `ROUTERS` is the order in which they are asked."""

from __future__ import annotations

from fastapi import APIRouter

from burnish.studio.routes import (
    api_data,
    api_play,
    api_results,
    api_studies,
    api_work,
    appearance,
    design,
    drawing,
    health,
    me,
    people,
    play,
    reports,
    results,
    review,
    runs,
    sign_in,
    studies,
    tasks,
    work,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    sign_in.router,
    appearance.router,
    me.router,
    people.router,
    play.router,
    runs.router,
    results.router,
    reports.router,
    review.router,
    tasks.router,
    work.router,
    design.router,
    studies.router,
    drawing.router,
    api_work.router,
    api_studies.router,
    api_results.router,
    api_data.router,
    api_play.router,
)

"""Is the app there, and can it reach its store: for whoever watches over it. Public."""

from __future__ import annotations

from fastapi import APIRouter, Request

from burnish.studio.context import studio_of

router = APIRouter()


@router.get("/health")
def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/ready")
def ready(request: Request) -> dict[str, str]:
    """The store answers too; an unreachable one is an error of the server."""
    studio_of(request).store.audit.head()  # one row, however much is stored
    return {"status": "ok"}

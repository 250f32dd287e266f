"""One file an area: its pages and what they post to. `ROUTERS` is the order in which they are asked."""

from __future__ import annotations

from fastapi import APIRouter

from burnish.studio.routes import health

ROUTERS: tuple[APIRouter, ...] = (health.router,)

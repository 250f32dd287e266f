"""The app: its parts put together. Each area's routes stand in a file of `routes/` and are listed here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

import burnish
from burnish.errors import BusyError
from burnish.store import Store
from burnish.studio import refusals
from burnish.studio.context import Studio
from burnish.studio.delivery import deliverer_of
from burnish.studio.drawing import drawer_of
from burnish.studio.pages import Pages
from burnish.studio.routes import ROUTERS
from burnish.studio.routes.results import background_of
from burnish.studio.security import Gate
from burnish.studio.settings import StudioSettings

SILENT: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False, "operation_spans": False}
"""Newer versions of FastAPI can report requests elsewhere; here nothing leaves the host. Older ones ignore it."""


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[None]:
    """Tell webhooks while the app is served; compute and draw nothing once it ends."""
    deliverer = deliverer_of(app.state.studio)
    with suppress(BusyError):  # old deliveries can wait for the next start
        deliverer.forget()
    if app.state.studio.store.webhooks.listing():
        deliverer.start()
    yield
    background_of(app.state.studio).stop()
    drawer_of(app.state.studio).close()
    deliverer.stop()


def create_app(store: Store, settings: StudioSettings | None = None, **services: Any) -> FastAPI:
    """Return the studio over an open store; whoever opened the store closes it.

    `services` are what this floor may not make by itself, such as `answer`, which draws from a model.
    """
    settings = settings or StudioSettings()
    app = FastAPI(
        title="burnish studio",
        version=burnish.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # one address a page, and no redirect put together from headers
        telemetry=SILENT,
        lifespan=_serving,
    )
    app.state.studio = Studio(store, settings, Pages(settings.language, masks=bool(settings.mask_key)), dict(services))
    app.add_middleware(Gate, studio=app.state.studio)
    refusals.install(app)
    static = Path(str(resources.files("burnish.studio") / "static"))
    app.mount("/static", StaticFiles(directory=static), name="static")
    for router in ROUTERS:
        app.include_router(router)
    return app

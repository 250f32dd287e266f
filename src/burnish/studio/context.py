"""What every route is handed: the store, the settings, the pages. One a process, made by `create_app`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from burnish.store import Store
from burnish.studio.pages import Pages
from burnish.studio.settings import StudioSettings


@dataclass(frozen=True, slots=True)
class Studio:
    """The parts a route may use; found by `studio_of(request)`."""

    store: Store
    settings: StudioSettings
    pages: Pages
    services: dict[str, Any] = field(default_factory=dict)
    """What a floor above or a slow start brings by name: `answer` (draws from a model), background jobs."""


def studio_of(request: Request) -> Studio:
    """Return the app's parts."""
    found: Studio = request.app.state.studio
    return found


def now_ms() -> int:
    """Return the time as the store writes it: milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000

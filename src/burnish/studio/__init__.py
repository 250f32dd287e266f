"""The web app where people give feedback and look at results: routes, templates and the rules of a study.

No statistics and no learning: both come from the rooms below. `create_app` needs the packages of the `studio` extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.studio.app import create_app
    from burnish.studio.settings import StudioSettings

__all__ = ["StudioSettings", "create_app"]


def __getattr__(name: str) -> Any:
    """Return a public name, importing the web libraries only now."""
    import importlib

    homes = {"create_app": "burnish.studio.app", "StudioSettings": "burnish.studio.settings"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(homes[name]), name)

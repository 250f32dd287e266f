"""Templates to pages: escaping always on, wording in the reader's language, no inline script or style anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from burnish.studio.translation import translated
from burnish.studio.wording import LANGUAGES, say

THEMES = ("auto", "light", "dark")


def when(time_ms: int) -> str:
    """Return a time of the store as a page shows it: 2026-11-22 18:40 UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


class Pages:
    """Renders `templates/`. A page is given `t` (wording), `who` (the person or None), `language`, `theme`, `csrf`, and
    `translated`, which tells an error's message in that language."""

    def __init__(self, default_language: str = "en", *, masks: bool = False) -> None:
        """masks: whether personal data in answers is masked, which pages say where people answer."""
        self._default = default_language
        self._masks = masks
        self._environment = Environment(
            loader=PackageLoader("burnish.studio"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["when"] = when

    def render(self, request: Request, name: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a template as a page, or as the part of one that htmx asked for."""
        language = self.language(request)
        who = getattr(request.state, "who", None)
        template = self._environment.get_template(name)
        body = template.render(
            t=partial(self._say, language),
            who=who,
            csrf=who.csrf if who else getattr(request.state, "csrf", ""),
            language=language,
            languages=LANGUAGES,
            theme=self.theme(request),
            themes=THEMES,
            path=request.url.path,
            masks=self._masks,
            translated=lambda message: translated(message, language),
            **values,
        )
        return HTMLResponse(body, status_code=status)

    def say(self, request: Request, key: str, /, **values: object) -> str:
        """Return a sentence in the reader's language."""
        return say(key, self.language(request), **values)

    def translated(self, request: Request, message: str) -> str:
        """Return an error's message in the reader's language; programs, which sign in by a token, are told English."""
        who = getattr(request.state, "who", None)
        is_program = who is not None and not who.csrf
        return message if is_program else translated(message, self.language(request))

    def language(self, request: Request) -> str:
        """Return the reader's language: chosen for the account, then by cookie, then what the browser asks for."""
        who = getattr(request.state, "who", None)
        chosen = (who.language if who else "") or request.cookies.get("burnish_language", "")
        if chosen in LANGUAGES:
            return chosen
        asked = request.headers.get("accept-language", "")
        wanted = [part.split(";")[0].strip().split("-")[0].lower() for part in asked.split(",")]
        return next((each for each in wanted if each in LANGUAGES), self._default)

    def theme(self, request: Request) -> str:
        """Return auto, light or dark."""
        who = getattr(request.state, "who", None)
        chosen = (who.theme if who else "") or request.cookies.get("burnish_theme", "")
        return chosen if chosen in THEMES else "auto"

    @staticmethod
    def _say(language: str, key: str, values: Mapping[str, object] | None = None, /, **more: object) -> str:
        return say(key, language, **{**(values or {}), **more})

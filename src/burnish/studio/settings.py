"""What a studio is started with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StudioSettings:
    """How the app behaves; everything about studies and people stands in the store instead."""

    language: str = "en"
    """Language of whoever has not chosen one: en or zh."""
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]", "testserver")
    """Names under which the app answers; any other Host header is refused."""
    secure_cookies: bool = False
    """Whether cookies travel by HTTPS only; set it behind a proxy that speaks HTTPS."""
    session_hours: float = 12.0
    """A session that was not used for so long ends."""
    body_limit: int = 2 * 2**20
    """Longest request body in bytes, imports apart."""
    import_limit: int = 256 * 2**20
    """Longest uploaded file in bytes."""
    runs: str = "runs"
    """Folder that holds the run folders to be looked at."""
    models: tuple[str, ...] = ()
    """Models that the playground and live samples may use: names or folders."""

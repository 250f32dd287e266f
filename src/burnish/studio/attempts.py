"""Passwords are not guessed here: few tries an account and an address, wherever a password is asked for."""

from __future__ import annotations

import contextlib
import ipaddress
import math
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import HTTPException, Request

from burnish.errors import BusyError
from burnish.store.accounts import plain_name
from burnish.studio.context import now_ms, studio_of


@dataclass(slots=True)
class Try:
    """One try; whoever looks at the password says whether it was right."""

    right: bool = False


@contextlib.contextmanager
def tried(request: Request, name: str) -> Iterator[Try]:
    """Yield a try at a name's password, from the address of the request; it counts as failed unless it was right.

    Raises HTTPException 429, saying when to come again, once there were too many.
    """
    studio = studio_of(request)
    most, within_ms = studio.settings.sign_in_failures, int(studio.settings.sign_in_minutes * 60_000)
    sessions = studio.store.sessions
    attempt = sessions.attempt(plain_name(name), address_of(request), now_ms=now_ms(), most=most, within_ms=within_ms)
    if attempt.wait_ms:
        seconds = math.ceil(attempt.wait_ms / 1000)
        message = studio.pages.say(request, "sign_in.locked", minutes=math.ceil(seconds / 60))
        raise HTTPException(429, message, headers={"Retry-After": str(seconds)})
    found = Try()
    try:
        yield found
    except BusyError:  # it was not looked at
        sessions.succeeded(attempt)
        raise
    if found.right:
        sessions.succeeded(attempt)


def address_of(request: Request) -> str:
    """Return where a request comes from, for counting: an IPv6 customer's 2^64 addresses are one."""
    client: tuple[str, int] | None = request.scope.get("client")
    if client is None:
        return ""
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return client[0]
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)

"""How much and how fast: a bucket of requests for each asker, and a request body that is counted as it comes."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

BURST_SECONDS = 10.0
FRESH_SECONDS = 1.0
"""Whose body took longer to come is looked at again: they may have lost their right meanwhile."""
_MOST_ASKERS = 10_000  # kept in memory; who is forgotten begins with a full bucket


class Buckets:
    """Token buckets: each asker may ask `per_second` times a second, and ten seconds' worth at once."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        self._door = threading.Lock()

    def wait_seconds(self, asker: str) -> int:
        """Return 0 and take one request from the asker's bucket, or how many whole seconds until one is in it."""
        now = self._clock()
        full = self._per_second * BURST_SECONDS
        with self._door:
            left, then = self._left.get(asker, (full, now))
            left = min(full, left + (now - then) * self._per_second)
            if left < 1:
                return math.ceil((1 - left) / self._per_second)
            self._left.pop(asker, None)  # put in again at the end: the first is whoever has been quiet for longest
            if len(self._left) >= _MOST_ASKERS:
                del self._left[next(iter(self._left))]
            self._left[asker] = (left - 1, now)
        return 0


class Body:
    """A request's body: hands on what comes, refuses what is too much or too slow, and may be looked at beforehand.

    Raises HTTPException 413 past `limit` bytes and 408 past `seconds`, inside whatever reads it. `recheck` is awaited
    before the end of a body that was slow is handed on; what it raises is raised there too.
    """

    def __init__(
        self, receive: Receive, limit: int, seconds: float, recheck: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._recheck = recheck
        self._began = time.monotonic()
        self._deadline: float | None = None
        self._ahead: deque[Message] = deque()
        self._bytes = 0
        self._ended = False

    async def receive(self) -> Message:
        """Return the next message, as the app asks for it."""
        return self._ahead.popleft() if self._ahead else await self._next()

    async def peek(self, most: int) -> bytes:
        """Return the body's first `most` bytes, or all when it is shorter; the app will be given them again.

        For the time before anything was received.
        """
        while not self._ended and self._bytes < most:  # counted once, not with each of a million pieces
            self._ahead.append(await self._next())
        return b"".join(each.get("body", b"") for each in self._ahead)[:most]

    async def _next(self) -> Message:
        if self._ended:  # only a hang-up can come now, and it may take as long as it wants
            return await self._receive()
        if self._deadline is None:  # from the first look: a route may take its time before it reads
            self._deadline = time.monotonic() + self._seconds
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408) from None
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limit:
            raise HTTPException(413)
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        if self._ended and self._recheck is not None and time.monotonic() - self._began > FRESH_SECONDS:
            await self._recheck()
        return message

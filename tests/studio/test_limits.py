"""Buckets of requests and counted bodies."""

from __future__ import annotations

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message

from burnish.studio import limits
from burnish.studio.limits import Body, Buckets


def test_a_bucket_holds_ten_seconds_worth_and_fills_again() -> None:
    time = 0.0
    buckets = Buckets(2, clock=lambda: time)
    assert [buckets.wait_seconds("ana") for _ in range(21)] == [0] * 20 + [1]
    assert buckets.wait_seconds("bob") == 0
    time = 0.5
    assert [buckets.wait_seconds("ana") for _ in range(2)] == [0, 1]
    time = 1000.0
    assert [buckets.wait_seconds("ana") for _ in range(21)] == [0] * 20 + [1]


def test_who_has_been_quiet_longest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_ASKERS", 2)
    buckets = Buckets(0.1, clock=lambda: 0.0)  # one request each
    assert [buckets.wait_seconds(each) for each in ("ana", "bob", "eve")] == [0, 0, 0]
    assert buckets.wait_seconds("eve") > 0
    assert buckets.wait_seconds("ana") == 0  # was forgotten


def body_of(*parts: bytes, limit: int = 10, seconds: float = 5, wait: float = 0) -> Body:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = False

    async def receive() -> Message:
        await asyncio.sleep(wait)
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return Body(receive, limit, seconds)


async def whole(body: Body) -> bytes:
    found, more = b"", True
    while more:
        message = await body.receive()
        found, more = found + message["body"], message["more_body"]
    return found


def test_what_was_looked_at_is_given_again() -> None:
    async def look() -> tuple[bytes, bytes]:
        body = body_of(b"abc", b"de", b"", b"fgh")
        return await body.peek(4), await whole(body)

    assert asyncio.run(look()) == (b"abcd", b"abcdefgh")


def test_looking_ahead_costs_as_much_as_there_is_however_small_the_pieces() -> None:
    """Pieces of one byte cost a stranger nothing to send."""
    looks = 0

    class Counted(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            nonlocal looks
            looks += key == "body"
            return super().get(key, default)

    async def receive() -> Message:
        return Counted(type="http.request", body=b"a", more_body=True)

    assert asyncio.run(Body(receive, 1000, 5).peek(500)) == b"a" * 500
    assert looks <= 2 * 500


def test_too_much_is_refused_as_it_comes_whoever_reads_it() -> None:
    for read in (whole, lambda body: body.peek(100)):
        with pytest.raises(HTTPException) as refused:
            asyncio.run(read(body_of(b"12345", b"67890", b"1")))
        assert refused.value.status_code == 413
    assert asyncio.run(whole(body_of(b"12345", b"67890"))) == b"1234567890"


def test_a_body_that_never_ends_is_given_up_but_a_reader_may_wait_for_the_hang_up() -> None:
    with pytest.raises(HTTPException) as refused:
        asyncio.run(whole(body_of(b"a", b"b", seconds=0.02, wait=0.1)))
    assert refused.value.status_code == 408

    async def late() -> bytes:
        body = body_of(b"a", seconds=0.02)
        await asyncio.sleep(0.05)  # a route that is in no hurry to read
        return await whole(body)

    assert asyncio.run(late()) == b"a"

    async def hang_up() -> Message:
        body = body_of(b"a")
        await whole(body)
        body._deadline = 0
        return await body.receive()

    assert asyncio.run(hang_up()) == {"type": "http.disconnect"}

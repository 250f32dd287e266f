"""What is sent in large pieces, kept in a file while it is read, so that memory does not grow with it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

NDJSON = "application/x-ndjson"
"""One JSON object a line, as files of feedback are written."""
_BATCH = 200  # rows in one piece of an export: each piece costs a change of threads


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[Path]:
    """Yield a file with the request's body; it is gone afterwards. Raises 415 for a body that is not NDJSON."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != NDJSON:
        raise HTTPException(415, f"Send one JSON object a line, as {NDJSON}.")
    with tempfile.TemporaryDirectory(prefix="burnish-upload-") as folder:
        path = Path(folder) / "upload.jsonl"
        with path.open("wb") as file:
            async for piece in request.stream():
                await run_in_threadpool(file.write, piece)
        yield path


def pieces(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines many at a time."""
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _BATCH:
            yield "".join(batch)
            batch = []
    if batch:
        yield "".join(batch)

"""A studio over a fresh store, and a client that talks to it without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.store import Store, open_store

pytest.importorskip("fastapi", reason="needs the studio extra")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/studio.db") as opened:
        yield opened

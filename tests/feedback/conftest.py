import json

import pytest

from burnish.store import open_store


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'burnish.db'}") as opened:
        yield opened


@pytest.fixture
def jsonl(tmp_path):
    """Writes rows (objects, or lines as text or bytes) to a file and returns its path."""

    def write(*rows, name="rows.jsonl"):
        path = tmp_path / name
        lines = [
            row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()
            for row in rows
        ]
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    return write

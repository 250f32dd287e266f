"""The oracles themselves, asked anew: `make oracles` makes their environments, then `pytest -m oracle`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from oracles import compare  # noqa: E402 -- its folder is on the path only now

PEERS, FURTHER = compare.ROOT / ".peers", compare.ROOT / ".oracles"


@pytest.mark.oracle
@pytest.mark.skipif(not (PEERS / "bin").is_dir() or not FURTHER.is_dir(), reason="no oracles here: make oracles")
def test_they_say_what_they_said():
    theirs = compare.ask(PEERS, FURTHER)
    assert [line for line in compare.lines(theirs) if not line.is_equal] == []


@pytest.mark.oracle
@pytest.mark.skipif(not (PEERS / "bin").is_dir(), reason="no oracles here: make oracles")
def test_the_whole_path_from_texts_to_a_loss():
    assert compare.whole_path(PEERS)[1] == []

"""One random model of each small kind, wide enough that a mistake in any part moves log-probs far beyond rounding."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.models import small
from burnish.models.policy import Policy
from burnish.records import Prompt

TEXTS = ["the good and the bad lamp", "a rose is red", "the sky is blue", "hello there, you are good"] * 3
SPEAKING = ("decoder", "gru", "lstm", "encoder_decoder")
PROMPTS = [Prompt.of(text) for text in ("hi", "the good and the bad lamp, and more", "a", "one more")]


def folder_of(kind: str, where: Path) -> Path:
    small.make(where / kind, kind=kind, texts=TEXTS, vocabulary=290, hidden=32, layers=2, scale=0.5, seed=3)
    return where / kind


@pytest.fixture(scope="session")
def small_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    where = tmp_path_factory.mktemp("small")
    return {kind: folder_of(kind, where) for kind in small.KINDS}


@pytest.fixture(params=SPEAKING)
def speaker(request: pytest.FixtureRequest, small_folders: dict[str, Path]) -> Policy:
    """A policy of each kind, untrained."""
    return Policy.load(small_folders[request.param])


@pytest.fixture
def prompts() -> list[Prompt]:
    return PROMPTS

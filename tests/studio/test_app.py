"""The app answers, and its wording is whole."""

from __future__ import annotations

from fastapi.testclient import TestClient

from burnish.store import Store
from burnish.studio import create_app
from burnish.studio.wording import LANGUAGES, sentences


def test_the_app_and_its_store_answer(store: Store) -> None:
    client = TestClient(create_app(store))
    assert client.get("/health").json() == client.get("/ready").json() == {"status": "ok"}


def test_every_sentence_stands_in_every_language() -> None:
    assert {key: set(said) for key, said in sentences().items() if set(said) != set(LANGUAGES)} == {}

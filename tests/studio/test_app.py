"""The app answers, and its wording is whole."""

from __future__ import annotations

from fastapi.testclient import TestClient

from burnish.store import Store
from burnish.studio import create_app
from burnish.studio.wording import LANGUAGES, say, sentences


def test_the_app_and_its_store_answer(store: Store) -> None:
    client = TestClient(create_app(store), base_url="http://localhost")
    assert client.get("/health").json() == client.get("/ready").json() == {"status": "ok"}


def test_every_sentence_stands_in_every_language() -> None:
    assert {key: set(said) for key, said in sentences().items() if set(said) != set(LANGUAGES)} == {}


def test_the_word_goes_with_the_number() -> None:
    said = [say("models.votes_are", "en", n=n, people=people) for n, people in ((10, 1), (1, "1"), ("1,234", 0))]
    assert said == ["10 answers by 1 person", "1 answer by 1 person", "1,234 answers by 0 people"]
    assert say("models.votes_are", "zh", n=10, people=1) == "1 人的 10 个回答"

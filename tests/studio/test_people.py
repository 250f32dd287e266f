"""The owner's pages of people: roles, links, closing, deleting, the log."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from burnish.records import Author, Checkpoint, Completion, Feedback, Preference, Prompt
from burnish.store import Entry, Store
from burnish.studio.context import now_ms

ClientAs = Callable[..., TestClient]


@pytest.fixture
def owner(client_as: ClientAs, store: Store) -> TestClient:
    client = client_as("olga", role="owner")
    account = store.accounts.by_name("olga")
    assert account
    store.accounts.rehash(account.number, "", "scrypt$")  # an owner who can sign in
    return client


def test_everybody_is_listed_and_may_be_given_another_role(owner: TestClient, client_as: ClientAs) -> None:
    ana = client_as("ana")
    assert re.search(r"<bdi>ana</bdi>", owner.get("/people").text)
    assert owner.post("/people/ana/role", data={"role": "reviewer"}).status_code == 303
    assert ana.get("/me").status_code == 401  # signed in under the old role
    assert client_as("ana", role="reviewer").get("/me").status_code == 200
    assert owner.post("/people/ana/role", data={"role": "king"}).status_code == 422
    assert owner.post("/people/nobody/role", data={"role": "owner"}).status_code == 404


def test_a_link_is_shown_once_and_for_a_name_sets_the_password(owner: TestClient, store: Store) -> None:
    page = owner.post("/people/invite", data={"role": "annotator", "name": "Béa"}).text
    key = re.search(r"http://testserver/invite/([\w-]{43})", page)
    assert key
    offer = store.accounts.invited(key.group(1), now_ms=now_ms())
    assert offer
    assert offer.account
    assert offer.account.name == "béa"
    assert key.group(1) not in owner.get("/people").text
    assert owner.post("/people/invite", data={"role": "annotator", "name": "béa"}).status_code == 422
    assert owner.post("/people/béa/link").status_code == 200
    assert store.accounts.invited(key.group(1), now_ms=now_ms()) is None  # only the newest link works


def test_a_closed_account_opens_no_door_and_keeps_its_answers(owner: TestClient, client_as: ClientAs) -> None:
    ana = client_as("ana")
    owner.post("/people/ana/closed", data={"closed": "true"})
    assert ana.get("/me").status_code == client_as("ana").get("/me").status_code == 401
    owner.post("/people/ana/closed", data={"closed": "false"})
    assert client_as("ana").get("/me").status_code == 200


def test_the_only_owner_stays(owner: TestClient) -> None:
    for path, form in (
        ("role", {"role": "annotator"}),
        ("closed", {"closed": "true"}),
        ("delete", {"confirm": "olga"}),
    ):
        answer = owner.post(f"/people/olga/{path}", data=form)
        assert answer.status_code == 422
        assert "only owner" in answer.text
    assert owner.get("/people").status_code == 200


def voted(store: Store, author: str) -> Checkpoint:
    """Return a checkpoint that was trained on a vote of theirs."""
    prompt = Prompt.of("Which is shorter?")
    pair = (Completion(prompt.id, "Yes."), Completion(prompt.id, "That is a longer answer."))
    ids = tuple(each.id for each in pair)
    vote = Feedback("f1", "comparison", prompt.id, ids, {"chosen": 0}, Author(author), comment="secret words")
    store.submit(Entry(prompt, pair, (vote,)))
    snapshot = store.save_snapshot([Preference(prompt, pair, (0, 1), feedback_ids=("f1",))])
    made = Checkpoint("c1", "runs/c1", "model", snapshot=snapshot)
    store.record_checkpoint(made)
    return made


def test_deleting_somebody_erases_their_words_and_names_the_models(
    owner: TestClient, client_as: ClientAs, store: Store
) -> None:
    ana = client_as("ana")
    made = voted(store, "ana")
    assert owner.post("/people/ana/delete", data={"confirm": "bob"}).status_code == 422
    page = owner.post("/people/ana/delete", data={"confirm": "Ana"}).text
    assert made.id in page
    assert made.snapshot in page
    assert store.accounts.by_name("ana") is None
    assert store.feedback("f1") is None
    assert ana.get("/me").status_code == 401
    log = owner.get("/people/log").text
    assert "account and data deleted" in log
    with store._database.reading() as connection:
        assert not connection.execute(text("SELECT 1 FROM audit WHERE details || subject LIKE '%ana%'")).first()


def test_the_log_is_checked_against_what_was_noted_down(owner: TestClient, store: Store) -> None:
    noted = store.audit.head()
    owner.post("/people/invite", data={"role": "annotator"})
    asked = {"check": "true", "seq": noted.seq, "hash": noted.hash}
    assert "as they were written" in owner.get("/people/log", params=asked).text
    with store._database.writing() as connection:
        connection.execute(text("DELETE FROM audit WHERE seq > 1"))
    assert "does not hold row" in owner.get("/people/log", params=asked).text

"""What is left of a person who was forgotten: counts and numbers, and nothing that names them."""

from __future__ import annotations

from sqlalchemy import select

from burnish.store import Store
from burnish.store.studies_schema import deliveries
from burnish.store.webhooks import Delivery, queue


def listens(store: Store, *people: str) -> list[Delivery]:
    """Have a webhook told of an answer by each of these people; return what is to be told."""
    store.webhooks.add("https://example.org/", ["answer"], study="", by="olga", now_ms=1)
    for person in people:
        says(store, person)
    return store.webhooks.due(9)


def says(store: Store, person: str) -> None:
    with store._database.writing() as connection:
        queue(connection, "answer", "s1", 2, person=person)


def bodies(store: Store) -> list[str]:
    with store._database.reading() as connection:
        return list(connection.execute(select(deliveries.c.body).order_by(deliveries.c.seq)).scalars())


def test_the_number_of_a_delivery_is_not_given_again_when_its_person_is_forgotten(store: Store) -> None:
    *_, newest = listens(store, "ana", "bo")
    store.webhooks.told(newest.seq, "status 200", now_ms=3)
    store.erase_author("bo")
    says(store, "ana")
    assert [each.seq for each in store.webhooks.due(9)] == [newest.seq - 1, newest.seq + 1]


def test_nothing_is_told_of_somebody_who_was_forgotten(store: Store) -> None:
    first, second = listens(store, "ana", "bo")
    store.erase_author("bo")
    assert store.webhooks.due(9) == [first]
    assert "bo" not in bodies(store)[1]
    store.webhooks.told(second.seq, "status 500", now_ms=4, again_ms=5)  # it was under way meanwhile
    assert store.webhooks.due(9) == [first]


def test_what_is_left_of_such_a_delivery_goes_with_others_as_old(store: Store) -> None:
    listens(store, "bo", "bo", "ana")
    store.erase_author("bo")
    for each in store.webhooks.due(9):
        store.webhooks.told(each.seq, "status 200", now_ms=3)
    assert store.webhooks.forget(100) == 2
    assert len(bodies(store)) == 1

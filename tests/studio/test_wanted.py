"""Items are wanted by what their answers would teach, and a study that picks actively is told so in the background."""

from __future__ import annotations

import threading

from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry, Store
from burnish.store.studies import NewItem
from burnish.studio import wanted
from burnish.studio.context import Studio
from burnish.studio.pages import Pages
from burnish.studio.settings import StudioSettings


def test_every_open_pair_gets_a_place_and_full_ones_none(store: Store) -> None:
    new = []
    for number in range(6):
        prompt = Prompt.of(f"What is {number}?")
        pair = tuple(Completion(prompt.id, text) for text in ("One.", "Two."))
        ids = tuple(each.id for each in pair)
        votes = [
            Feedback(f"{number}:{vote}", "comparison", prompt.id, ids, {"chosen": 0}, Author(f"p{vote}"))
            for vote in range(number)
        ]
        list(store.submit_many([Entry(prompt, pair, tuple(votes))]))
        new.append(NewItem(prompt.id, ids))
    store.studies.save("s", "body", overlap=2, by="olga", now_ms=1)
    store.studies.add_items("s", new, overlap=2)
    found = wanted.priorities(store, "s")
    assert sorted(found) == sorted(item.id for item in new)
    assert sorted(found.values(), reverse=True) == [1 - place / 6 for place in range(6)]
    studio = Studio(store, StudioSettings(), Pages(), {})
    wanted.refresh(studio, "s", wanted.EVERY - 1)
    assert studio.services["wanted"] == {}
    wanted.refresh(studio, "s", wanted.EVERY)
    for thread in threading.enumerate():
        if thread.name == "burnish-wanted":
            thread.join()
    with store._database.reading() as connection:
        stored = connection.exec_driver_sql("SELECT id, priority FROM study_items").all()
    assert {row[0]: row[1] for row in stored} == found


def test_a_study_without_pairs_wants_nothing(store: Store) -> None:
    store.studies.save("s", "body", overlap=2, by="olga", now_ms=1)
    assert wanted.priorities(store, "s") == {}

"""Whatever people do, in whatever order: every count is what the rows say, and no item has more people than places."""

from __future__ import annotations

import random
import threading

import pytest
from sqlalchemy import func, select

from burnish.errors import InputError
from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry
from burnish.store.held import ExpiredError, NotYoursError, OtherAnswerError
from burnish.store.picking import Rules
from burnish.store.studies import NewItem
from burnish.store.studies_schema import assignments, studies, study_events, study_items, study_people

RULES = Rules(version=1, lock_ms=100, anchor_share=0.2)


def begin(store, *, items=6, overlap=2, anchors=1):
    new = []
    for number in range(items + anchors):
        prompt = Prompt.of(f"What is {number}?")
        pair = (Completion(prompt.id, "One."), Completion(prompt.id, "Two."))
        list(store.submit_many([Entry(prompt, pair)]))
        role = "anchor" if number < anchors else "item"
        new.append(NewItem(prompt.id, tuple(each.id for each in pair), role))
    store.studies.save("s", "body", overlap=overlap, by="olga", now_ms=1)
    assert store.studies.add_items("s", new, overlap=overlap) == items + anchors
    assert store.studies.add_items("s", new, overlap=overlap) == 0


def entry_of(store, held):
    prompt, _ = store.texts(held.prompt_id, ())
    feedback = Feedback(
        f"{held.id}:{held.round + 1}",
        "comparison",
        held.prompt_id,
        held.shown_ids,
        {"chosen": 0},
        Author(held.person),
        supersedes=held.receipts[0] if held.receipts else "",
    )
    return Entry(prompt, (), (feedback,))


def answer(store, held, now, key=None):
    given = {"key": key or f"key-{held.id}-{held.round}", "digest": "d", "said": {}, "now_ms": now}
    return store.assignments.answer(held, entry_of(store, held), **given)


def check(store):
    """Hold every count against the rows it counts."""
    with store._database.reading() as connection:
        rows = connection.execute(select(assignments)).mappings().all()
        for item in connection.execute(select(study_items)).mappings():
            own = [row for row in rows if row["item"] == item["seq"]]
            holding = [row for row in own if row["state"] in ("open", "answered")]
            assert item["taken"] == len(holding)
            assert not item["places"] or item["taken"] <= item["places"]
            stands = [row for row in own if row["state"] == "answered" or row["before"] == "answered"]
            assert item["answered"] == len(stands)
            assert item["skipped"] == sum(row["state"] == "skipped" for row in own)
            assert item["free"] == int(not item["places"] or item["taken"] < item["places"])
        for person in connection.execute(select(study_people)).mappings():
            own = [row for row in rows if row["person"] == person["person"]]
            for state in ("answered", "skipped"):
                assert person[state] == sum(row["state"] == state or row["before"] == state for row in own)
        answered = sum(row["state"] == "answered" or row["before"] == "answered" for row in rows)
        assert connection.execute(select(studies.c.answers)).scalar_one() == answered
    assert store.stats()["records"] == answered


@pytest.mark.parametrize("seed", range(3))
def test_every_count_is_what_the_rows_say(store, seed):
    begin(store)
    draw = random.Random(seed)
    last = {}
    now = 0
    for step in range(80):
        now += draw.choice((0, 1, 10, 60))
        who = draw.choice(("ana", "bob", "cy"))
        act = draw.choice(("claim", "claim", "answer", "answer", "again", "skip", "undo", "draft", "flag"))
        held = last.get(who)
        try:
            if act == "claim":
                last[who] = store.assignments.claim("s", who, RULES, now) or held
            elif act == "undo":
                last[who] = store.assignments.undo("s", who, now + 100, now) or held
            elif held is None:
                continue
            elif act in ("answer", "again"):
                held = store.assignments.get(held.id, who)
                answer(store, held, now)
                if act == "again":
                    assert [each.status for each in answer(store, held, now)] == ["known"]
            elif act == "skip":
                store.assignments.skip(held.id, who, "other", "", now)
            elif act == "draft":
                store.assignments.save_draft(held.id, who, {"step": step}, now + 100, now)
            else:
                store.assignments.flag(held.id, who, "odd", now)
        except (ExpiredError, OtherAnswerError):
            pass
    check(store)


def test_nothing_is_lost_doubled_or_given_too_often_when_all_come_at_once(store):
    begin(store, items=12, overlap=3)
    told = []

    def person(name):
        while held := store.assignments.claim("s", name, RULES, 0):
            receipts = [answer(store, held, 0) for _ in range(2)]  # a double click
            told.append(receipts[0][0].feedback_id)
            assert receipts[1][0].feedback_id == receipts[0][0].feedback_id

    threads = [threading.Thread(target=person, args=(f"p{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == len(set(told)) == 12 * 3 + 8  # the anchor comes to everybody
    check(store)


def test_an_answer_that_the_store_refuses_leaves_nothing_behind(store):
    begin(store)
    held = store.assignments.claim("s", "ana", RULES, 0)
    prompt, _ = store.texts(held.prompt_id, ())
    wrong = Feedback("f", "comparison", held.prompt_id, ("c_nothing",), {"chosen": 0}, Author("ana"))
    with pytest.raises(InputError, match="c_nothing"):
        store.assignments.answer(held, Entry(prompt, (), (wrong,)), key="k", digest="d", said={}, now_ms=0)
    assert store.assignments.get(held.id, "ana") == held
    assert answer(store, held, 0)[0].status == "stored"
    check(store)


def test_everything_that_was_done_stands_in_the_log_in_order(store):
    begin(store)
    held = store.assignments.claim("s", "ana", RULES, 0)
    store.assignments.save_draft(held.id, "ana", {"better": {"chosen": 1}}, 100, 1)
    store.assignments.flag(held.id, "ana", "odd", 2)
    answer(store, held, 3)
    store.assignments.undo("s", "ana", 100, 4)
    store.assignments.skip(held.id, "ana", "other", "", 5)
    with store._database.reading() as connection:
        log = connection.execute(select(study_events.c.kind, study_events.c.time_ms).order_by(study_events.c.seq)).all()
        assert connection.execute(select(func.count()).select_from(study_events)).scalar_one() == 6
    assert [tuple(row) for row in log] == [
        ("given", 0), ("draft", 1), ("flag", 2), ("answer", 3), ("undo", 4), ("skip", 5),
    ]  # fmt: skip
    check(store)


def test_more_overlap_gives_full_items_out_again_and_less_takes_no_answer_back(store):
    begin(store, items=2, overlap=1, anchors=0)
    for name in ("ana", "ana"):
        answer(store, store.assignments.claim("s", name, RULES, 0), 0)
    assert store.assignments.claim("s", "bob", RULES, 0) is None
    store.studies.save("s", "other", overlap=2, by="olga", now_ms=2)
    assert store.assignments.claim("s", "bob", RULES, 0) is not None
    store.studies.save("s", "third", overlap=1, by="olga", now_ms=3)
    assert store.assignments.claim("s", "cy", RULES, 0) is None
    assert store.stats()["records"] == 2


def test_an_unknown_study_and_anothers_assignment_are_told_alike(store):
    begin(store)
    held = store.assignments.claim("s", "ana", RULES, 0)
    for act in (
        lambda: store.assignments.claim("none", "ana", RULES, 0),
        lambda: store.assignments.get(held.id, "bob"),
        lambda: store.assignments.skip("a_none", "ana", "other", "", 0),
    ):
        with pytest.raises(NotYoursError, match="none of this name"):
            act()

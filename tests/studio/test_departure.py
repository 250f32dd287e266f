"""Whoever leaves takes along all they typed, finished or not: not a byte of it is left in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.studio.test_assign import NOW, answer, begin

from burnish.records import Author, Completion, Feedback, Prompt, Sampling, content_id
from burnish.store import Entry, Store, open_store
from burnish.studio import assign
from burnish.studio.departure import depart
from burnish.studio.session import Person
from burnish.studio.study import Question, Study

WORDS = Question("why", "comment", "What is wrong with it?", required=False)


def file_of(store: Store) -> bytes:
    path = Path(store.url.removeprefix("sqlite:///"))
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))


@pytest.fixture
def ana(store: Store) -> Person:
    account = store.accounts.add("anabel", "annotator", now_ms=NOW)
    return Person("anabel", "annotator", "en", "auto", "", account.number)


def typed(store: Store, ana: Person) -> list[str]:
    """Have her answer one item, skip one, flag and begin a third; return the ids of what she said."""
    studio = begin(store, Study("study", "A study", (WORDS,)))
    task = assign.next_task(studio, ana, "study", NOW)
    assert task
    assign.save_draft(studio, ana, task.assignment, {"why": {"comment": "hippopotamus drafted"}}, NOW)
    said = [{"comment": "hippopotamus answered"}, {"comment": "hippopotamus again"}]
    receipts = assign.submit(studio, ana, task.assignment, answer(task, why=said), NOW)
    task = assign.next_task(studio, ana, "study", NOW)
    assert task
    assign.skip(studio, ana, task.assignment, "other", "hippopotamus skipped", NOW)
    task = assign.next_task(studio, ana, "study", NOW)
    assert task
    assign.flag(studio, ana, task.assignment, "hippopotamus flagged", NOW)
    assign.save_draft(studio, ana, task.assignment, {"why": {"comment": "hippopotamus begun"}}, NOW)
    return [each.feedback_id for each in receipts]


def test_nothing_typed_and_no_name_is_left(store: Store, ana: Person) -> None:
    ids = typed(store, ana)
    assert file_of(store).count(b"hippopotamus") >= 5
    erasure = depart(begin(store, Study("other", "Another", (WORDS,))), ana.number, ana.name, actor=ana.number)
    assert (erasure.records, erasure.purged) == (len(ids), True)
    raw = file_of(store)
    assert (raw.count(b"hippopotamus"), raw.count(b"anabel")) == (0, 0)
    assert store.studies.progress("study")["answered_once"] == 1  # the count stands, whoever it was
    assert store.audit.verify().seq > 0


def test_a_person_who_only_began_is_forgotten_too(store: Store, ana: Person) -> None:
    studio = begin(store, Study("study", "A study", (WORDS,)))
    task = assign.next_task(studio, ana, "study", NOW)
    assert task
    assign.save_draft(studio, ana, task.assignment, {"why": {"comment": "hippopotamus"}}, NOW)
    assert depart(studio, ana.number, ana.name, actor=ana.number).purged
    raw = file_of(store)
    assert (raw.count(b"hippopotamus"), raw.count(b"anabel")) == (0, 0)


def test_conversations_go_with_their_person(store: Store, ana: Person) -> None:
    studio = begin(store, Study("study", "A study", (WORDS,)))
    for name in (ana.name, "bo"):
        store.talks.begin(f"talk-{name}", name, {"names": ["lamp"]}, most=5, now_ms=NOW)
        store.talks.put_turn(name, f"talk-{name}", 0, {"asked": f"{name}s rhinoceros"}, title="rhinoceros", now_ms=NOW)
    assert depart(studio, ana.number, ana.name, actor=ana.number).purged
    assert file_of(store).count(b"anabel") == 0
    assert store.talks.listing(ana.name) == []
    assert [each.title for each in store.talks.listing("bo")] == ["rhinoceros"]


def test_of_a_person_who_did_nothing_the_name_goes(store: Store, ana: Person) -> None:
    assert b"anabel" in file_of(store)
    assert depart(begin(store, Study("study", "A study", (WORDS,))), ana.number, ana.name, actor=ana.number).purged
    assert b"anabel" not in file_of(store)


def test_one_erased_answer_leaves_no_draft_of_it(store: Store, ana: Person) -> None:
    for one in typed(store, ana):
        store.erase(one)
    raw = file_of(store)
    assert raw.count(b"hippopotamus answered") + raw.count(b"hippopotamus drafted") == 0
    assert b"hippopotamus begun" in raw  # another item, which she has not given up


def talked(store: Store, name: str, asked: str) -> None:
    """Have somebody talk with a model and say what they think of its answer."""
    prompt = Prompt.of(asked, source="studio:play")
    text = Completion(prompt.id, f"You said {asked}.", model="lamp", sampling=Sampling(), run="studio:play")
    said = Feedback(
        content_id("f", [name, asked]), "thumb", prompt.id, (text.id,), {"thumb": True}, Author(name), run="studio:play"
    )
    store.submit(Entry(prompt, (text,), (said,)))


def test_what_they_asked_a_model_goes_and_what_others_asked_too_stays(store: Store, ana: Person) -> None:
    talked(store, "anabel", "hippopotamus, my own")
    talked(store, "anabel", "a lamp, like bob")
    talked(store, "bob", "a lamp, like bob")
    assert depart(begin(store, Study("study", "A study", (WORDS,))), ana.number, ana.name, actor=ana.number).purged
    assert file_of(store).count(b"hippopotamus") == 0
    kept = [entry for entry in store.entries() if entry.prompt.source == "studio:play"]
    assert [(entry.prompt.text, len(entry.feedback)) for entry in kept] == [("a lamp, like bob", 1)]


def test_a_study_that_named_them_names_a_number_and_lets_nobody_else_in(store: Store, ana: Person) -> None:
    studio = begin(store, Study("study", "A study", (WORDS,), people=("anabel",)))
    depart(studio, ana.number, ana.name, actor=ana.number)
    assert file_of(store).count(b"anabel") == 0
    for name in ("bob", "anabel"):  # the name may be another's by now
        assert assign.works(studio, Person(name, "annotator", "en", "auto", "", 7)) == []


def test_whoever_was_leaving_when_the_process_was_killed_is_gone_once_the_store_is_opened_again(
    store: Store, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(store, ana)
    monkeypatch.setattr(store, "erase_author", lambda name: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        depart(begin(store, Study("other", "Another", (WORDS,))), ana.number, ana.name, actor=ana.number)
    assert store.accounts.by_name("anabel") is None
    assert b"hippopotamus" in file_of(store)
    url = store.url
    store.close()
    with open_store(url) as again:
        raw = file_of(again)
        assert (raw.count(b"hippopotamus"), raw.count(b"anabel")) == (0, 0)

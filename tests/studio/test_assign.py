"""Work is given out and taken back as promised: overlap, locks, quotas, qualification, one answer for one key."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from burnish.records import Completion, Prompt
from burnish.store import Entry, Store
from burnish.store.studies import NewItem
from burnish.studio import assign
from burnish.studio.context import Studio
from burnish.studio.pages import Pages
from burnish.studio.session import Person
from burnish.studio.settings import StudioSettings
from burnish.studio.study import Question, Study
from burnish.studio.study_file import to_toml

NOW = 1_750_000_000_000
MINUTE = 60_000
BETTER = Question("better", "comparison", "Which reply helps more?")
GRADE = Question("grade", "rating", "How good is it?", anchors=((1, "bad"), (5, "good")))


def person(name: str) -> Person:
    return Person(name, "annotator", "en", "auto", "", number=sum(name.encode()))


def begin(store: Store, study: Study, items: int = 4, known: tuple[NewItem, ...] = ()) -> Studio:
    """Return a studio with one open study over a few pairs of texts."""
    new = []
    for number in range(items):
        prompt = Prompt.of(f"What is thing {number}?")
        pair = (
            Completion(prompt.id, f"It is {number}.", model="old"),
            Completion(prompt.id, f"{number}!", model="new"),
        )
        list(store.submit_many([Entry(prompt, pair)]))
        new.append(NewItem(prompt.id, tuple(each.id for each in pair)))
    store.studies.save(study.name, to_toml(study), overlap=study.overlap, by="ana", now_ms=NOW)
    store.studies.add_items(study.name, [*new, *known], overlap=study.overlap)
    store.studies.set_state(study.name, "open", now_ms=NOW)
    return Studio(store, StudioSettings(), Pages(), {})


def answer(task: assign.Task, key: str = "", **said: Any) -> dict[str, Any]:
    return {"key": key or f"key-{task.assignment}", "seconds": 2.5, "answers": said or {"better": {"chosen": 0}}}


def work(studio: Studio, who: Person, study_id: str, at: int = NOW) -> int:
    """Answer all there is; return how many that were."""
    done = 0
    while task := assign.next_task(studio, who, study_id, at + done):
        assign.submit(studio, who, task.assignment, answer(task), at + done)
        done += 1
    return done


def test_everybody_gets_every_item_once_until_it_has_enough_answers(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), overlap=2))
    assert [work(studio, person(name), "s") for name in ("ana", "bob", "cy")] == [4, 4, 0]
    said = [(record.author.id, record.prompt_id) for entry in store.entries() for record in entry.feedback]
    assert len(said) == len(set(said)) == 8
    assert store.studies.progress("s")["complete"] == 4


def test_an_answer_is_ordinary_feedback_with_the_order_it_was_shown_in(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,)), items=1)
    task = assign.next_task(studio, person("ana"), "s", NOW)
    assert task is not None
    (receipt,) = assign.submit(studio, person("ana"), task.assignment, answer(task), NOW)
    record = store.feedback(receipt.feedback_id)
    assert record is not None
    assert (record.kind, record.value, record.run) == ("comparison", {"chosen": 0}, "studio:s")
    shown = store.texts(record.prompt_id, record.completion_ids)[1]
    assert [each and each.text for each in shown] == [each.text for each in task.completions]
    assert {each and each.model for each in shown} == {"old", "new"}
    assert {each.model for each in task.completions} == {None}  # the study is blind


def test_the_same_key_stores_once_and_another_answer_under_it_is_refused(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,)), items=1)
    ana = person("ana")
    task = assign.next_task(studio, ana, "s", NOW)
    assert task is not None
    first = assign.submit(studio, ana, task.assignment, answer(task), NOW)
    again = assign.submit(studio, ana, task.assignment, answer(task), NOW + 20)
    assert [each.feedback_id for each in again] == [each.feedback_id for each in first]
    with pytest.raises(assign.OtherAnswerError):
        assign.submit(studio, ana, task.assignment, answer(task, better={"chosen": 1}), NOW + 20)
    with pytest.raises(assign.OtherAnswerError):
        assign.submit(studio, ana, task.assignment, answer(task, key="another-key"), NOW + 20)
    assert store.stats()["records"] == 1


def test_no_item_goes_over_its_overlap_when_many_ask_at_once(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), overlap=3), items=10)
    names = [f"p{number}" for number in range(12)]
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda name=name: counts.append(work(studio, person(name), "s"))) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    each = Counter(record.prompt_id for entry in store.entries() for record in entry.feedback)
    assert sum(counts) == 30
    assert set(each.values()) == {3}


def test_another_persons_task_looks_like_none(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,)))
    task = assign.next_task(studio, person("ana"), "s", NOW)
    assert task is not None
    for act in (
        lambda: assign.open_task(studio, person("bob"), task.assignment),
        lambda: assign.open_task(studio, person("bob"), "a_none"),
        lambda: assign.submit(studio, person("bob"), task.assignment, answer(task), NOW),
        lambda: assign.skip(studio, person("bob"), task.assignment, "other", "", NOW),
        lambda: assign.save_draft(studio, person("bob"), task.assignment, {}, NOW),
    ):
        with pytest.raises(assign.NotYoursError, match="none of this name"):
            act()

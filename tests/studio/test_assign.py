"""Work is given out and taken back as promised: overlap, locks, quotas, qualification, one answer for one key."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry, Store, noted
from burnish.store.studies import NewItem, Role
from burnish.store.studies_schema import study_events
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


def only(store: Store) -> list[Any]:
    """Return the records that stand now."""
    return [record for entry in store.entries() for record in entry.feedback]


def test_an_item_comes_back_when_its_time_is_up_and_a_late_answer_counts_only_while_its_place_is_free(
    store: Store,
) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), overlap=1, lock_minutes=10), items=1)
    ana, bob = person("ana"), person("bob")
    late = assign.next_task(studio, ana, "s", NOW)
    assert late is not None
    assert late.due_ms == NOW + 10 * MINUTE
    assert assign.next_task(studio, bob, "s", NOW + 9 * MINUTE) is None
    taken = assign.next_task(studio, bob, "s", NOW + 11 * MINUTE)
    assert taken is not None
    with pytest.raises(assign.ExpiredError):
        assign.submit(studio, ana, late.assignment, answer(late), NOW + 12 * MINUTE)
    with pytest.raises(assign.ExpiredError):
        assign.open_task(studio, ana, late.assignment)
    again = assign.next_task(studio, bob, "s", NOW + 60 * MINUTE)  # nobody else wanted it meanwhile
    assert again is not None
    assert again.assignment == taken.assignment
    store.assignments.expire("s", NOW + 120 * MINUTE)
    assert assign.submit(studio, ana, late.assignment, answer(late), NOW + 120 * MINUTE)
    assert [record.author.id for record in only(store)] == ["ana"]


def test_a_draft_is_kept_and_keeps_the_item(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), overlap=1, lock_minutes=10), items=1)
    task = assign.next_task(studio, person("ana"), "s", NOW)
    assert task is not None
    assign.save_draft(studio, person("ana"), task.assignment, {"better": {"chosen": 1}}, NOW + 9 * MINUTE)
    assert assign.next_task(studio, person("bob"), "s", NOW + 15 * MINUTE) is None
    again = assign.next_task(studio, person("ana"), "s", NOW + 15 * MINUTE)
    assert again is not None
    assert (again.assignment, again.draft) == (task.assignment, {"better": {"chosen": 1}})
    with pytest.raises(assign.AnswerError, match="at most"):
        assign.save_draft(studio, person("ana"), task.assignment, {"x": "y" * 300_000}, NOW + 15 * MINUTE)


def test_drafts_and_flags_without_end_do_not_fill_the_store(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,)), items=1)
    ana = person("ana")
    task = assign.next_task(studio, ana, "s", NOW)
    assert task is not None
    for number in range(noted.MOST["draft"] + 5):
        assign.save_draft(studio, ana, task.assignment, {"better": {"chosen": number}}, NOW + number)
    for number in range(noted.MOST["flag"]):
        assign.flag(studio, ana, task.assignment, f"cut off {number}", NOW + number)
    with pytest.raises(assign.AnswerError, match="10 times already"):
        assign.flag(studio, ana, task.assignment, "cut off", NOW + 99)
    with store._database.reading() as connection:
        kinds = Counter(connection.execute(select(study_events.c.kind)).scalars())
    assert kinds == {"given": 1, **noted.MOST}
    assert store.studies.items("s")[0].flagged == noted.MOST["flag"]
    assert assign.open_task(studio, ana, task.assignment).draft == {"better": {"chosen": noted.MOST["draft"] + 4}}


def test_undo_goes_back_answer_by_answer_and_a_new_answer_supersedes(store: Store) -> None:
    why = Question("why", "comment", "Why?", required=False)
    studio = begin(store, Study("s", "S", (BETTER, why)), items=2)
    ana = person("ana")
    first = assign.next_task(studio, ana, "s", NOW)
    assert first is not None
    said = {"better": {"chosen": 0}, "why": [{"comment": "too long"}, {}]}
    assign.submit(studio, ana, first.assignment, answer(first, **said), NOW)
    assert sorted(record.kind for record in only(store)) == ["comment", "comparison"]
    back = assign.undo(studio, ana, "s", NOW + 1)
    assert back is not None
    assert (back.assignment, back.draft) == (first.assignment, said)
    assert len(only(store)) == 2  # what was said stands until it is said anew
    assert assign.next_task(studio, ana, "s", NOW + 2) == back
    assign.submit(studio, ana, first.assignment, answer(first, key="second-key", better={"chosen": 1}), NOW + 3)
    (record,) = only(store)  # the comment was taken back with it
    assert record.value == {"chosen": 1}
    assert store.stats()["superseded"] == 2
    assert store.assignments.standing("s", "ana").answered == 1


def test_a_reopened_answer_that_is_left_lying_stands_as_it_was(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), overlap=1, lock_minutes=10), items=1)
    ana = person("ana")
    assert work(studio, ana, "s") == 1
    assert assign.undo(studio, ana, "s", NOW + MINUTE) is not None
    assert assign.next_task(studio, person("bob"), "s", NOW + 60 * MINUTE) is None
    assert store.studies.progress("s")["complete"] == 1


def test_a_skipped_item_goes_to_others_and_can_be_taken_back_while_there_is_room(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), overlap=1), items=1)
    ana, bob = person("ana"), person("bob")
    task = assign.next_task(studio, ana, "s", NOW)
    assert task is not None
    with pytest.raises(assign.AnswerError, match="none of unclear"):
        assign.skip(studio, ana, task.assignment, "because", "", NOW)
    assign.skip(studio, ana, task.assignment, "unclear", "no idea", NOW)
    assert assign.next_task(studio, ana, "s", NOW) is None
    assert assign.undo(studio, ana, "s", NOW + 1) is not None
    assign.skip(studio, ana, task.assignment, "unclear", "", NOW + 2)
    assert work(studio, bob, "s", NOW + 3) == 1
    assert assign.undo(studio, ana, "s", NOW + 10) is None  # bob has its place


def test_nobody_gets_more_than_the_quota(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), quota=3), items=5)
    assert work(studio, person("ana"), "s") == 3
    assert assign.work_in(studio, person("ana"), "s").total == 3


def test_work_begins_once_enough_training_is_answered_as_expected(store: Store) -> None:
    prompt = Prompt.of("Which is a greeting?")
    texts = (Completion(prompt.id, "Hello!"), Completion(prompt.id, "Go away!"))
    list(store.submit_many([Entry(prompt, texts)]))
    expected = {"better": {"chosen": 0}, "reason": "Only one of them greets."}
    trial = NewItem(prompt.id, tuple(each.id for each in texts), "training", expected)
    studio = begin(store, Study("s", "S", (BETTER,), qualification=1.0), items=1, known=(trial,))
    for name, is_right in (("ana", True), ("bob", False)):
        task = assign.next_task(studio, person(name), "s", NOW)
        assert task is not None
        assert task.is_training
        place = [each.text for each in task.completions].index("Hello!" if is_right else "Go away!")
        sent = answer(task, better={"chosen": place})
        assert assign.submit(studio, person(name), task.assignment, sent, NOW) == ()
        result = assign.training_result(studio, person(name), task.assignment)
        assert result is not None
        assert (result.right, result.is_qualified, result.reason) == (is_right, is_right, "Only one of them greets.")
        assert task.completions[result.expected["better"]["chosen"]].text == "Hello!"
        assert (assign.next_task(studio, person(name), "s", NOW) is not None) == is_right
    assert store.stats()["records"] == 0  # training is practice, not feedback


def test_everybody_gets_the_anchors_and_gold_looks_like_any_other_item(store: Store) -> None:
    known = []
    roles: tuple[Role, ...] = ("anchor", "anchor", "gold")
    for number, role in enumerate(roles):
        prompt = Prompt.of(f"Known {number}?")
        texts = (Completion(prompt.id, "Yes."), Completion(prompt.id, "No."))
        list(store.submit_many([Entry(prompt, texts)]))
        expected = {"better": {"chosen": 0}} if role == "gold" else None
        known.append(NewItem(prompt.id, tuple(each.id for each in texts), role, expected))
    studio = begin(store, Study("s", "S", (BETTER,), overlap=1, anchor_share=0.2, gold_share=0.2), 6, tuple(known))
    counts = [work(studio, person(name), "s") for name in ("ana", "bob", "cy")]
    assert sum(counts) == 6 + 3 * 3
    asked = Counter(record.metadata.get("role", "item") for record in only(store))
    assert asked == {"item": 6, "anchor": 6, "gold": 3}


def test_a_study_of_named_people_or_with_consent_is_closed_to_others(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), people=("ana",)))
    with pytest.raises(assign.NotYoursError):
        assign.next_task(studio, person("bob"), "s", NOW)
    assert [each.study_id for each in assign.works(studio, person("ana"))] == ["s"]
    assert assign.works(studio, person("bob")) == []
    begin(store, Study("t", "T", (BETTER,), consent="Your answers are published."))
    ana = store.accounts.add("ana", "annotator", now_ms=NOW)
    who = Person("ana", "annotator", "en", "auto", "", number=ana.number)
    with pytest.raises(assign.ConsentNeededError):
        assign.next_task(studio, who, "t", NOW)
    store.accounts.consent(ana.number, "t", "Your answers are published.", now_ms=NOW)
    assert assign.next_task(studio, who, "t", NOW) is not None


def test_active_picking_gives_what_is_wanted_most_but_not_only(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), next_item="active", overlap=30), items=30)
    first = store.studies.items("s")[0].id
    store.studies.set_priorities("s", {first: 5.0})
    given = [assign.next_task(studio, person(f"p{n}"), "s", NOW) for n in range(30)]
    share = sum(task is not None and task.item == first for task in given) / 30
    assert 0.5 < share < 1  # one in five is drawn at random


@pytest.mark.parametrize(
    ("question", "said", "message"),
    [
        (BETTER, None, "not answered yet"),
        (BETTER, {"chosen": 2}, "from 0 to 1"),
        (BETTER, {"chosen": 0, "tie": "good"}, "give one of"),
        (BETTER, {"chosen": 0, "strength": 2}, "not asked"),
        (BETTER, {"chosen": 0, "extra": 1}, "no part of a comparison"),
        (GRADE, [{"rating": 9}, {"rating": 1}], "from 1 to 5"),
        (GRADE, [{"rating": 3}], "each of the 2"),
        (GRADE, [{"rating": True}, {"rating": 1}], "number"),
        (
            Question("q", "span", "Where?", labels=("wrong",)),
            [{"spans": [{"start": 0, "end": 2, "label": "x"}]}, {}],
            "none",
        ),
        (
            Question("q", "rubric", "Check.", criteria=(("a", "A."),)),
            [{"rubric": []}, {"rubric": []}],
            "'a' is not answ",
        ),
        (Question("q", "ranking", "Order."), {"ranking": [[0], [0]]}, "twice"),
        (Question("q", "thumb", "Good?", cannot_judge=False), [{"cannot_judge": True}, {"thumb": True}], "not offered"),
    ],
)
def test_what_cannot_stand_is_refused_with_its_question_and_stores_nothing(
    store: Store, question: Question, said: Any, message: str
) -> None:
    studio = begin(store, Study("s", "S", (question,)), items=1)
    task = assign.next_task(studio, person("ana"), "s", NOW)
    assert task is not None
    with pytest.raises(assign.AnswerError, match=message) as caught:
        assign.submit(studio, person("ana"), task.assignment, answer(task, **{question.name: said}), NOW)
    assert caught.value.field.startswith(question.name)
    assert store.stats()["records"] == 0


def test_a_judges_answer_is_shown_only_after_ones_own(store: Store) -> None:
    studio = begin(store, Study("s", "S", (BETTER,), hints=True), items=1)
    ana = person("ana")
    task = assign.next_task(studio, ana, "s", NOW)
    assert task is not None
    item = store.studies.items("s")[0]
    prompt, completions = store.texts(item.prompt_id, item.completion_ids)
    assert prompt is not None
    judge = Feedback("j", "comparison", prompt.id, item.completion_ids, {"chosen": 1}, Author("judge", "ai"))
    store.submit(Entry(prompt, (), (judge,)))
    assert assign.open_task(studio, ana, task.assignment).hint is None
    assign.submit(studio, ana, task.assignment, answer(task), NOW)
    hint = assign.open_task(studio, ana, task.assignment).hint
    assert hint is not None
    better = completions[1]
    assert better is not None
    assert task.completions[hint["better"]["chosen"]].text == better.text
    assign.undo(studio, ana, "s", NOW + 1)
    assign.submit(studio, ana, task.assignment, answer(task, key="after-hint"), NOW + 2)
    own = [record for record in only(store) if record.author.id == "ana"]
    assert [record.exposure.get("hints") for record in own] == [True]

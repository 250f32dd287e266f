"""The store as its users see it, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.records import (
    Author,
    Checkpoint,
    Completion,
    Feedback,
    FinishReason,
    Message,
    Prompt,
    Sampling,
)
from burnish.store import Entry, Receipt, open_store


def full_entry() -> Entry:
    prompt = Prompt(
        (Message("system", "Answer briefly."), Message("user", "你好, 這個怎麼樣?")),
        reference="很好",
        metadata={"thing": "lamp", "level": 3, "nested": {"a": [1, 2.5, None, True]}},
        source="task:reviews",
        split="validation",
    )
    sampled = Completion(
        prompt.id,
        "It is\nfine \U0001f600",
        token_ids=(1, 2, 3),
        logprobs=(-0.1, -2.5e-17, -1 / 3),
        checkpoint_id="m_1",
        model="smollm2",
        sampling=Sampling(temperature=0.7, top_k=5, stop=("\n\n",)),
        finish_reason=FinishReason.LENGTH,
        run="r1",
        round=2,
        index=3,
    )
    given_text = Completion(prompt.id, "")
    feedback = Feedback(
        "f-1",
        "comparison",
        prompt.id,
        (given_text.id, sampled.id),
        {"chosen": 1, "strength": 2, "why": "éè"},
        author=Author("judge", "ai"),
        aspect="tone",
        comment="line one\nline two\t\u202b\u05e9\u05dc\u202c",
        time="2024-02-29T23:59:59.25+02:00",
        seconds_spent=3.25,
        exposure={"position": [0, 1]},
        consent="research",
        source="study",
        run="r1",
        round=1,
        metadata={"browser": None},
    )
    return Entry(prompt, (sampled, given_text), (feedback,))


def test_what_goes_in_comes_out(store):
    entry = full_entry()
    assert store.submit(entry) == (Receipt("f-1", "stored"),)
    assert list(store.entries()) == [entry]
    assert store.prompt(entry.prompt.id) == entry.prompt
    assert [store.completion(each.id) for each in entry.completions] == list(entry.completions)
    assert store.feedback("f-1") == entry.feedback[0]


def test_what_was_stored_is_there_when_opened_again(url, rated):
    with open_store(url) as store:
        store.submit(rated("f1"))
    with open_store(url, create=False) as store:
        assert list(store.entries()) == [rated("f1")]


def test_an_unknown_id_is_none(store):
    assert store.prompt("p_x") is store.completion("c_x") is store.feedback("f_x") is None


def test_a_prompt_is_one_entry_with_all_its_records_in_the_order_stored(store, rated):
    first = rated("f1", asked="One?", text="a")
    other = rated("f2", asked="Two?", text="b")
    again = rated("f3", asked="One?", text="c")
    for entry in (first, other, again):
        store.submit(entry)
    together = Entry(first.prompt, first.completions + again.completions, first.feedback + again.feedback)
    assert list(store.entries()) == [together, other]


def test_more_prompts_than_one_chunk_come_in_order(store, rated):
    entries = [rated(f"f{number}") for number in range(450)]
    receipts = list(store.submit_many(entries, batch=100))
    assert [receipt.feedback_id for receipt in receipts] == [f"f{number}" for number in range(450)]
    assert list(store.entries()) == entries


def test_entries_of_some_kinds_and_of_some_prompts(store, rated):
    rating, plain = rated("f1"), rated("f2")
    thumb = replace(plain, feedback=(replace(plain.feedback[0], kind="thumb"),))
    bare = Entry(Prompt.of("Nobody said anything."))
    for entry in (rating, thumb, bare):
        store.submit(entry)
    assert list(store.entries()) == [rating, thumb, bare]
    assert list(store.entries(kinds=["thumb"])) == [thumb]
    assert list(store.entries(kinds="thumb")) == [thumb]
    assert list(store.entries(kinds=["thumb"], prompt_ids=[rating.prompt.id])) == []
    assert list(store.entries(prompt_ids=[bare.prompt.id, rating.prompt.id, "p_unknown"])) == [rating, bare]
    assert list(store.entries(prompt_ids=[])) == []


def test_feedback_may_come_later_than_its_completion(store, rated):
    entry = rated("f1")
    store.submit(replace(entry, feedback=()))
    store.submit(Entry(entry.prompt, (), entry.feedback))
    assert list(store.entries()) == [entry]


def test_feedback_on_a_completion_nobody_brought_is_refused(store, rated):
    entry = rated("f1")
    with pytest.raises(InputError, match=r"completion_ids: 'c_\w+' is not a completion of prompt"):
        store.submit(Entry(entry.prompt, (), entry.feedback))
    elsewhere = Entry(Prompt.of("Another?"), entry.completions)
    with pytest.raises(InputError, match="prompt_id"):
        store.submit(elsewhere)
    assert store.stats()["prompts"] == 0


def test_raw_text_is_a_prompt_without_messages(store):
    prompt = Prompt(())
    texts = tuple(Completion(prompt.id, f"text {number}") for number in range(3))
    store.submit(Entry(prompt, texts))
    assert list(store.entries()) == [Entry(prompt, texts)]


def test_a_reader_sees_one_state_whatever_is_written_meanwhile(store, rated):
    for number in range(3):
        store.submit(rated(f"f{number}"))
    reading = store.entries()
    seen = [next(reading)]
    store.submit(rated("later"))
    store.submit(rated("f0-again", asked="How is thing f1?", text="Thing f1 is fine."))
    seen += reading
    assert [record.id for entry in seen for record in entry.feedback] == ["f0", "f1", "f2"]


def test_reading_half_way_holds_up_nobody(store, rated):
    store.submit(rated("f1"))
    reading = store.entries()
    next(reading)
    store.submit(rated("f2"))
    assert store.stats()["records"] == 2
    reading.close()


# --------------------------------------------------------------------------------------------------------- superseding


def test_a_changed_opinion_supersedes_the_old_one(store, rated):
    store.submit(rated("f1", 2))
    changed = rated("f2", 5, asked="How is thing f1?", text="Thing f1 is fine.", supersedes="f1")
    store.submit(changed)
    (entry,) = store.entries()
    assert entry.feedback == changed.feedback
    (everything,) = store.entries(include_superseded=True)
    assert [record.id for record in everything.feedback] == ["f1", "f2"]
    assert store.stats()["records"] == 1
    assert store.stats()["superseded"] == 1


def test_of_two_changes_of_one_record_the_last_counts(store, rated):
    same = {"asked": "One?", "text": "a"}
    store.submit(rated("f1", 1, **same))
    store.submit(rated("f2", 2, **same, supersedes="f1"))
    store.submit(rated("f3", 3, **same, supersedes="f1"))
    (entry,) = store.entries()
    assert [record.id for record in entry.feedback] == ["f3"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"supersedes": "unknown"}, "supersedes: 'unknown' is not in this store"),
        ({"supersedes": "f1", "author": Author("bob")}, "supersedes: 'f1' is another author's"),
        ({"supersedes": "f1", "author": Author("ana", "ai")}, "supersedes: 'f1' is another author's"),
        ({"supersedes": "f1", "asked": "Another?"}, "supersedes: 'f1' is another author's or on another prompt"),
    ],
)
def test_nobody_changes_what_another_said(store, rated, change, message):
    store.submit(rated("f1", asked="One?"))
    with pytest.raises(InputError, match=message):
        store.submit(rated("f2", **{"asked": "One?", **change}))
    assert [record.id for entry in store.entries() for record in entry.feedback] == ["f1"]


def test_a_record_and_its_change_may_come_in_one_entry(store, rated):
    entry = rated("f1")
    change = replace(entry.feedback[0], id="f2", supersedes="f1")
    store.submit(replace(entry, feedback=(*entry.feedback, change)))
    (found,) = store.entries()
    assert found.feedback == (change,)


# -------------------------------------------------------------------------------------------------- counts, checkpoints


def test_stats_count_people_once_and_anonymous_apart(store, rated):
    for number, author in enumerate([Author("ana"), Author("ana"), Author("bob"), Author("gpt", "ai"), Author()]):
        store.submit(rated(f"f{number}", author=author))
    assert dict(store.stats()) == {
        "records": 5,
        "people": 2,
        "anonymous": 1,
        "by_kind": {"rating": 5},
        "superseded": 0,
        "erased": 0,
        "prompts": 5,
        "completions": 5,
        "snapshots": 0,
        "checkpoints": 0,
    }


def test_checkpoints_come_back_and_the_last_record_of_one_counts(store):
    first = Checkpoint("m_1", "runs/1", "adapter", "smollm2", "grpo", {"lr": 1e-4}, "abc", ("ratings",), "0.1", 7, 30)
    second = Checkpoint("m_2", "runs/2", "reward", sampling=Sampling(temperature=0.5, stop=("a", "b")))
    for checkpoint in (first, second, second):
        store.record_checkpoint(checkpoint)
    moved = replace(first, path="elsewhere/1")
    store.record_checkpoint(moved)
    assert store.checkpoints() == [moved, second]
    assert store.stats()["checkpoints"] == 2
    with pytest.raises(InputError, match="checkpoint: id: empty"):
        store.record_checkpoint(replace(first, id=""))
    with pytest.raises(InputError, match="'m_1': cannot be written as JSON"):
        store.record_checkpoint(replace(first, config={"lr": float("nan")}))


def test_a_closed_store_says_so(url, rated):
    store = open_store(url)
    store.submit(rated("f1"))
    store.close()
    store.close()
    with pytest.raises(InputError, match="closed"):
        store.submit(rated("f2"))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=texts, said=texts, comment=texts, value=st.dictionaries(texts, json_values, max_size=4))
def test_any_text_and_any_finite_json_comes_back_unchanged(store, asked, said, comment, value):
    prompt = Prompt.of(asked, metadata=value)
    completion = Completion(prompt.id, said)
    name = f"f{store.stats()['records']}"
    feedback = Feedback(name, "comment", prompt.id, (completion.id,), value, comment=comment)
    store.submit(Entry(prompt, (completion,), (feedback,)))
    assert store.feedback(name) == feedback
    assert store.completion(completion.id) == completion


def test_answers_are_counted_by_study_and_their_prompts_named(store, rated):
    said = [
        rated("a", run="studio:films", author=Author("ana"), time="2026-05-01T10:00:00Z"),
        rated("b", run="studio:films", author=Author("bob"), time="2026-05-02T10:00:00Z"),
        rated("c", run="studio:songs", author=Author("ana"), time="2026-05-03T10:00:00Z"),
        rated("d", author=Author("cy")),
    ]
    for entry in said:
        store.submit(entry)
    store.submit(rated("b2", asked="How is thing b?", run="studio:films", author=Author("bob"), supersedes="b"))
    counted = store.by_study()
    assert list(counted) == ["songs", "films"]  # the last answered first
    assert counted["songs"] == (1, 1, "2026-05-03T10:00:00Z")
    assert counted["films"][:2] == (2, 2)
    names = [entry.prompt.id for entry in said]
    assert store.answered_prompts("studio:films") == names[:2]
    assert store.answered_prompts() == names
    store.erase_author("cy")
    assert store.answered_prompts() == names[:3]

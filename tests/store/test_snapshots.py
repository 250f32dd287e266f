"""Snapshots: the same signals have one name, and come back equal."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from burnish.errors import DamagedFileError, InputError
from burnish.plain import snapshot_hash
from burnish.records import (
    Author,
    Completion,
    Critique,
    Demonstration,
    Feedback,
    FinishReason,
    Preference,
    Prompt,
    Sampling,
    Score,
    Span,
)
from burnish.store import Entry


def all_signals():
    prompt = Prompt.of("How is it?", metadata={"thing": "lamp"}, split="test", reference="Good.")
    other = Prompt(())
    good = Completion(
        prompt.id,
        "Good.",
        (1, 2),
        (-0.5, -1e-300),
        "m_1",
        "lm",
        Sampling(0.5, stop=("x",)),
        FinishReason.STOP,
        "r",
        1,
        2,
    )
    bad = Completion(prompt.id, "Bad.")
    raw = Completion(other.id, "Some raw text.")
    return [
        Demonstration(other, raw),
        Preference(prompt, (good, bad), (0, 1), 0.8, 0.01, 2.0, 1.5, feedback_ids=("f1", "f2")),
        Preference(prompt, (bad, good, bad), (None, 0, 0)),
        Score(
            prompt,
            good,
            0.25,
            1e-9,
            (0.1, 0.4),
            "tone",
            "ratings",
            "why",
            (Span(0, 2, "ok"),),
            1.0,
            ((4.0, 3),),
            ("f3",),
        ),
        Score(prompt, bad, None),
        Critique(prompt, bad, "Too short.", revision="It is bad because ...", feedback_ids=("f1",)),
    ]


def test_signals_come_back_equal_under_their_hash(store):
    signals = all_signals()
    name = store.save_snapshot(signals)
    assert name == snapshot_hash(signals)
    assert store.load_snapshot(name) == signals


def test_saving_the_same_twice_is_one_snapshot(store):
    assert store.save_snapshot(all_signals()) == store.save_snapshot(all_signals())
    (found,) = store.snapshots()
    assert (found.signals, found.feedback, found.lost) == (6, 3, 0)
    assert found.time.endswith("Z")


def test_order_is_part_of_the_name(store):
    signals = all_signals()
    names = {store.save_snapshot(signals), store.save_snapshot(signals[::-1])}
    assert len(names) == 2
    assert store.load_snapshot(snapshot_hash(signals[::-1])) == signals[::-1]
    assert [found.hash for found in store.snapshots()] == [snapshot_hash(signals), snapshot_hash(signals[::-1])]


def test_texts_are_stored_once_for_all_snapshots(store):
    signals = all_signals()
    store.save_snapshot(signals)
    store.save_snapshot(signals[:3])
    with store._database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM snapshot_texts")).scalar() == 5


def test_nothing_to_save_and_nothing_to_load_are_said(store):
    with pytest.raises(InputError, match="no signals to save"):
        store.save_snapshot([])
    with pytest.raises(InputError, match="'abc' is not in this store"):
        store.load_snapshot("abc")


def test_a_signal_that_is_not_finite_is_refused(store):
    prompt = Prompt.of("?")
    bad = Preference(prompt, (), (), margin=float("nan"))
    with pytest.raises(InputError, match="cannot be written as JSON"):
        store.save_snapshot([bad])
    assert store.snapshots() == []


def test_a_snapshot_changed_from_outside_is_not_loaded_as_if_whole(store):
    name = store.save_snapshot(all_signals())
    with store._database.writing() as connection:
        connection.execute(text("UPDATE snapshot_texts SET body = replace(body, 'Bad.', 'Fad.')"))
    with pytest.raises(DamagedFileError, match="does not rebuild to its hash"):
        store.load_snapshot(name)


def test_each_record_is_held_by_a_hash_with_a_salt_of_its_own(store, rated):
    entry = rated("f1")
    store.submit(entry)
    for weight in (1.0, 2.0):
        store.save_snapshot([Demonstration(entry.prompt, entry.completions[0], weight, ("f1",))])
    with store._database.reading() as connection:
        rows = connection.execute(text("SELECT feedback_id, salt, digest FROM snapshot_feedback")).all()
    assert [row[0] for row in rows] == ["f1", "f1"]
    assert len({bytes(row[1]) for row in rows}) == len({bytes(row[2]) for row in rows}) == 2


prompts = st.builds(Prompt.of, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(
        st.tuples(
            prompts, st.floats(allow_nan=False, allow_infinity=False), st.lists(st.sampled_from("abc"), max_size=3)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_scores_come_back_equal(store, drawn):
    signals = [
        Score(prompt, Completion(prompt.id, "t"), value, feedback_ids=tuple(ids)) for prompt, value, ids in drawn
    ]
    assert store.load_snapshot(store.save_snapshot(signals)) == signals


def test_a_snapshot_names_the_runs_and_authors_behind_it_also_once_they_are_erased(store):
    prompt = Prompt.of("How is it?")
    good = Completion(prompt.id, "Good.")
    said = [
        Feedback(f"f{number}", "thumb", prompt.id, (good.id,), {"thumb": True}, Author(who), run=run)
        for number, (who, run) in enumerate([("ana", "studio:s"), ("ana", "studio:s"), ("bob", ""), ("cy", "studio:s")])
    ]
    before = store.revision()
    store.submit(Entry(prompt, (good,), tuple(said)))
    assert store.revision() != before
    before = store.revision()
    name = store.save_snapshot([Score(prompt, good, 1.0, feedback_ids=("f0", "f1", "f2", "from a file"))])
    assert store.revision() != before
    assert store.behind_snapshot(name) == {("studio:s", "ana"): 2, ("", "bob"): 1}
    before = store.revision()
    store.erase_author("bob")
    assert store.revision() != before
    assert sum(store.behind_snapshot(name).values()) == 3

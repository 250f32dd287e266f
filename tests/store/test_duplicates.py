"""Sending again is safe, and one id never stands for two contents (C2, J4)."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.records import Author
from burnish.store import Entry, Receipt, check


def ids_of(store, **options):
    return [record.id for entry in store.entries(**options) for record in entry.feedback]


def ratings_of(store):
    return {record.id: record.value["rating"] for entry in store.entries() for record in entry.feedback}


def changed(entry, rating):
    return replace(entry, feedback=(replace(entry.feedback[0], value={"rating": rating, "scale": [1, 5]}),))


def test_the_same_again_is_known_and_stored_once(store, rated):
    for status in ("stored", "known", "known"):
        for mode in ("error",) if status == "stored" else ("error", "skip", "replace"):
            (receipt,) = store.submit(rated("f1"), on_duplicate=mode)
            assert receipt == Receipt("f1", status)
    assert ids_of(store, include_superseded=True) == ["f1"]


def test_the_same_id_with_other_content_is_refused_naming_what_differs(store, rated):
    store.submit(rated("f1", 4))
    with pytest.raises(InputError, match=r"feedback 'f1': id: .*other content.*\(different: value\)"):
        store.submit(rated("f1", 5))
    assert ratings_of(store) == {"f1": 4}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"author": Author("bob")}, "author_id"),
        ({"comment": "x"}, "comment"),
        ({"time": "2024-01-01T00:00:00Z"}, "time"),
        ({"seconds_spent": 1.0}, "seconds_spent"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"asked": "Another?"}, "prompt"),
    ],
)
def test_any_field_makes_other_content(store, rated, change, field):
    store.submit(rated("f1"))
    with pytest.raises(InputError, match=field):
        store.submit(rated("f1", **change))


def test_skip_keeps_the_old_and_says_so(store, rated):
    store.submit(rated("f1", 4))
    (receipt,) = store.submit(rated("f1", 5), on_duplicate="skip")
    assert (receipt.feedback_id, receipt.status) == ("f1", "conflict")
    assert "kept" in receipt.message
    assert ratings_of(store) == {"f1": 4}


def test_replace_stores_a_new_record_that_supersedes(store, rated):
    store.submit(rated("f1", 1))
    (receipt,) = store.submit(rated("f1", 2), on_duplicate="replace")
    assert receipt == Receipt("f1~2", "replaced", "supersedes 'f1'")
    (receipt,) = store.submit(rated("f1", 3), on_duplicate="replace")
    assert receipt == Receipt("f1~3", "replaced", "supersedes 'f1~2'")
    assert ratings_of(store) == {"f1~3": 3}
    assert ids_of(store, include_superseded=True) == ["f1", "f1~2", "f1~3"]
    assert store.feedback("f1").value["rating"] == 1


def test_replacing_again_with_the_same_is_known_and_going_back_is_a_change(store, rated):
    store.submit(rated("f1", 1))
    store.submit(rated("f1", 2), on_duplicate="replace")
    assert store.submit(rated("f1", 2), on_duplicate="replace") == (Receipt("f1~2", "known"),)
    assert store.submit(rated("f1", 2)) == (Receipt("f1", "known"),)
    assert store.submit(rated("f1", 1)) == (Receipt("f1", "known"),)
    with pytest.raises(InputError, match="other content"):
        store.submit(rated("f1", 5))
    (receipt,) = store.submit(rated("f1", 1), on_duplicate="replace")
    assert receipt.feedback_id == "f1~3"
    assert ratings_of(store) == {"f1~3": 1}


def test_an_export_names_no_old_record_and_still_comes_back_as_known(store, rated):
    same = {"asked": "One?", "text": "a"}
    store.submit(rated("f1", 1, **same))
    store.submit(rated("f2", 2, **same, supersedes="f1"))
    assert store.submit(rated("f2", 2, **same)) == (Receipt("f2", "known"),)
    store.submit(rated("f3", 3, **same))
    with pytest.raises(InputError, match=r"different: supersedes"):
        store.submit(rated("f3", 3, **same, supersedes="f1"))


@pytest.mark.parametrize("change", [{"author": Author("bob")}, {"author": Author("ana", "ai")}, {"asked": "Another?"}])
def test_replace_takes_no_place_of_another_author_or_on_another_prompt(store, rated, change):
    store.submit(rated("f1", 1))
    with pytest.raises(InputError, match=r"'f1': id: stands for a record of another author or on another prompt"):
        store.submit(rated("f1", 5, **change), on_duplicate="replace")
    assert ratings_of(store) == {"f1": 1}


def test_replace_steps_over_ids_in_use(store, rated):
    store.submit(rated("f1", 1))
    store.submit(rated("f1~2", asked="Another?"))
    store.submit(rated("f1~3", asked="A third?"))
    (receipt,) = store.submit(rated("f1", 2), on_duplicate="replace")
    assert receipt.feedback_id == "f1~4"
    assert ids_of(store) == ["f1~4", "f1~2", "f1~3"]


def test_an_entry_is_stored_whole_or_not_at_all(store, rated):
    store.submit(rated("f1", 4))
    new = rated("f2", asked="New?", text="new")
    clash = replace(rated("f1", 5).feedback[0], prompt_id=new.prompt.id, completion_ids=(new.completions[0].id,))
    both = replace(new, feedback=(*new.feedback, clash))
    with pytest.raises(InputError, match="'f1'"):
        store.submit(both)
    assert store.prompt(new.prompt.id) is None
    assert ids_of(store) == ["f1"]
    statuses = [receipt.status for receipt in store.submit(both, on_duplicate="skip")]
    assert statuses == ["stored", "conflict"]


def test_one_id_twice_in_an_entry(store, rated):
    entry = rated("f1")
    assert [each.status for each in store.submit(replace(entry, feedback=entry.feedback * 2))] == ["stored", "known"]
    other = rated("f2")
    twice = replace(other, feedback=(*other.feedback, *changed(other, 1).feedback))
    with pytest.raises(InputError, match="'f2'"):
        store.submit(twice)
    assert ids_of(store) == ["f1"]


def test_an_unknown_policy_is_refused(store, rated):
    with pytest.raises(InputError, match=r"on_duplicate: 'replaced' is unknown\. Did you mean 'replace'"):
        store.submit(rated("f1"), on_duplicate="replaced")


def told(entry, **parts):
    """Return the entry with more said of its prompt; the prompt's id does not depend on it."""
    return replace(entry, prompt=replace(entry.prompt, **parts))


@pytest.mark.parametrize("batch", [1, 10])
def test_what_a_later_entry_says_otherwise_of_a_prompt_is_told_and_not_stored(store, rated, batch):
    entries = [
        told(rated("f1", asked="One?"), split="test", metadata={"a": 1}),
        rated("f2", asked="One?"),
        told(rated("f3", asked="One?"), split="test", reference="r", metadata={"a": 2}, source="elsewhere"),
        rated("g1", asked="Two?"),
        told(rated("g2", asked="Two?"), split="validation"),
    ]
    receipts = list(store.submit_many(entries, batch=batch))
    assert [each.prompt_kept for each in receipts] == ["", "", "reference, metadata", "", "split"]
    assert {each.status for each in receipts} == {"stored"}
    assert [(entry.prompt.split, entry.prompt.reference) for entry in store.entries()] == [
        ("test", None),
        ("train", None),
    ]


# ---------------------------------------------------------------------------------------------------------- submit_many


def test_an_import_reports_each_record_and_goes_on_after_a_clash(store, rated):
    store.submit(rated("f2", 1))
    entries = [rated("f1"), rated("f2", 5), check(rated("f3")), rated("f1")]
    receipts = list(store.submit_many(entries, batch=2))
    assert [(each.feedback_id, each.status) for each in receipts] == [
        ("f1", "stored"),
        ("f2", "conflict"),
        ("f3", "stored"),
        ("f1", "known"),
    ]
    assert "other content" in receipts[1].message
    assert ratings_of(store) == {"f2": 1, "f1": 4, "f3": 4}


def test_an_import_again_adds_nothing(store, rated):
    entries = [rated(f"f{number}") for number in range(25)]
    assert {each.status for each in store.submit_many(entries, batch=7)} == {"stored"}
    before = dict(store.stats())
    assert {each.status for each in store.submit_many(entries, batch=4)} == {"known"}
    assert dict(store.stats()) == before


def test_an_import_replaces_within_itself(store, rated):
    entries = [rated("f1", rating) for rating in (1, 2, 3, 3)]
    receipts = list(store.submit_many(entries, on_duplicate="replace"))
    assert [each.status for each in receipts] == ["stored", "replaced", "replaced", "known"]
    assert ratings_of(store) == {"f1~3": 3}


def test_an_invalid_entry_ends_an_import_after_those_before_it(store, rated):
    entries = [rated("f1"), rated("f2"), rated("f3", float("nan")), rated("f4")]
    receipts = []
    with pytest.raises(InputError, match=r"'f3': value\.rating: nan"):
        receipts.extend(store.submit_many(entries, batch=10))
    assert ids_of(store) == ["f1", "f2"]


def test_all_or_nothing_stores_nothing_at_the_first_clash(store, rated):
    store.submit(rated("f9", 1))
    entries = [rated(f"f{number}", 2) for number in range(12)]
    with pytest.raises(InputError, match="'f9'"):
        list(store.submit_many(entries, batch=3, all_or_nothing=True))
    assert ids_of(store) == ["f9"]
    receipts = list(store.submit_many(entries[:9], batch=3, all_or_nothing=True))
    assert [each.status for each in receipts] == ["stored"] * 9


def test_all_or_nothing_names_every_clash_and_holds_nothing_until_its_end(store, rated):
    store.submit(rated("f2", 1))
    store.submit(rated("f5", 1))
    receipts = store.submit_many([rated(f"f{number}", 2) for number in range(8)], batch=3, all_or_nothing=True)
    seen = list(islice(receipts, 8))
    assert [each.feedback_id for each in seen if each.status == "conflict"] == ["f2", "f5"]
    with pytest.raises(InputError, match="'f2'"):
        next(receipts)
    receipts = store.submit_many([rated("g1")], all_or_nothing=True)
    assert next(receipts).status == "stored"
    receipts.close()

    def veto():
        raise InputError("not like this")

    with pytest.raises(InputError, match="not like this"):
        list(store.submit_many([rated("g1")], all_or_nothing=True, before_commit=veto))
    assert ids_of(store) == ["f2", "f5"]


def test_nothing_is_stored_before_receipts_are_drawn(store, rated):
    receipts = store.submit_many([rated("f1"), rated("f2")], batch=1)
    assert store.stats()["records"] == 0
    next(receipts)
    assert store.stats()["records"] == 1
    receipts.close()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_any_order_of_retries_ends_in_the_same_store(store, rated, seed):
    """C2 with a model: a dictionary says which content stands; retries, double clicks and reordering change nothing."""
    draw = random.Random(seed)
    wanted = {f"s{seed}-{number}": draw.randint(1, 5) for number in range(6)}
    sends = [(name, rating) for name, rating in wanted.items() for _ in range(draw.randint(1, 3))]
    draw.shuffle(sends)
    seen: dict[str, int] = {}
    for name, rating in sends:
        if draw.random() < 0.5:
            (receipt,) = store.submit(rated(name, rating))
        else:
            (receipt,) = store.submit_many([rated(name, rating)])
        assert receipt == Receipt(name, "known" if name in seen else "stored")
        seen[name] = rating
    stored = {name: rating for name, rating in ratings_of(store).items() if name.startswith(f"s{seed}-")}
    assert stored == wanted


def test_an_entry_without_feedback_has_no_receipts(store, rated):
    assert store.submit(replace(rated("f1"), feedback=())) == ()
    assert list(store.submit_many([Entry(rated("f2").prompt)])) == []
    assert store.stats()["prompts"] == 2

"""Forgetting (A7): the words are gone from rows and bytes, a tombstone stays, and what used them is named."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from burnish.errors import InputError
from burnish.records import (
    Author,
    Checkpoint,
    Completion,
    Critique,
    Demonstration,
    Feedback,
    FinishReason,
    Preference,
    Prompt,
    Sampling,
    Score,
)
from burnish.store import Entry, Erasure, LostSignalsError, Receipt, open_store

ANA, BOB = Author("ana"), Author("bob")


def corrected(name: str, words: str, author: Author = ANA) -> Entry:
    """Return an entry in which an author corrects a model's text and says why."""
    prompt = Prompt.of("How is the lamp?")
    shown = Completion(prompt.id, "It glows.")
    value = {"correction": f"The {words} correction."}
    said = Feedback(name, "correction", prompt.id, (shown.id,), value, author, comment=f"A {words} comment.")
    return Entry(prompt, (shown,), (said,))


def own_text(entry: Entry) -> Completion:
    return Completion(entry.prompt.id, entry.feedback[0].value["correction"])


def bytes_of(url: str) -> bytes:
    path = Path(url.removeprefix("sqlite:///"))
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))


def test_the_words_go_and_a_tombstone_stays(store, rated):
    store.submit(corrected("f1", "planted"))
    store.submit(rated("f2", author=BOB))
    assert store.erase_author("ana") == Erasure(1)
    assert store.feedback("f1") is None
    assert [record.id for entry in store.entries() for record in entry.feedback] == ["f2"]
    assert store.stats()["erased"] == 1
    assert store.stats()["people"] == 1
    with store._database.reading() as connection:
        row = connection.execute(text("SELECT * FROM feedback WHERE id = 'f1'")).mappings().one()
    assert (row["kind"], row["author_kind"]) == ("correction", "human")
    assert row["author_id"].startswith("erased_")
    assert row["erased_ms"] > 0


def test_one_person_s_tombstones_stay_together_and_lead_to_nobody(store, rated):
    for number in range(3):
        store.submit(rated(f"f{number}"))
    store.erase_author("ana")
    with store._database.reading() as connection:
        names = set(connection.execute(text("SELECT author_id FROM feedback")).scalars())
    assert len(names) == 1
    assert "ana" not in names.pop()


def test_the_bytes_are_gone_from_every_file(sqlite_url, rated):
    """Records of every size, erased among others that stay, while the log still holds them."""
    draw = random.Random(7)
    with open_store(sqlite_url) as store:
        for number in range(300):
            mine = number % 3 == 0
            words = ("planted" if mine else "staying") * draw.choice([1, 5, 300, 2000])
            author = Author("zq-secret-name") if mine else BOB
            entry = corrected(f"f{number}", words, author) if number % 2 else rated(f"f{number}", author=author)
            store.submit(replace(entry, feedback=(replace(entry.feedback[0], comment=words),)))
            if number % 50 == 0:
                store.submit(Entry(entry.prompt, (own_text(entry),) if number % 2 else ()))
        signals = [
            Critique(each.prompt, each.completions[0], record.comment, feedback_ids=(record.id,))
            for each in store.entries()
            for record in each.feedback
        ]
        store.save_snapshot(signals)
        assert b"planted" in bytes_of(sqlite_url)
        erased = store.erase_author("zq-secret-name")
        assert erased.purged
        assert erased.records == 100
        left = bytes_of(sqlite_url)
        assert b"planted" not in left
        assert b"zq-secret-name" not in left
        assert b"staying" in left
        kept = [record.comment for entry in store.entries() for record in entry.feedback]
        assert len(kept) == 200
        assert all("staying" in comment for comment in kept)
    assert b"planted" not in bytes_of(sqlite_url)


def test_the_rewritten_file_is_sound_and_holds_all_others_said(sqlite_url, rated):
    with open_store(sqlite_url) as store:
        entries = [rated(f"f{number}", author=BOB) for number in range(50)]
        list(store.submit_many(entries))
        store.submit(rated("mine"))
        store.erase_author("ana")
        assert list(store.entries())[:50] == entries
        with store._database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def test_a_completion_the_author_wrote_goes_too_and_their_feedback_on_it(store):
    entry = corrected("f1", "planted")
    mine = own_text(entry)
    liked = Feedback("f2", "thumb", entry.prompt.id, (mine.id,), {"thumb": True}, ANA)
    shown = Feedback("f3", "thumb", entry.prompt.id, (entry.completions[0].id,), {"thumb": False}, BOB)
    store.submit(Entry(entry.prompt, (*entry.completions, mine), (*entry.feedback, liked, shown)))
    assert store.erase_author("ana").records == 2
    assert store.completion(mine.id) is None
    (left,) = store.entries()
    assert left.completions == entry.completions
    assert left.feedback == (shown,)


@pytest.mark.parametrize("other", [BOB, Author(), Author("ana", "ai")])
def test_a_completion_stays_while_what_somebody_else_said_hangs_on_it(store, other):
    entry = corrected("f1", "planted")
    mine = own_text(entry)
    liked = Feedback("f2", "thumb", entry.prompt.id, (mine.id,), {"thumb": True}, other)
    store.submit(Entry(entry.prompt, (*entry.completions, mine), (*entry.feedback, liked)))
    assert store.erase_author("ana") == Erasure(1, texts_kept=1)
    (left,) = store.entries()
    assert left.feedback == (liked,)
    assert store.submit(replace(left, feedback=(replace(liked, id="f3"),)))[0].status == "stored"


def test_a_text_that_two_people_wrote_stays_the_other_s(store):
    entry, same = corrected("f1", "planted"), corrected("f2", "planted", BOB)
    mine = own_text(entry)
    store.submit(replace(entry, completions=(*entry.completions, mine)))
    store.submit(same)
    theirs = Demonstration(entry.prompt, mine, feedback_ids=("f2",))
    used = store.save_snapshot([theirs])
    assert store.erase_author("ana") == Erasure(1, texts_kept=1)
    assert store.load_snapshot(used) == [theirs]
    assert store.completion(mine.id) == mine
    assert store.erase_author("bob") == Erasure(1, (used,))
    assert store.completion(mine.id) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("comparison", {"tie": "good"}),
        ("comment", {"comment": "good"}),
        ("span", {"spans": [{"start": 0, "end": 1, "label": "good", "note": "good"}]}),
    ],
)
def test_a_word_of_an_answer_that_equals_a_completion_does_not_take_it_along(store, kind, value):
    prompt = Prompt.of("How is the lamp?")
    one, other, good = (Completion(prompt.id, words) for words in ("It glows.", "It hums.", "good"))
    shown = (one.id, other.id) if kind == "comparison" else (one.id,)
    said = Feedback("f1", kind, prompt.id, shown, value, ANA)
    rated = Feedback("f2", "rating", prompt.id, (good.id,), {"rating": 4, "scale": [1, 5]}, BOB)
    store.submit(Entry(prompt, (one, other, good), (said, rated)))
    assert store.erase_author("ana") == Erasure(1)
    (left,) = store.entries()
    assert left.feedback == (rated,)
    vote = Feedback("f3", "thumb", prompt.id, (good.id,), {"thumb": True}, Author("cy"))
    assert store.submit(Entry(prompt, (good,), (vote,)))[0].status == "stored"
    assert store.erase_author("bob") == Erasure(1)


def test_authors_are_counted_in_the_rows_whatever_became_of_the_texts(store, rated):
    list(store.submit_many([rated("f1"), rated("f2", author=BOB), rated("f3", author=Author("ana", "ai"))]))
    store.submit(rated("f1", 1), on_duplicate="replace")
    store.submit(rated("f4", author=Author()))
    assert store.authors() == {"ana": 2, "bob": 1}
    assert store.authors(author_kind="ai") == {"ana": 1}
    store.erase_author("ana")
    assert store.authors() == {"bob": 1}


def test_a_text_that_was_shown_is_not_the_author_s_own(store):
    """A ranking names the texts it ranks by id, and a comment may quote one: neither makes it theirs."""
    prompt = Prompt.of("Which?")
    pair = (Completion(prompt.id, "a"), Completion(prompt.id, "b"))
    ids = tuple(each.id for each in pair)
    value = {"order": list(ids), "quote": "a"}
    store.submit(Entry(prompt, pair, (Feedback("f1", "ranking", prompt.id, ids, value, Author("ana"), comment="b"),)))
    store.erase_author("ana")
    (left,) = store.entries()
    assert left.completions == pair


def test_a_model_s_sample_is_never_erased(store):
    entry = corrected("f1", "planted")
    sampled = replace(own_text(entry), model="lm")
    sampled = replace(sampled, sampling=Sampling(), finish_reason=FinishReason.STOP)
    store.submit(Entry(entry.prompt, (*entry.completions, sampled), entry.feedback))
    store.erase_author("ana")
    assert store.completion(sampled.id) == sampled


def test_snapshots_and_checkpoints_that_used_the_words_are_named(store, rated):
    mine, bobs = rated("f1"), rated("f2", author=BOB)
    list(store.submit_many([mine, bobs]))

    def score(entry, *names):
        return Score(entry.prompt, entry.completions[0], 0.5, feedback_ids=names)

    used = store.save_snapshot([score(mine, "f1"), score(bobs, "f2")])
    untouched = store.save_snapshot([score(bobs, "f2")])
    for checkpoint in (
        Checkpoint("m_base", "runs/0", "model"),
        Checkpoint("m_used", "runs/1", "reward", snapshot=used),
        Checkpoint("m_untouched", "runs/2", "reward", snapshot=untouched),
        Checkpoint("m_grandchild", "runs/4", "adapter", parent="m_child", snapshot=untouched),
        Checkpoint("m_child", "runs/3", "adapter", parent="m_used"),
    ):
        store.record_checkpoint(checkpoint)
    assert store.erase_author("ana") == Erasure(1, (used,), ("m_used", "m_grandchild", "m_child"))
    assert [found.lost for found in store.snapshots()] == [1, 0]
    assert store.load_snapshot(untouched) == [score(bobs, "f2")]
    with pytest.raises(LostSignalsError, match=r"lost 1 of its 2 signals: their feedback 'f1' was erased on request"):
        store.load_snapshot(used)
    assert store.load_snapshot(used, allow_lost=True) == [score(bobs, "f2")]
    assert store.erase_author("ana") == Erasure(0)
    assert store.erase_author("bob").snapshots == (used, untouched)


def test_words_that_only_a_snapshot_holds_go_too(sqlite_url):
    """A correction becomes a completion on the fly: the store's own table never held it."""
    entry = corrected("f1", "planted")
    mine = own_text(entry)
    pair = Preference(entry.prompt, (mine, entry.completions[0]), (0, 1), feedback_ids=("f1",))
    demonstration = Demonstration(entry.prompt, mine, feedback_ids=("f1",))
    copied = Demonstration(entry.prompt, mine)  # the same text in a signal that forgot where it came from
    bystander = Demonstration(entry.prompt, entry.completions[0])
    with open_store(sqlite_url) as store:
        store.submit(entry)
        first = store.save_snapshot([pair, demonstration, bystander])
        second = store.save_snapshot([copied, bystander])
        erased = store.erase_author("ana")
        assert erased.snapshots == (first, second)
        assert b"planted" not in bytes_of(sqlite_url)
        assert store.load_snapshot(first, allow_lost=True) == [bystander]
        with pytest.raises(LostSignalsError, match="words in them were erased"):
            store.load_snapshot(second)


def test_salts_of_erased_records_are_thrown_away(store, rated):
    entry = rated("f1")
    store.submit(entry)
    store.save_snapshot([Demonstration(entry.prompt, entry.completions[0], feedback_ids=("f1",))])
    store.erase_author("ana")
    with store._database.reading() as connection:
        assert connection.execute(text("SELECT salt FROM snapshot_feedback")).scalar() is None


def test_erasing_one_record_takes_its_versions_and_no_other(store, rated):
    same = {"asked": "One?", "text": "a"}
    store.submit(rated("f1", 1, **same))
    store.submit(rated("f1", 2, **same), on_duplicate="replace")
    store.submit(rated("f3", 3, **same, supersedes="f1~2"))
    store.submit(rated("f4", 4, **same))
    assert store.erase("f1~2") == Erasure(3)
    assert [record.id for entry in store.entries(include_superseded=True) for record in entry.feedback] == ["f4"]
    assert store.erase("f1") == Erasure(0)
    with pytest.raises(InputError, match="feedback 'f9' is not in this store"):
        store.erase("f9")


def test_what_was_erased_does_not_come_back(store, rated):
    store.submit(rated("f1"))
    store.erase_author("ana")
    for mode in ("error", "skip", "replace"):
        (receipt,) = store.submit(rated("f1", 5), on_duplicate=mode)
        assert receipt == Receipt("f1", "known", "it was erased on request and is not stored again")
    with pytest.raises(InputError, match="'f1' was erased"):
        store.submit(rated("f2", asked="How is thing f1?", supersedes="f1"))
    entry = rated("f1")
    with pytest.raises(InputError, match="erased on request"):
        store.save_snapshot([Demonstration(entry.prompt, entry.completions[0], feedback_ids=("f1",))])
    assert store.stats()["records"] == 0


def test_feedback_on_an_erased_completion_is_refused(store):
    entry = corrected("f1", "planted")
    mine = own_text(entry)
    store.submit(replace(entry, completions=(*entry.completions, mine)))
    store.erase_author("ana")
    liked = Feedback("f2", "thumb", entry.prompt.id, (mine.id,), {"thumb": True}, BOB)
    for completions in ((), (mine,)):
        with pytest.raises(InputError, match=f"'{mine.id}' was erased on request"):
            store.submit(Entry(entry.prompt, completions, (liked,)))


def test_kinds_of_author_are_told_apart_and_nobody_is_nobody(store, rated):
    store.submit(rated("f1", author=Author("gpt", "ai")))
    store.submit(rated("f2", author=Author()))
    assert store.erase_author("gpt").records == 0
    assert store.erase_author("gpt", author_kind="ai").records == 1
    with pytest.raises(InputError, match="anonymous record has no author"):
        store.erase_author("")
    assert store.erase("f2").records == 1


def test_bytes_held_by_a_reader_go_at_the_next_opening(sqlite_url, rated, monkeypatch):
    monkeypatch.setattr("burnish.store.purge._PURGE_SECONDS", 0.1)
    with open_store(sqlite_url) as store, open_store(sqlite_url) as neighbour:
        store.submit(rated("f1", comment="planted"))
        for number in range(3):
            store.submit(rated(f"g{number}", author=BOB))
        reading = neighbour.entries()
        next(reading)
        erased = store.erase_author("ana")
        assert erased == Erasure(1, purged=False)
        assert b"planted" in bytes_of(sqlite_url)
        reading.close()
        with open_store(sqlite_url):
            assert b"planted" not in bytes_of(sqlite_url)
        with open_store(sqlite_url) as again:
            assert again.stats()["erased"] == 1

"""No row of the log can be changed, moved, put in or left out without being noticed."""

from __future__ import annotations

import random
import threading

import pytest
from sqlalchemy import delete, insert, select, update

from burnish.errors import DamagedFileError, InputError
from burnish.store import Store
from burnish.store.accounts_schema import audit as table
from burnish.store.audit import GENESIS, Anchor, append, link

ROWS = 120


def filled(store: Store) -> Anchor:
    with store._database.writing() as connection:
        for number in range(ROWS):
            append(connection, number, 7, "deed", f"thing:{number}", note="näive ✓", number=number)
    return store.audit.head()


def rows_of(store: Store) -> list[dict[str, object]]:
    with store._database.reading() as connection:
        return [row._asdict() for row in connection.execute(select(table).order_by(table.c.seq))]


def test_an_honest_log_is_whole_and_holds_its_anchor(store: Store) -> None:
    assert store.audit.verify() == store.audit.head() == Anchor(0, GENESIS)
    noted = filled(store)
    store.audit.record(9, None, "deed")
    assert store.audit.verify(noted).seq == ROWS + 1
    assert [event.seq for event in store.audit.latest(2, before=ROWS)] == [ROWS - 1, ROWS - 2]
    assert store.audit.latest(1, actor=7)[0].details == {"note": "näive ✓", "number": ROWS - 1}


@pytest.mark.parametrize("field", ["time_ms", "actor", "action", "subject", "details", "hash", "seq"])
def test_a_changed_field_is_named(store: Store, field: str) -> None:
    filled(store)
    generator = random.Random(field)
    for seq in generator.sample(range(1, ROWS + 1), 3):
        before = rows_of(store)[seq - 1]
        other = {"time_ms": 5_000, "actor": 8, "seq": ROWS + 50}.get(field, str(before[field]) + " ")
        here = ROWS + 50 if field == "seq" else seq
        with store._database.writing() as connection:
            connection.execute(update(table).where(table.c.seq == seq).values({field: other}))
        with pytest.raises(DamagedFileError, match=rf"row {seq} "):
            store.audit.verify()
        with store._database.writing() as connection:
            connection.execute(update(table).where(table.c.seq == here).values({field: before[field]}))
    assert store.audit.verify().seq == ROWS


def test_a_row_taken_out_moved_or_put_in_is_named(store: Store) -> None:
    filled(store)
    rows = rows_of(store)
    for seq in (1, 60, ROWS - 1):
        taken = [row for row in rows if row["seq"] != seq]
        closed_up = [{**row, "seq": place} for place, row in enumerate(taken, 1)]
        swapped = list(rows)
        swapped[seq - 1], swapped[seq] = ({**rows[seq], "seq": seq}, {**rows[seq - 1], "seq": seq + 1})
        doubled = [{**row, "seq": place} for place, row in enumerate([*rows[:seq], rows[seq - 1], *rows[seq:]], 1)]
        for tampered, named in ((taken, seq), (closed_up, seq), (swapped, seq), (doubled, seq + 1)):
            rewrite(store, tampered)
            with pytest.raises(DamagedFileError, match=rf"row {named} "):
                store.audit.verify()


def test_a_row_forged_with_its_own_right_hash_shows_at_the_next(store: Store) -> None:
    filled(store)
    rows = rows_of(store)
    forged = {**rows[59], "actor": 8}
    rewrite(store, [*rows[:59], {**forged, "hash": link(str(rows[58]["hash"]), forged)}, *rows[60:]])
    with pytest.raises(DamagedFileError, match=r"row 61 "):
        store.audit.verify()


def test_a_cut_end_and_a_log_written_anew_show_against_the_anchor_only(store: Store) -> None:
    noted = filled(store)
    rows = rows_of(store)
    rewrite(store, rows[:-1])
    assert store.audit.verify().seq == ROWS - 1
    with pytest.raises(DamagedFileError, match=rf"ends at row {ROWS - 1} and does not hold row {ROWS}"):
        store.audit.verify(noted)
    forged, before = [], GENESIS
    for row in rows:
        forged.append({**row, "actor": 8, "hash": link(before, {**row, "actor": 8})})
        before = str(forged[-1]["hash"])
    rewrite(store, forged)
    assert store.audit.verify().seq == ROWS
    with pytest.raises(DamagedFileError, match=f"does not hold row {ROWS}"):
        store.audit.verify(noted)


def rewrite(store: Store, rows: list[dict[str, object]]) -> None:
    with store._database.writing() as connection:
        connection.execute(delete(table))
        connection.execute(insert(table), rows)


def test_many_writers_make_one_chain(store: Store) -> None:
    def write(number: int) -> None:
        for _ in range(10):
            store.audit.record(1, number, "deed")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.audit.verify().seq == 60


def test_a_deed_that_fails_leaves_no_row(store: Store) -> None:
    def fail() -> None:
        with store._database.writing() as connection:
            append(connection, 1, None, "deed")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert store.audit.head() == Anchor(0, GENESIS)


@pytest.mark.parametrize("deed", ["save", "state", "add webhook", "stop webhook"])
def test_a_deed_and_its_row_stand_or_fall_together(store: Store, monkeypatch: pytest.MonkeyPatch, deed: str) -> None:
    """A kill between two transactions would leave a deed that the log knows nothing of."""
    store.studies.save("s", "one", overlap=1, by="olga", now_ms=1)
    hook = store.webhooks.add("https://example.org/", ["state"], study="", by="olga", now_ms=1)
    before = store.audit.head()

    def killed(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    deeds = {
        "save": lambda: store.studies.save("s", "two", overlap=1, by="olga", now_ms=2, actor=7),
        "state": lambda: store.studies.set_state("s", "open", now_ms=2, actor=7),
        "add webhook": lambda: store.webhooks.add("https://b.org/", [], study="", by="olga", now_ms=2, actor=7),
        "stop webhook": lambda: store.webhooks.stop(hook.id, now_ms=2, actor=7),
    }
    with monkeypatch.context() as patched:
        patched.setattr("burnish.store.audit.append", killed)
        with pytest.raises(RuntimeError):
            deeds[deed]()
    study = store.studies.get("s")
    assert study
    assert (study.version, study.state, len(store.webhooks.listing())) == (1, "draft", 1)
    deeds[deed]()
    assert (store.audit.verify().seq, store.audit.latest(1)[0].actor) == (before.seq + 1, 7)


def test_of_two_who_make_a_study_of_one_name_at_once_one_is_told(store: Store) -> None:
    assert store.studies.save("s", "one", overlap=1, by="olga", now_ms=1, new=True) == 1
    with pytest.raises(InputError, match="another study"):
        store.studies.save("s", "two", overlap=1, by="otto", now_ms=1, new=True)
    assert store.studies.body("s") == "one"

"""One transaction for many: an act that fails takes nothing with it, and nobody hears of what was not stored."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from burnish.errors import InputError
from burnish.store import open_store
from burnish.store.schema import state


def put(key):
    return lambda connection: connection.execute(state.insert(), {"key": key, "value": "1"}).rowcount


def keys(store):
    with store._database.reading() as connection:
        return set(connection.execute(select(state.c.key)).scalars())


def together(store, acts):
    """Run acts at once, so that they share a commit; return what each returned or raised."""
    store._turns.run(lambda connection: None)  # the thread is there
    found = [None] * len(acts)
    gate = threading.Barrier(len(acts))

    def one(place):
        gate.wait()
        try:
            found[place] = store._turns.run(acts[place])
        except Exception as error:  # noqa: BLE001  (looked at by the test)
            found[place] = error

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_an_act_that_fails_is_undone_alone(store):
    def half(connection):
        put("half")(connection)
        raise ValueError("no more")

    found = together(store, [put("a"), half, put("b"), put("c")])
    assert [isinstance(each, ValueError) for each in found] == [False, True, False, False]
    assert keys(store) == {"a", "b", "c"}


def test_a_statement_that_the_database_refuses_is_its_acts_alone(store):
    put_twice = [put("same"), put("same"), put("other")]
    found = together(store, put_twice)
    assert sum(isinstance(each, Exception) for each in found) == 1
    assert keys(store) == {"same", "other"}


def test_a_transaction_that_ended_by_itself_is_told_to_everybody_in_it(sqlite_url):
    """SQLite ends one when the disk is full; what came after would be written without any."""

    def ended(connection):
        put("lost")(connection)
        connection.connection.dbapi_connection.execute("ROLLBACK")
        raise InputError("the disk is full")

    with open_store(sqlite_url) as store:
        hold, held = threading.Event(), threading.Event()

        def wait(connection):
            held.set()
            hold.wait(20)

        first = threading.Thread(target=store._turns.run, args=(wait,))
        first.start()
        assert held.wait(20)  # alone in its group: who comes now is in the next
        threading.Timer(0.2, hold.set).start()
        found = together_while_held(store, [put("a"), ended, put("b")])
        first.join()
        assert "lost" not in keys(store)
        assert isinstance(found[1], InputError)
        assert isinstance(found[0], Exception) == ("a" not in keys(store))
        assert isinstance(found[2], Exception) == ("b" not in keys(store))


def together_while_held(store, acts):
    """Queue acts in their order while another holds the turn, so that they are one group."""
    found = [None] * len(acts)
    threads = []
    for place, act in enumerate(acts):

        def one(place=place, act=act):
            try:
                found[place] = store._turns.run(act)
            except Exception as error:  # noqa: BLE001  (looked at by the test)
                found[place] = error

        threads.append(threading.Thread(target=one))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return found


def test_a_closed_store_says_so(store):
    store._turns.run(put("a"))
    store._turns.close()
    store._turns.close()
    with pytest.raises(InputError, match="closed"):
        store._turns.run(put("b"))

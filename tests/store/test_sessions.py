"""Keys of sessions, links and tokens: stored as hashes only, and gone when they are taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.errors import InputError
from burnish.store import Store, open_store
from burnish.store.accounts import Account

HOUR_MS = 3_600_000


@pytest.fixture
def ana(store: Store) -> Account:
    return store.accounts.add("ana", "reviewer", password="scrypt$", now_ms=0)


def test_no_key_stands_in_the_file(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/keys.db") as store:
        account = store.accounts.add("ana", "owner", password="scrypt$", now_ms=0)
        keys = [
            store.sessions.start(account.number, now_ms=0),
            store.accounts.invite("owner", now_ms=0, lasts_ms=HOUR_MS),
            store.accounts.owner_invite(now_ms=0, lasts_ms=HOUR_MS),
            store.sessions.make_token(account, "x", "owner", now_ms=0, lasts_ms=HOUR_MS),
        ]
        store.sessions.attempt("a password typed into the wrong field", "10.0.0.1", now_ms=0, most=10, within_ms=1)
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"reviewer" not in raw
    assert b"annotator" not in raw
    assert b"owner" in raw
    assert [key for key in (*keys, "a password typed") if key.encode() in raw] == []
    assert len(set(keys)) == len(keys)


def test_a_token_does_what_it_was_made_for_and_never_more_than_its_account(store: Store, ana: Account) -> None:
    with pytest.raises(InputError, match="more than the account's"):
        store.sessions.make_token(ana, "x", "owner", now_ms=0, lasts_ms=HOUR_MS)
    with pytest.raises(InputError, match="time to live"):
        store.sessions.make_token(ana, "x", "annotator", now_ms=0, lasts_ms=0)
    keys = {
        role: store.sessions.make_token(ana, role, role, now_ms=0, lasts_ms=HOUR_MS)
        for role in ("annotator", "reviewer")
    }
    speak = {role: store.sessions.token_account(key, now_ms=1) for role, key in keys.items()}
    assert {role: each.role for role, each in speak.items() if each} == {
        "annotator": "annotator",
        "reviewer": "reviewer",
    }
    assert store.sessions.token_account(keys["annotator"], now_ms=HOUR_MS) is None
    store.accounts.set_role(ana.number, "annotator", now_ms=2)
    assert [store.sessions.token_account(key, now_ms=3) for key in keys.values()] == [None, None]


def test_a_token_is_made_with_what_the_account_may_by_then(store: Store, ana: Account) -> None:
    store.accounts.set_role(ana.number, "annotator", now_ms=1)
    with pytest.raises(InputError, match="more than the account's"):
        store.sessions.make_token(ana, "x", "reviewer", now_ms=2, lasts_ms=HOUR_MS)
    store.accounts.set_closed(ana.number, True, now_ms=3)
    with pytest.raises(InputError, match="closed"):
        store.sessions.make_token(ana, "x", "annotator", now_ms=4, lasts_ms=HOUR_MS)


def test_only_its_owner_takes_a_token_back(store: Store, ana: Account) -> None:
    bob = store.accounts.add("bob", "owner", now_ms=0)
    key = store.sessions.make_token(ana, "x", "reviewer", now_ms=0, lasts_ms=HOUR_MS)
    token = store.sessions.tokens(ana.number)[0].id
    assert not store.sessions.revoke(bob.number, token, now_ms=1)
    assert store.sessions.token_account(key, now_ms=1)
    assert store.sessions.revoke(ana.number, token, now_ms=1)
    assert not store.sessions.revoke(ana.number, token, now_ms=1)
    assert store.sessions.token_account(key, now_ms=1) is None


def test_a_session_is_noted_as_used_once_a_minute(store: Store, ana: Account) -> None:
    key = store.sessions.start(ana.number, now_ms=0)
    idle_ms = 2 * 60_000
    for now_ms in (59_000, 61_000, 179_000, 180_999):
        assert store.sessions.account(key, now_ms=now_ms, idle_ms=idle_ms), now_ms
    assert store.sessions.account(key, now_ms=180_999 + idle_ms, idle_ms=idle_ms) is None
    store.sessions.end(key, now_ms=200_000)
    store.sessions.end(key, now_ms=200_001)  # nothing to end, nothing said
    assert [event.action for event in store.audit.latest()] == ["sign_out", "sign_in", "account"]


def test_failures_count_for_a_while_and_only_where_they_happened(store: Store) -> None:
    def wait_ms(name: str, address: str, now_ms: int) -> int:
        return store.sessions.attempt(name, address, now_ms=now_ms, most=3, within_ms=100).wait_ms

    assert [wait_ms("ana", f"a{now}", now) for now in (0, 10, 20)] == [0, 0, 0]
    assert wait_ms("ana", "new", 30) == 70
    assert wait_ms("bob", "new", 30) == 0
    assert wait_ms("ana", "new", 100) == 0
    assert wait_ms("ana", "new", 101) == 9
    assert [event.action for event in store.audit.latest()] == ["last_attempt"] * 2


def test_a_page_is_read_while_an_import_has_the_turn(url: str) -> None:
    """Noting that a session is used is a write; waiting for it would keep every page waiting after a minute."""
    with open_store(url) as store, open_store(url, wait_seconds=60) as importer:
        ana = store.accounts.add("ana", "reviewer", now_ms=0)
        key = store.sessions.start(ana.number, now_ms=0)
        with importer._database.writing():
            assert store.sessions.account(key, now_ms=2 * 60_000, idle_ms=HOUR_MS) == ana
        store.sessions.account(key, now_ms=3 * 60_000, idle_ms=HOUR_MS)
        assert store.sessions.account(key, now_ms=3 * 60_000 + HOUR_MS - 1, idle_ms=HOUR_MS) == ana

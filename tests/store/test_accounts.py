"""Accounts, links, consents: who may be what, and that each link works once."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.store import Store
from burnish.store.accounts import Account, LastOwnerError, NameTakenError, checked_name, plain_name

HOUR_MS = 3_600_000


@pytest.fixture
def olga(store: Store) -> Account:
    return store.accounts.add("olga", "owner", password="scrypt$", now_ms=1)


def test_a_name_stands_for_one_person_however_it_is_written(store: Store) -> None:
    made = store.accounts.add(" \uff21na ", "annotator", now_ms=1)
    assert (made.name, made.role, made.has_password) == ("ana", "annotator", False)
    assert store.accounts.by_name("ANA") == store.accounts.by_number(made.number) == made
    with pytest.raises(NameTakenError, match="'ana' is taken"):
        store.accounts.add("aNa", "owner", now_ms=1)
    with pytest.raises(InputError, match="role: 'king' is unknown"):
        store.accounts.add("bob", "king", now_ms=1)
    assert store.accounts.by_name("bob") is None


@pytest.mark.parametrize("name", ["", "  ", ".", "-x", "a b", "a/b", "a\nb", "<b>", "a" * 41, "a@b", "\u202ea", "a\0"])
def test_what_is_no_name_is_told(name: str) -> None:
    with pytest.raises(InputError, match=r"^name: "):
        checked_name(name)


@pytest.mark.parametrize("name", ["ana", "安娜", "Zoë-1", "a.b_c", "0x", "ан"])
def test_names_of_every_script_are_names(name: str) -> None:
    assert checked_name(name) == name.lower()


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_checked_name_stays_as_it_is(name: str) -> None:
    try:
        checked = checked_name(name)
    except InputError:
        return
    assert checked_name(checked) == plain_name(checked) == checked


def test_the_last_owner_who_can_sign_in_stays_one(store: Store, olga: Account) -> None:
    store.accounts.add("invited", "owner", now_ms=1)  # has no password yet
    for act in (
        lambda: store.accounts.set_role(olga.number, "reviewer", now_ms=2),
        lambda: store.accounts.set_closed(olga.number, True, now_ms=2),
        lambda: store.accounts.delete(olga.number, now_ms=2),
    ):
        with pytest.raises(LastOwnerError, match="only owner"):
            act()
    assert store.accounts.by_name("olga") == olga
    store.accounts.add("otto", "owner", password="scrypt$", now_ms=3)
    store.accounts.delete(olga.number, now_ms=4)
    assert [each.name for each in store.accounts.listing()] == ["invited", "otto"]


def test_a_link_is_used_once_even_by_many_at_once(store: Store) -> None:
    key = store.accounts.invite("annotator", now_ms=0, lasts_ms=HOUR_MS)
    gate, made = threading.Barrier(6), []

    def accept(number: int) -> None:
        gate.wait()
        made.append(store.accounts.accept(key, f"name{number}", "scrypt$", now_ms=1))

    threads = [threading.Thread(target=accept, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([each for each in made if each]) == len(store.accounts.listing()) == 1


def test_a_link_ends_with_its_time_and_with_the_right_of_who_made_it(store: Store, olga: Account) -> None:
    otto = store.accounts.add("otto", "owner", password="scrypt$", now_ms=1)
    keys = [store.accounts.invite("owner", now_ms=1, lasts_ms=HOUR_MS, actor=otto.number) for _ in range(2)]
    assert store.accounts.invited(keys[0], now_ms=HOUR_MS)
    assert store.accounts.invited(keys[0], now_ms=HOUR_MS + 1) is None
    store.accounts.set_role(otto.number, "annotator", now_ms=2, actor=olga.number)
    assert [store.accounts.invited(key, now_ms=3) for key in keys] == [None, None]
    assert store.accounts.accept(keys[1], "eve", "scrypt$", now_ms=3) is None


def test_a_refused_name_leaves_the_link_as_it_was(store: Store, olga: Account, rated) -> None:
    store.submit(rated("f1"))  # by ana, who came by file
    key = store.accounts.invite("annotator", now_ms=1, lasts_ms=HOUR_MS)
    for name in ("olga", "Ana", "no name!"):
        with pytest.raises(InputError, match="name"):
            store.accounts.accept(key, name, "scrypt$", now_ms=2)
    made = store.accounts.accept(key, "bob", "scrypt$", now_ms=2)
    assert made
    assert made.name == "bob"
    assert store.accounts.add("ana", "annotator", now_ms=3, actor=olga.number).name == "ana"  # an owner may give it


def test_what_was_agreed_to_goes_with_the_account(store: Store, olga: Account) -> None:
    ana = store.accounts.add("ana", "annotator", now_ms=1)
    store.accounts.consent(ana.number, "poems", "yes", now_ms=2)
    store.accounts.consent(ana.number, "poems", "yes, and more", now_ms=3)
    assert [(each.text, each.given_ms) for each in store.accounts.consents(ana.number)] == [
        ("yes", 2),
        ("yes, and more", 3),
    ]
    store.accounts.delete(ana.number, now_ms=4, actor=olga.number)
    assert store.accounts.consents(ana.number) == []
    assert store.audit.latest(1)[0].subject == f"account:{ana.number}"
    assert store.audit.verify().seq

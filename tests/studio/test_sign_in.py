"""In by password or link, out for good, and nobody by guessing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from burnish.errors import BusyError
from burnish.store import Store
from burnish.store.accounts import Account
from burnish.studio import attempts, passwords
from burnish.studio.context import now_ms
from burnish.studio.study import Question, Study
from burnish.studio.study_file import to_toml

HOUR_MS = 3_600_000
PASSWORD = "four small green boats"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests here look at what is done with a password, not at how dear it is (test_passwords.py does)."""
    monkeypatch.setattr(passwords, "LOG_N", 4)
    monkeypatch.setattr(passwords, "_NOBODYS", passwords._NOBODYS.replace("$15$", "$4$"))


@pytest.fixture
def ana(store: Store) -> Account:
    return store.accounts.add("ana", "owner", password=passwords.hashed(PASSWORD), now_ms=now_ms())


def csrf_on(client: TestClient, path: str = "/sign-in") -> str:
    found = re.search(r'name="csrf" content="([0-9a-f]{64})"', client.get(path).text)
    assert found
    return found.group(1)


def sign_in(client: TestClient, name: str = "ana", password: str = PASSWORD, **more: str):
    return client.post("/sign-in", data={"csrf": csrf_on(client), "name": name, "password": password, **more})


def test_the_right_password_opens_a_session_and_leads_back(stranger: TestClient, ana: Account) -> None:
    answer = sign_in(stranger, "Ana ", back="/me")
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")
    (cookie,) = (each for each in answer.headers.get_list("set-cookie") if each.startswith("burnish_session="))
    assert {part.strip() for part in cookie.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=lax"}
    assert stranger.get("/sign-in").status_code == 303


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\n/evil", ""])
def test_nobody_is_led_elsewhere(stranger: TestClient, ana: Account, back: str) -> None:
    assert sign_in(stranger, back=back).headers["location"] == "/"


def test_a_wrong_password_and_an_unknown_name_look_the_same(stranger: TestClient, ana: Account) -> None:
    answers = [sign_in(stranger, "ana", "not this one"), sign_in(stranger, "bob", "not this one")]
    assert [each.status_code for each in answers] == [401, 401]
    pages = {each.text.replace('value="ana"', "").replace('value="bob"', "") for each in answers}
    assert len(pages) == 1


def test_a_link_makes_an_account_once(stranger: TestClient, app: FastAPI, store: Store) -> None:
    key = store.accounts.owner_invite(now_ms=now_ms(), lasts_ms=HOUR_MS)
    form = {"csrf": csrf_on(stranger, f"/invite/{key}"), "name": "Ana", "password": PASSWORD, "again": PASSWORD}
    assert stranger.post(f"/invite/{key}", data={**form, "again": "another"}).status_code == 422
    assert stranger.post(f"/invite/{key}", data=form).status_code == 303
    assert [(each.name, each.role) for each in store.accounts.listing()] == [("ana", "owner")]
    other = TestClient(app, follow_redirects=False)
    form["csrf"] = csrf_on(other)
    assert other.get(f"/invite/{key}").status_code == other.post(f"/invite/{key}", data=form).status_code == 404


def test_a_link_for_an_account_sets_its_password_and_ends_its_sessions(
    stranger: TestClient, client_as: Callable[..., TestClient], store: Store, ana: Account
) -> None:
    old = client_as("ana", role="owner")
    key = store.accounts.invite("owner", account=ana.number, now_ms=now_ms(), lasts_ms=HOUR_MS)
    new = "seven tall yellow trees"
    stranger.post(f"/invite/{key}", data={"csrf": csrf_on(stranger), "password": new, "again": new})
    assert old.post("/sign-out").status_code == 401
    stranger.cookies.clear()
    assert sign_in(stranger, password=PASSWORD).status_code == 401
    assert sign_in(stranger, password=new).status_code == 303


def test_signing_out_ends_the_session_on_the_server(client_as: Callable[..., TestClient], ana: Account) -> None:
    client = client_as("ana", role="owner")
    key = client.cookies["burnish_session"]
    assert client.post("/sign-out").status_code == 303
    client.cookies.set("burnish_session", key)
    assert client.post("/sign-out").status_code == 401


def test_language_and_colours_are_remembered(client_as: Callable[..., TestClient], store: Store) -> None:
    client = client_as("ana")
    form = {"language": "zh", "theme": "dark", "back": "/sign-in"}
    assert client.post("/appearance", data=form).headers["location"] == "/"
    account = store.accounts.by_name("ana")
    assert account
    assert (account.language, account.theme) == ("zh", "dark")
    client.cookies.delete("burnish_session")
    page = client.get("/sign-in").text
    assert 'lang="zh" data-theme="dark"' in page
    assert client.post("/appearance", data={**form, "theme": "pink"}).status_code == 403  # no longer their own mark


# -------------------------------------------------------------------------------------------------------- brute force


def mark_of(client: TestClient) -> None:
    client.headers["X-CSRF"] = csrf_on(client)


def test_ten_wrong_passwords_close_the_account_for_a_while_even_to_the_right_one(
    app: FastAPI, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_ms = now_ms()
    monkeypatch.setattr(attempts, "now_ms", lambda: time_ms)
    clients = [TestClient(app, client=(f"10.0.0.{number}", 1), follow_redirects=False) for number in range(12)]
    for client in clients:
        mark_of(client)
    tries = [client.post("/sign-in", data={"name": "ana", "password": "guess"}) for client in clients[:10]]
    assert {each.status_code for each in tries} == {401}
    locked = clients[10].post("/sign-in", data={"name": " ANA", "password": PASSWORD})
    assert locked.status_code == 429
    assert 0 < int(locked.headers["retry-after"]) <= 15 * 60
    assert clients[10].post("/sign-in", data={"name": "bob", "password": PASSWORD}).status_code == 401
    time_ms += 15 * 60_000
    assert clients[11].post("/sign-in", data={"name": "ana", "password": PASSWORD}).status_code == 303


def test_ten_wrong_names_from_one_address_close_it_and_a_neighbour_in_ipv6_is_the_same_address(
    app: FastAPI, ana: Account
) -> None:
    tries = []
    for number in range(11):
        client = TestClient(app, client=(f"2001:db8::{number:x}", 1), follow_redirects=False)
        mark_of(client)
        tries.append(client.post("/sign-in", data={"name": f"name{number}", "password": "guess"}).status_code)
    assert tries == [401] * 10 + [429]
    elsewhere = TestClient(app, client=("2001:db8:0:1::1", 1), follow_redirects=False)
    assert sign_in(elsewhere).status_code == 303


def test_many_guesses_at_once_are_not_more_guesses(app: FastAPI, ana: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    monkeypatch.setattr(passwords, "matches", lambda password, stored: bool(looked_at.append(password)))
    client = TestClient(app, follow_redirects=False)
    mark_of(client)

    def guess(number: int) -> int:
        return client.post("/sign-in", data={"name": "ana", "password": f"guess {number}"}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(guess, range(40)))
    assert (len(looked_at), statuses.count(401), statuses.count(429)) == (10, 10, 30)


def test_right_passwords_do_not_count(stranger: TestClient, ana: Account) -> None:
    for _ in range(11):
        stranger.cookies.clear()
        assert sign_in(stranger).status_code == 303


def test_a_name_that_is_nobodys_costs_as_much_as_one_that_is(
    stranger: TestClient, store: Store, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also an account without a password, and a closed one: one hash each, at the same cost."""
    store.accounts.add("invited", "annotator", now_ms=now_ms())
    closed = store.accounts.add("closed", "annotator", password=passwords.hashed(PASSWORD), now_ms=now_ms())
    store.accounts.set_closed(closed.number, True, now_ms=now_ms())
    costs: list[tuple[int, int, int]] = []
    scrypt = hashlib.scrypt

    def counted(password: bytes, *, n: int, r: int, p: int, **more: int) -> bytes:
        costs.append((n, r, p))
        return scrypt(password, n=n, r=r, p=p, **more)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    for name in ("ana", "nobody", "invited", "closed"):
        assert sign_in(stranger, name, "not this one").status_code == 401
    assert sign_in(stranger, "closed", PASSWORD).status_code == 401
    assert (len(costs), len(set(costs))) == (5, 1)


# ------------------------------------------------------------------------------------------------------------ sessions


def test_a_key_that_was_planted_is_never_taken_over(stranger: TestClient, store: Store, ana: Account) -> None:
    stranger.cookies.set("burnish_session", "planted", domain="testserver.local")
    assert sign_in(stranger).status_code == 303
    key = stranger.cookies.get("burnish_session", domain="testserver.local")
    assert key != "planted"
    assert store.sessions.account("planted", now_ms=now_ms(), idle_ms=HOUR_MS) is None
    again = sign_in_again(stranger)
    assert again != key
    assert store.sessions.account(key or "", now_ms=now_ms(), idle_ms=HOUR_MS) is None  # it was replaced


def sign_in_again(client: TestClient) -> str | None:
    mark = re.search(r'name="csrf" content="([0-9a-f]{64})"', client.get("/me").text)
    assert mark
    client.post("/sign-in", data={"csrf": mark.group(1), "name": "ana", "password": PASSWORD})
    return client.cookies.get("burnish_session", domain="testserver.local")


@pytest.mark.parametrize("change", ["sign out", "role", "password", "closed", "deleted", "reset link"])
def test_an_old_key_is_refused_on_the_next_request(
    client_as: Callable[..., TestClient], store: Store, ana: Account, change: str
) -> None:
    store.accounts.add("otto", "owner", password=passwords.hashed(PASSWORD), now_ms=now_ms())
    client = client_as("ana", role="owner")
    assert client.get("/me").status_code == 200
    accounts = store.accounts
    if change == "sign out":
        client_copy = client_as("ana", role="owner")
        client_copy.cookies.set("burnish_session", client.cookies["burnish_session"])
        client_copy.headers["X-CSRF"] = client.headers["X-CSRF"]
        client_copy.post("/sign-out")
    elif change == "role":
        accounts.set_role(ana.number, "annotator", now_ms=now_ms())
    elif change == "password":
        accounts.set_password(ana.number, passwords.hashed("another one here"), now_ms=now_ms())
    elif change == "closed":
        accounts.set_closed(ana.number, True, now_ms=now_ms())
    elif change == "deleted":
        accounts.delete(ana.number, now_ms=now_ms())
    else:
        key = accounts.invite("owner", account=ana.number, now_ms=now_ms(), lasts_ms=HOUR_MS)
        accounts.accept(key, "", passwords.hashed("another one here"), now_ms=now_ms())
    assert client.get("/me").status_code == 401


def test_a_session_ends_when_it_is_not_used_and_after_a_week_however_much_it_is(store: Store, ana: Account) -> None:
    key = store.sessions.start(ana.number, now_ms=0)
    assert store.sessions.account(key, now_ms=HOUR_MS - 1, idle_ms=HOUR_MS)
    assert store.sessions.account(key, now_ms=3 * HOUR_MS, idle_ms=HOUR_MS) is None
    key = store.sessions.start(ana.number, now_ms=0)
    for day in range(1, 7):
        assert store.sessions.account(key, now_ms=day * 24 * HOUR_MS, idle_ms=25 * HOUR_MS)
    assert store.sessions.account(key, now_ms=7 * 24 * HOUR_MS, idle_ms=25 * HOUR_MS) is None


def test_two_different_session_cookies_are_none(client_as: Callable[..., TestClient], stranger: TestClient) -> None:
    """Even when both are good: one may have been planted by another host."""
    ana, eve = (f"burnish_session={client_as(name).cookies['burnish_session']}" for name in ("ana", "eve"))
    for cookies, status in ((ana, 200), (f"{ana}; {ana}", 200), (f"{ana}; {eve}", 401)):
        assert stranger.get("/me", headers={"Cookie": cookies}).status_code == status


def test_a_session_is_not_begun_with_a_password_that_was_changed_while_it_was_looked_at(
    stranger: TestClient, store: Store, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever knows the old one only has to keep trying until the change: one try in flight would outlive it."""
    look = passwords.matches

    def slowly(password: str, stored: str) -> bool:
        store.accounts.set_password(ana.number, "scrypt$15$8$3$AAAA$AAAA", now_ms=now_ms())
        return look(password, stored)

    monkeypatch.setattr(passwords, "matches", slowly)
    sent = {"csrf": csrf_on(stranger), "name": "ana", "password": PASSWORD}
    answer = stranger.post("/sign-in", data=sent)
    assert answer.status_code == 401
    assert "burnish_session" not in answer.cookies


def test_of_two_changes_of_a_password_the_later_one_must_know_the_earlier(
    client_as: Callable[..., TestClient], store: Store, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, look = client_as("ana", role="owner"), passwords.matches

    def slowly(password: str, stored: str) -> bool:
        store.accounts.set_password(ana.number, "scrypt$15$8$3$AAAA$AAAA", now_ms=now_ms())
        return look(password, stored)

    monkeypatch.setattr(passwords, "matches", slowly)
    new = {"new": "chosen by a thief", "again": "chosen by a thief"}
    assert client.post("/me/password", data={"now": PASSWORD, **new}).status_code == 422
    assert store.accounts.password_of(ana.number).endswith("AAAA$AAAA")


def test_the_trouble_of_a_store_is_not_told_on_a_page(
    client_as: Callable[..., TestClient], store: Store, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_as("ana", role="owner")

    def busy(*_: object, **__: object) -> str:
        raise BusyError(f"{store.url}: another process has been writing without a pause.")

    monkeypatch.setattr(store.sessions, "make_token", busy)
    sent = {"label": "x", "role": "owner", "days": "1"}
    answer = client.post("/me/tokens", data=sent, headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert "studio.db" not in answer.text


def test_whoever_is_invited_does_not_become_a_person_whom_a_study_names(stranger: TestClient, store: Store) -> None:
    asked = Question("warm", "rating", "How warm is it?")
    study = Study("s", "A study", (asked,), people=("carla",))
    store.studies.save("s", to_toml(study), overlap=1, by="olga", now_ms=1)
    key = store.accounts.invite("annotator", now_ms=now_ms(), lasts_ms=HOUR_MS)
    form = {"csrf": csrf_on(stranger, f"/invite/{key}"), "name": "Carla", "password": PASSWORD, "again": PASSWORD}
    assert stranger.post(f"/invite/{key}", data=form).status_code == 422
    assert store.accounts.by_name("carla") is None
    assert stranger.post(f"/invite/{key}", data={**form, "name": "dora"}).status_code == 303

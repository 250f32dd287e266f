"""In by password or link, out for good, and nobody by guessing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from burnish.store import Store
from burnish.store.accounts import Account
from burnish.studio import passwords
from burnish.studio.context import now_ms

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
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
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

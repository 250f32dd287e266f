"""Passwords: what may be one, what is stored of it, what it costs."""

from __future__ import annotations

import hashlib
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest

from burnish.errors import BusyError, InputError
from burnish.studio import passwords


@pytest.mark.parametrize("password", ["short", "a" * 30, "1212121212", "x" * 201, "annabella-k"])
def test_what_may_not_be_one_is_told_without_repeating_it(password: str) -> None:
    with pytest.raises(InputError, match=r"^password: ") as told:
        passwords.checked_password(password, "Annabella-K")
    assert password not in str(told.value)


def test_a_hash_says_its_cost_and_matches_its_password_only(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = passwords.hashed("four small green boats")
    assert stored.startswith("scrypt$15$8$3$")
    assert not passwords.is_outdated(stored)
    monkeypatch.setattr(passwords, "LOG_N", 4)
    assert passwords.is_outdated(stored)
    stored = passwords.hashed("four small green boats")
    assert passwords.matches("four small green boats", stored)
    assert not passwords.matches("four small green boat", stored)
    assert stored != passwords.hashed("four small green boats")


def test_the_hash_is_the_one_of_rfc_7914() -> None:
    """The RFC's second vector (section 12): P="password", S="NaCl", N=1024, r=8, p=16, first 32 of its 64 bytes."""
    expected = bytes.fromhex("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162")
    stored = "$".join(("scrypt", "10", "8", "16", b64encode(b"NaCl").decode(), b64encode(expected).decode()))
    assert passwords.matches("password", stored)


def test_the_same_letters_typed_on_another_keyboard_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "LOG_N", 4)
    assert passwords.matches("cafe\u0301 au lait", passwords.hashed("caf\u00e9 au lait"))


def test_few_may_wait_and_the_others_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held, gate = threading.Semaphore(0), threading.Event()

    def slow(password: bytes, **more: int) -> bytes:
        held.release()
        gate.wait()
        return bytes(32)

    monkeypatch.setattr(hashlib, "scrypt", slow)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(passwords.matches, "x", "") for _ in range(8)]
        held.acquire()
        while passwords._PLACES._value:
            time.sleep(0.001)
        with pytest.raises(BusyError, match="too many"):
            passwords.matches("x", "")
        gate.set()
    assert [each.result() for each in waiting] == [False] * 8


def test_nobodys_password_matches_nothing_and_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(password: bytes, *, n: int, r: int, p: int, **more: int) -> bytes:
        asked.append(n * r * p)
        return bytes(32)  # what nobody's hash holds: still not a match

    monkeypatch.setattr(hashlib, "scrypt", counted)
    assert not passwords.matches("anything", "")
    assert asked == [2**15 * 8 * 3]

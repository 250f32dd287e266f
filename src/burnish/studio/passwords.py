"""Passwords to hashes and back to yes or no: scrypt from the standard library, its cost written beside the hash.

N = 2^15, r = 8, p = 3 is one of OWASP's equal choices (Password Storage Cheat Sheet): 32 MiB and about 0.2 s a try.
Two are computed at once and few may wait, so that a flood of sign-ins takes neither the machine's memory nor the
threads that answer everybody else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import unicodedata
from base64 import b64decode, b64encode

from burnish.errors import BusyError, InputError

SHORTEST, LONGEST = 10, 200
LOG_N, R, P = 15, 8, 3
_FEWEST_CHARACTERS = 5  # "aaaaaaaaaa" and "1212121212" are long and guessed first
_PLACES = threading.BoundedSemaphore(8)
_AT_ONCE = threading.BoundedSemaphore(2)


def checked_password(password: str, name: str) -> str:
    """Return a password that may be used. Raises `InputError` saying what is wrong with it, never the password."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"password: it has {len(password)} characters. Use {SHORTEST} to {LONGEST}.")
    if len(set(password)) < _FEWEST_CHARACTERS or name.lower() == password.lower():
        raise InputError("password: it is too easy to guess. Use several words, and not your name.")
    return password


def hashed(password: str) -> str:
    """Return `scrypt$log2(N)$r$p$salt$hash` with a salt of its own."""
    salt = secrets.token_bytes(16)
    return "$".join(("scrypt", str(LOG_N), str(R), str(P), _text(salt), _text(_scrypt(password, salt, LOG_N, R, P))))


def matches(password: str, stored: str) -> bool:
    """Return whether this is the password of a hash. An account without a hash takes as long to refuse as any other.

    Raises `BusyError`, before anything is computed, while too many others are looked at.
    """
    scheme, log_n, r, p, salt, expected = (stored or _NOBODYS).split("$")
    found = _scrypt(password, b64decode(salt), int(log_n), int(r), int(p))
    return hmac.compare_digest(found, b64decode(expected)) and scheme == "scrypt" and bool(stored)


def is_outdated(stored: str) -> bool:
    """Return whether a hash was made at another cost than today's."""
    return not stored.startswith(f"scrypt${LOG_N}${R}${P}$")


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    plain = unicodedata.normalize("NFKC", password[:LONGEST]).encode("utf-8", "surrogatepass")
    most = 2 * 128 * r * 2**log_n  # OpenSSL's default would refuse N = 2^15
    if not _PLACES.acquire(blocking=False):
        raise BusyError("password: too many are being looked at. Try again in a few seconds.")
    try:
        with _AT_ONCE:
            return hashlib.scrypt(plain, salt=salt, n=2**log_n, r=r, p=p, maxmem=most, dklen=32)
    finally:
        _PLACES.release()


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()


_NOBODYS = f"scrypt${LOG_N}${R}${P}${_text(bytes(16))}${_text(bytes(32))}"

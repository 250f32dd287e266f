"""The way back from placeholders to what they stand for: a file beside the store, readable with the key alone.

Nothing is kept unless a vault is asked for. Each value is sealed by AES-256-GCM with its placeholder as associated
data, so that a line moved to another placeholder does not open. Losing the key, or destroying it, is losing the values:
that is how to forget everybody at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from burnish.errors import DamagedFileError, InputError
from burnish.feedback.masking.rules import PLACEHOLDER

KEY_BYTES = 32
_NONCE_BYTES = 12  # of GCM; random, and one key seals far fewer than 2^32 values


def make_key() -> bytes:
    """A fresh key."""
    return secrets.token_bytes(KEY_BYTES)


def read_key(path: str | os.PathLike[str], *, create: bool = False) -> bytes:
    """The key in a file, as hexadecimal digits; `create` makes a missing file, for its owner's eyes only.

    Raises InputError where there is no such file, or no key in it.
    """
    place = Path(path)
    if create and not place.exists():
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(make_key().hex() + "\n")
    try:
        key = bytes.fromhex(place.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise InputError(f"{place}: no such key file. Name the file that was made when masking began.") from None
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError(f"{place}: holds no key: {2 * KEY_BYTES} hexadecimal digits are expected.")
    return key


class Vault:
    """Sealed values by placeholder, in a JSONL file that is only ever added to."""

    def __init__(self, path: str | os.PathLike[str], key: bytes) -> None:
        """Open or begin a vault. Raises InputError where the package `cryptography` is missing, or the key is another.

        `key`: the masker's. The vault's own key follows from it and does not lead back to it.
        """
        self.path = Path(path)
        self._cipher = _cipher(hmac.new(key, b"vault", hashlib.sha256).digest())
        self._sealed = dict(self._lines())
        self._fresh: dict[str, str] = {}
        for placeholder in list(self._sealed)[:1]:
            self.open(placeholder)

    def __len__(self) -> int:
        return len(self._sealed)

    def keep(self, placeholder: str, value: str) -> None:
        """Remember what a placeholder stands for; `save` writes it down."""
        if placeholder not in self._sealed:
            nonce = secrets.token_bytes(_NONCE_BYTES)
            sealed = nonce + self._cipher.encrypt(nonce, value.encode(), placeholder.encode())
            self._sealed[placeholder] = self._fresh[placeholder] = base64.b64encode(sealed).decode()

    def save(self) -> None:
        """Add what is new to the file, durably."""
        if not self._fresh:
            return
        with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="ascii") as file:
            for placeholder, sealed in self._fresh.items():
                file.write(json.dumps({"placeholder": placeholder, "sealed": sealed}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._fresh = {}

    def open(self, placeholder: str) -> str | None:
        """What a placeholder stands for; None where it is not in here. Raises InputError where the key does not fit."""
        if placeholder not in self._sealed:
            return None
        from cryptography.exceptions import InvalidTag

        sealed = base64.b64decode(self._sealed[placeholder])
        try:
            opened = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], placeholder.encode())
        except InvalidTag:
            raise InputError(
                f"{self.path}: this key does not open {placeholder}. Give the key it was sealed with."
            ) from None
        return str(opened.decode())

    def reveal(self, text: str) -> str:
        """A text with every placeholder that is in here replaced by what it stands for."""
        return PLACEHOLDER.sub(lambda match: self.open(match[0]) or match[0], text)

    def _lines(self) -> Iterator[tuple[str, str]]:
        if not self.path.exists():
            return
        for number, line in enumerate(self.path.read_text(encoding="ascii").splitlines(), 1):
            try:
                row = json.loads(line)
                yield row["placeholder"], row["sealed"]
            except (ValueError, KeyError, TypeError):
                raise DamagedFileError(f"{self.path}:{number}: is no line of a vault. Restore the file.") from None


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise InputError(
            "vault: a way back from placeholders needs the package 'cryptography': pip install 'burnish[privacy]'. "
            "Masking without a vault needs nothing."
        ) from None
    return AESGCM(key)

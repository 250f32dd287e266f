"""Names, splits and seeds that follow from what a thing is: hashes of content, never of chance, time or rank.

The same record has the same name on every machine, and what is decided about it (its split, the seed of what is drawn
for it) is the same in every process. Standard library only; `burnish.records` offers all of it too.
"""

from __future__ import annotations

import hashlib
import json

# made once: json.dumps would make one for every call, and every record has several ids
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, UTF-8 kept; refuses NaN and infinity."""
    return _CANONICAL.encode(value)


def content_id(prefix: str, value: object) -> str:
    """Return `prefix_` and the first 20 hexadecimal digits of the SHA-256 of the value's canonical JSON."""
    return f"{prefix}_{hashlib.sha256(canonical_json(value).encode()).hexdigest()[:20]}"


def share_of(key: str, salt: str = "") -> float:
    """Return a number in [0, 1) fixed by the key alone: the way every split is decided, never by chance.

    The salt names the decision ("split", "gold", ...), so that two decisions on one key are independent.
    """
    digest = hashlib.sha256(f"{salt}\x1f{key}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def seed_of(*parts: int | str) -> int:
    """Return a 63-bit seed fixed by its parts, such as (run seed, window, prompt id, index): never by rank or time."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:8], "big") >> 1

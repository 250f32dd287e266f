"""All rules together: personal data in a text."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from burnish.feedback.masking import (
    addresses,
    addresses_chinese,
    contacts,
    emails,
    identities,
    keys,
    names,
    numbers,
    passwords,
)
from burnish.feedback.masking.findings import Finder, Finding, merged, outside
from burnish.feedback.masking.reading import read, undisguised

PLACEHOLDER = re.compile(r"\[[A-Z][A-Z_]{1,30}_[0-9a-z]{8}\]")
"""What stands in the place of personal data; what is masked already is never masked again."""

_RULES: tuple[tuple[Finder, int], ...] = (
    (emails.emails, 0),
    (contacts.read_out, 0),
    (contacts.handles, 0),
    (contacts.networks, 0),
    (keys.keys, 0),
    (passwords.passwords, 0),
    (names.names, 0),
    (addresses.addresses, 1),
    (addresses.named_houses, 0),
    (addresses_chinese.chinese_addresses, 0),
    (numbers.others, 1),
    (identities.identities, 4),
    (numbers.payments, 2),
    (contacts.phones, 5),
)
"""Every rule, and how many digits a text must have for it to find anything: most of what people say has none."""
_DIGITS = re.compile(r"\d", re.ASCII)


def find(text: str, *, also: Sequence[Finder] = (), types: Collection[str] | None = None) -> list[Finding]:
    """Personal data in a text, in order and without overlaps; `also` are engines of other packages.

    `types`: only these (`burnish.feedback.masking.TYPES`); all by default.
    """
    reading = read(text)
    digits = len(_DIGITS.findall(reading.text))
    readings = dict.fromkeys((reading.text, undisguised(reading.text)))  # once, where they are the same
    ruled = (each for plain in readings for rule, least in _RULES if digits >= least for each in rule(plain))
    found = [Finding(*reading.span(each.start, each.end), each.type) for each in ruled]
    found += [each for engine in also for each in engine(text)]
    wanted = [each for each in found if types is None or each.type in types]
    return merged(outside(wanted, (match.span() for match in PLACEHOLDER.finditer(text))))

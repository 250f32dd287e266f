"""All rules together: personal data in a text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

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
from burnish.feedback.masking.reading import Reading, closed_up, read, undisguised

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
    found = [each for reading in _readings(text) for each in _ruled(reading)]
    found += [each for engine in also for each in engine(text)]
    wanted = [each for each in found if types is None or each.type in types]
    return merged(outside(wanted, (match.span() for match in PLACEHOLDER.finditer(text))))


def _readings(text: str) -> list[Reading]:
    """The ways to read a text: mostly one; more where digits are hidden among letters, or letters among blanks."""
    first = read(text)
    readings = [first]
    if (plain := undisguised(first.text)) != first.text:
        readings.append(Reading(plain, first.places))
    if (closed := closed_up(first)) is not first:
        readings.append(closed)
    return readings


def _ruled(reading: Reading) -> Iterator[Finding]:
    digits = len(_DIGITS.findall(reading.text))
    for rule, least in _RULES:
        for each in rule(reading.text) if digits >= least else ():
            yield Finding(*reading.span(each.start, each.end), each.type)

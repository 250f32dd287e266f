"""Which comments a person should read, and who: those whose reading is likeliest to be wrong, and a few at random.

The chance that a reading has the wrong sign is Phi(-|value| / sd) under its stated variance, 1/2 where nothing could be
read. The random part is drawn by hash from all comments, sure ones too: only on it can be measured how good the
readings are, because what was picked for being doubtful says nothing of the rest.
A comment goes to somebody who reads its language and did not write it: first to those who know its aspects, then to who
has least open. Nobody gets more than they take.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import ndtr

from burnish.feedback.words.reading import Reading
from burnish.feedback.words.tokens import HAN
from burnish.records import share_of

DRAWN = "drawn at random"
"""Reason of a comment that waits whatever its reading."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A person who reads comments."""

    id: str
    languages: frozenset[str] = frozenset({"en"})
    """`en`, `zh`."""
    aspects: frozenset[str] = frozenset()
    """Respects that they know about, such as `safety`."""
    open: int = 0
    """Comments that already lie before them."""
    at_most: int = 20
    """Open comments that they take."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A comment that waits for a person."""

    id: str
    chance_wrong: float
    """Of the sign of its value, from 0 to 1/2."""
    reasons: tuple[str, ...]
    reader: str = ""
    """Empty where nobody is left who can."""


def chance_wrong(reading: Reading) -> float:
    """The probability that the sign of a reading is wrong, under its stated variance; 1/2 where nothing was read."""
    if reading.whole is None:
        return 0.5
    return float(ndtr(-abs(reading.whole.value) / math.sqrt(reading.whole.variance)))


def language(text: str) -> str:
    """`zh` where at least as many Chinese characters as other words stand in a text, else `en`."""
    han = len(re.findall(f"[{HAN}]", text))
    return "zh" if han and han >= len(re.findall(rf"[^\W\d_{HAN}]+", text)) else "en"


def queue(
    readings: Mapping[str, Reading],
    readers: Sequence[Reader],
    *,
    authors: Mapping[str, str] | None = None,
    doubtful: float = 0.25,
    at_random: float = 0.05,
    most: int | None = None,
    random_share: float = 0.2,
) -> list[Waiting]:
    """The comments (by id) that a person should read, most doubtful first, each with its reader.

    `authors`: who wrote each. `doubtful`: chance of a wrong sign from which on a comment waits; `at_random`: share of
    all comments that wait whatever their reading. `most`: take no more than this, of which `random_share` are drawn at
    random where so many were (they come first: doubt would never let them through). The same comments and readers give
    the same queue.
    """
    waiting = []
    for name, reading in readings.items():
        chance, drawn = chance_wrong(reading), share_of(name, "queue") < at_random
        if chance >= doubtful or drawn or "perhaps sarcasm" in reading.doubts:
            reasons = (*reading.doubts, *(["weak words"] if chance >= doubtful and not reading.doubts else []))
            waiting.append(Waiting(name, chance, (*reasons, DRAWN) if drawn else reasons))
    waiting.sort(key=lambda each: (-each.chance_wrong, share_of(each.id, "order")))
    if most is not None:
        audit = [each for each in waiting if DRAWN in each.reasons][: math.ceil(random_share * most)]
        others = [each for each in waiting if each not in audit and each.reasons != (DRAWN,)]
        waiting = [*audit, *others[: most - len(audit)]]
    return _handed_out(waiting, readings, readers, authors or {})


def _handed_out(
    waiting: Sequence[Waiting], readings: Mapping[str, Reading], readers: Sequence[Reader], authors: Mapping[str, str]
) -> list[Waiting]:
    load = {reader.id: reader.open for reader in readers}
    given = []
    for each in waiting:
        reading = readings[each.id]
        able = [
            reader
            for reader in readers
            if language(reading.comment) in reader.languages
            and reader.id != authors.get(each.id)
            and load[reader.id] < reader.at_most
        ]
        chosen = min(able, key=lambda reader: _fit(reader, reading, load[reader.id], each.id), default=None)
        if chosen:
            load[chosen.id] += 1
        given.append(Waiting(each.id, each.chance_wrong, each.reasons, chosen.id if chosen else ""))
    return given


def _fit(reader: Reader, reading: Reading, load: int, name: str) -> tuple[bool, int, float]:
    """What makes a reader come later: not knowing the aspects, much to do, chance."""
    return not reader.aspects & reading.aspects.keys(), load, share_of(f"{name}/{reader.id}", "reader")

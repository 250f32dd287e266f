"""How what people said becomes signals, as settings of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from burnish.errors import InputError
from burnish.feedback import comment_readers
from burnish.feedback.answers import People, SignalConfig, Ties


@dataclass(frozen=True)
class Heard:
    """Whose answers count how much, and what is listened to."""

    people: Literal["plain", "annotators", "reliable", "majority"] = "plain"
    """How several people's answers are put together: all alike, each as much as they prove to see, each right
    with a probability of their own, the bare count."""
    behaviour: bool = False
    """Whether clicks, purchases, copies and the like count too: what people do is not what they say."""
    aspects: tuple[str, ...] = field(default=())
    """Respects of your own that comments are read for: "tone: rude polite friendly"."""
    ties: Literal["half", "davidson", "rao_kupper"] = "half"
    """What "equally good" says: half a vote for each, or an answer of its own in one of two models of ties."""
    readings: str = ""
    """File of `burnish feedback comments --out`: how a learned scorer or a model read the comments, for the rules'."""
    corrections: Literal["compared", "graded"] = "compared"
    """What a correction says of its original: that it is worse; with graded also by how much, aspect `correction`."""

    def __post_init__(self) -> None:
        signal_config(self.people, self.behaviour, self.aspects, self.ties)

    def config(self) -> SignalConfig:
        """Return the settings of the room that makes signals. Raises InputError for readings that are not there."""
        told = signal_config(self.people, self.behaviour, self.aspects, self.ties, self.readings)
        return replace(told, graded_corrections=self.corrections == "graded")


def signal_config(
    people: People, behaviour: bool, aspects: Sequence[str], ties: Ties = "half", readings: str = ""
) -> SignalConfig:
    """Return how answers become signals; `readings` names a file of them.

    Raises InputError for an aspect without a name or without words, and for a file that is not there.
    """
    own: dict[str, tuple[str, ...]] = {}
    for each in aspects:
        name, _, words = each.partition(":")
        if not name.strip() or not words.split():
            raise InputError(f'aspects: {each!r} names no words of comments. Write "tone: rude polite friendly".')
        own[name.strip()] = tuple(words.split())
    plain = SignalConfig()
    spoken = (*plain.kinds, "implicit") if behaviour else plain.kinds
    read = comment_readers.load(readings) if readings else {}
    return SignalConfig(people=people, kinds=spoken, aspects=own, ties=ties, readings=read)

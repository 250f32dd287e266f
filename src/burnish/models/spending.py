"""What asking another machine may cost: a cap on tokens and on money that is never exceeded, also by many threads.

Before a question is sent its highest possible cost is reserved; when the answer is there, what it really took is
booked and the rest given back. A question that fits only without what others still hold waits for them: most of it
comes back, because a bound by bytes is several times what is taken. One that does not fit then is not sent.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from burnish.records import Message

MESSAGE_OVERHEAD = 16
"""Tokens a chat template adds around one message at most (role, start and end marks)."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens, in whatever currency the caps are in."""

    prompt: float = 0.0
    completion: float = 0.0

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return what so many tokens cost."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


@dataclass(frozen=True, slots=True)
class Spent:
    """What has been spent so far."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Reservation:
    """The most that one question can take."""

    prompt_tokens: int
    completion_tokens: int
    money: float


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent at most; None is no cap."""

    tokens: int | None = None
    money: float | None = None
    prices: Prices = Prices()


class Purse:
    """Reserves and books; shared by all threads that ask."""

    def __init__(
        self,
        prices: Prices | None = None,
        *,
        tokens: int | None = None,
        money: float | None = None,
        spent: Spent | None = None,
    ) -> None:
        """tokens, money: the caps; None is no cap. spent: what was booked on the same caps before."""
        self.prices = prices or Prices()
        self.tokens = tokens
        self.money = money
        self._lock = threading.Condition()
        self._spent = spent or Spent()
        self._held = 0
        self._held_money = 0.0

    @property
    def spent(self) -> Spent:
        """What has been booked."""
        with self._lock:
            return self._spent

    def reserve(self, messages: Sequence[Message], max_new_tokens: int) -> Reservation | None:
        """Return a reservation of the most that a question can take; None when that would pass a cap.

        Waits while other reservations stand in the way, which all end: whoever holds one is being answered. A thread
        must not hold one and reserve another.
        """
        asked = most_tokens(messages)
        wanted = Reservation(asked, max_new_tokens, self.prices.of(asked, max_new_tokens))
        with self._lock:
            while not self._fits(wanted, self._held, self._held_money):
                if not self._fits(wanted, 0, 0.0):
                    return None
                self._lock.wait()
            self._held += asked + max_new_tokens
            self._held_money += wanted.money
        return wanted

    def _fits(self, wanted: Reservation, held: int, held_money: float) -> bool:
        """Whether a question stays within both caps beside what is spent and so much held."""
        tokens = self._spent.tokens + held + wanted.prompt_tokens + wanted.completion_tokens
        money = self._spent.money + held_money + wanted.money
        return (self.tokens is None or tokens <= self.tokens) and (self.money is None or money <= self.money)

    def book(self, held: Reservation, prompt_tokens: int | None, completion_tokens: int | None) -> None:
        """Give a reservation back and book what was really taken; where the server does not say, all of it."""
        prompt = held.prompt_tokens if prompt_tokens is None else prompt_tokens
        completion = held.completion_tokens if completion_tokens is None else completion_tokens
        with self._lock:
            before = self._spent
            money = before.money + self.prices.of(prompt, completion)
            self._spent = Spent(
                before.calls + 1, before.prompt_tokens + prompt, before.completion_tokens + completion, money
            )
            self._release(held)

    def give_back(self, held: Reservation) -> None:
        """Give a reservation back: the question was never answered, and nothing was charged that we know of."""
        with self._lock:
            self._release(held)

    def _release(self, held: Reservation) -> None:
        self._held -= held.prompt_tokens + held.completion_tokens
        # what is left of sums and differences of floats when nobody holds anything must not keep anybody waiting
        self._held_money = self._held_money - held.money if self._held else 0.0
        self._lock.notify_all()


def most_tokens(messages: Sequence[Message]) -> int:
    """Return a bound on the tokens of messages: no tokenizer in use makes more tokens than there are UTF-8 bytes."""
    return sum(len(message.content.encode()) + MESSAGE_OVERHEAD for message in messages)

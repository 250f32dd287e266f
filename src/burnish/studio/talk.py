"""The playground's conversations, and what a person says of the answers as ordinary feedback.

Conversations live in memory: only what somebody has an opinion on is stored, with the words it is about. The server
keeps what was really said, so that nobody can give feedback on words they put into a model's mouth. With two models
both answer the same words; which of them stands first is drawn anew for every turn, and the answer that was preferred
goes on into the conversation.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from burnish.errors import BusyError, InputError
from burnish.feedback import kinds
from burnish.loop.answer import Answering
from burnish.loop.speakers import Speaker
from burnish.models.answering import whole
from burnish.records import Author, Completion, Feedback, FinishReason, Message, Prompt, Sampling, content_id, seed_of
from burnish.store import Entry, Receipt, Store

RUN = "studio:play"
"""Run of all feedback that is given here, and of the completions it is about."""
MOST_TALKS = 200
MOST_OWN = 10
"""Conversations of one person; the oldest gives way."""
MOST_TURNS = 30
LONGEST = 8_000
"""Characters in one message."""
KINDS = ("thumb", "correction", "comment", "comparison")


class UndecidedError(InputError):
    """Of two answers, the person has not said which one goes on."""


@dataclass(slots=True)
class Turn:
    """What was asked, and the answers in the order shown."""

    prompt: Prompt
    speakers: tuple[Speaker, ...]
    """Who answered, in the order shown."""
    answers: list[Completion] = field(default_factory=list)
    answered: float = 0.0
    """Clock at which the last answer was complete."""
    preferred: int | None = None
    """Which answer goes on into the conversation; None until that is said."""
    said: dict[tuple[str, int | None], str] = field(default_factory=dict)
    """(kind, which answer) -> id of the feedback that stands now."""
    said_count: int = 0

    @property
    def is_whole(self) -> bool:
        return len(self.answers) == len(self.speakers)

    @property
    def differ(self) -> bool:
        """Whether there is anything to choose between."""
        return len({answer.text.strip() for answer in self.answers}) > 1


@dataclass(slots=True)
class Talk:
    """One person's conversation with one model or with two."""

    id: str
    owner: str
    speakers: tuple[Speaker, ...]
    sampling: Sampling
    seed: int
    turns: list[Turn] = field(default_factory=list)
    revealed: bool = False
    """Whether the names were shown: what is said afterwards was not said blind."""
    busy: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1))

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation so far, each turn with the answer that goes on."""
        if not self.turns:
            return ()
        last = self.turns[-1]
        return (*last.prompt.messages, Message("assistant", last.answers[last.preferred or 0].text))


class Talks:
    """All conversations of a process, the least recently used ones forgotten first."""

    def __init__(self) -> None:
        self._talks: OrderedDict[str, Talk] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, owner: str, speakers: Sequence[Speaker], sampling: Sampling) -> Talk:
        """Return a new conversation with one model, or with two."""
        if len(speakers) not in (1, 2):
            raise InputError(f"models: {len(speakers)} were named; expected one, or two to put side by side.")
        talk = Talk(secrets.token_urlsafe(12), owner, tuple(speakers), sampling, secrets.randbits(31))
        with self._lock:
            self._talks[talk.id] = talk
            own = [each.id for each in self._talks.values() if each.owner == owner]
            for old in own[:-MOST_OWN]:
                del self._talks[old]
            while len(self._talks) > MOST_TALKS:
                self._talks.popitem(last=False)
        return talk

    def of(self, owner: str, talk_id: str) -> Talk | None:
        """Return this person's conversation; None where there is none, and where it is another person's."""
        with self._lock:
            talk = self._talks.get(talk_id)
            if talk is None or talk.owner != owner:
                return None
            self._talks.move_to_end(talk_id)
            return talk


# ----------------------------------------------------------------------------------------------------------- speaking


def ask(talk: Talk, answers: Answering, text: str) -> Generator[dict[str, Any]]:
    """Yield what happens as the models answer: `{"side", "text"}` pieces, `{"side", "done", "cut"}`, then the turn.

    A turn that was not answered to its end, because the person left or a model failed, never was.
    Raises InputError at once for a message that cannot be, BusyError at the first event while one is answered.
    """
    text = whole(text)
    if not text.strip():
        raise InputError("text: empty. Write something first.")
    if len(text) > LONGEST:
        raise InputError(f"text: {len(text):,} characters; at most {LONGEST:,} are taken.")
    if len(talk.turns) >= MOST_TURNS:
        raise InputError(f"conversation: it has {MOST_TURNS} turns already. Begin anew.")
    if talk.turns and (last := talk.turns[-1]).preferred is None and len(last.speakers) > 1 and last.differ:
        raise UndecidedError("choice: say first which of the two answers is better.")
    return _answered(talk, answers, text)


def _answered(talk: Talk, answers: Answering, text: str) -> Generator[dict[str, Any]]:
    if not talk.busy.acquire(blocking=False):  # in here: a stream that nobody ever read must not keep it
        raise BusyError("conversation: the answer before is still under way.")
    try:
        turn = _next_turn(talk, text)
        number = len(talk.turns)
        for side, who in enumerate(turn.speakers):
            for piece in answers.speak(
                who, turn.prompt, talk.sampling, seed=talk.seed, run=RUN, index=2 * number + side
            ):
                if isinstance(piece, Completion):
                    turn.answers.append(piece)
                    yield {"side": side, "done": True, **_ending(piece)}
                else:
                    yield {"side": side, "text": piece}
        turn.answered = time.time()
        talk.turns.append(turn)
        yield {"turn": number, "differ": turn.differ}
    finally:
        talk.busy.release()


def _next_turn(talk: Talk, text: str) -> Turn:
    order = list(talk.speakers)
    random.Random(seed_of(talk.seed, "order", len(talk.turns))).shuffle(order)
    return Turn(Prompt.of((*talk.messages, Message("user", text)), source=RUN), tuple(order))


# ----------------------------------------------------------------------------------------------------------- feedback


def give(talk: Talk, store: Store, number: int, kind: str, fields: Mapping[str, Any], side: int | None) -> Receipt:
    """Store what the conversation's owner says of a turn and return its receipt once it is durable.

    fields: of a row of the kind (`docs`: feedback to signals), indices in the order shown. Said again, it supersedes.
    """
    turn = _turn(talk, number)
    if kind not in KINDS:
        raise InputError(f"kind: {kind!r} is not one of {', '.join(KINDS)}.")
    if (kind == "comparison") != (side is None):
        raise InputError("side: a comparison is of both answers, anything else of one of them.")
    if side is not None and not 0 <= side < len(turn.answers):
        raise InputError(f"side: there is no answer {side}.")
    shown = tuple(turn.answers) if side is None else (turn.answers[side],)
    if kind == "comparison" and len(shown) != 2:
        raise InputError("comparison: one model answered, so there is nothing to compare.")
    record = _feedback(talk, turn, kind, _value(kind, fields, shown), shown, side)
    (receipt,) = store.submit(Entry(turn.prompt, shown, (record,)))
    turn.said[kind, side] = record.id
    turn.said_count += 1
    if kind == "comparison":
        turn.preferred = int(record.value.get("chosen", 0))
    return receipt


def so_far(talk: Talk) -> list[dict[str, Any]]:
    """Return what was said and answered, in the order shown, and of which answers something is stored."""
    return [
        {
            "asked": turn.prompt.text,
            "answers": [{"text": answer.text, **_ending(answer)} for answer in turn.answers],
            "differ": turn.differ,
            "preferred": turn.preferred if (("comparison", None) in turn.said) else None,
            "stored": sorted({side for _, side in turn.said if side is not None}),
        }
        for turn in talk.turns
    ]


def _ending(answer: Completion) -> dict[str, bool]:
    return {"cut": answer.finish_reason is FinishReason.LENGTH, "empty": not answer.text.strip()}


def reveal(talk: Talk) -> list[list[str]]:
    """Return who said what, for every turn in the order shown; from now on the person no longer judges blind."""
    talk.revealed = True
    return [[each.name for each in turn.speakers] for turn in talk.turns]


def _turn(talk: Talk, number: int) -> Turn:
    if not 0 <= number < len(talk.turns):
        raise InputError(f"turn: the conversation has no turn {number}.")
    return talk.turns[number]


def _value(kind: str, fields: Mapping[str, Any], shown: Sequence[Completion]) -> dict[str, Any]:
    """Return the kind's own value, read by the kind from a row: what is said here and what a file brings are one."""
    of = kinds.load(kind)
    row = {**fields, "completion": shown[0].text}
    if kind == "comparison":
        row = of.to_row(dict(fields), [each.text for each in shown])
        of.texts(row)  # refuses texts that are alike
    value: dict[str, Any] = of.parse(row)
    return value


def _feedback(
    talk: Talk, turn: Turn, kind: str, value: Mapping[str, Any], shown: Sequence[Completion], side: int | None
) -> Feedback:
    number = talk.turns.index(turn)
    return Feedback(
        id=content_id("f", [RUN, talk.id, number, kind, side, turn.said_count]),
        kind=kind,
        prompt_id=turn.prompt.id,
        completion_ids=tuple(each.id for each in shown),
        value=value,
        author=Author(talk.owner),
        time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds_spent=round(max(time.time() - turn.answered, 0.0), 1),
        exposure={
            "position": side,
            "beside": len(turn.answers) - 1,
            "blind": len(talk.speakers) > 1 and not talk.revealed,
        },
        supersedes=turn.said.get((kind, side), ""),
        source=RUN,
        run=RUN,
        metadata={"conversation": talk.id, "turn": number},
    )

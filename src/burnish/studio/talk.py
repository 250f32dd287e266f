"""The playground's conversations, and what a person says of the answers as ordinary feedback.

A conversation is kept in the store, for its person alone; what somebody has an opinion on is stored as feedback with
the words it is about. The server keeps what was really said, so that nobody can give feedback on words they put into a
model's mouth. With two models both answer the same words; which of them stands first is drawn anew for every turn, and
the answer that was preferred goes on into the conversation.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from burnish.errors import BusyError, InputError
from burnish.feedback import kinds
from burnish.loop.answer import Answering
from burnish.loop.speakers import Speaker
from burnish.models.answering import whole
from burnish.plain import completion_from_plain, prompt_from_plain, sampling_from_plain, to_plain
from burnish.records import Author, Completion, Feedback, FinishReason, Message, Prompt, Sampling, content_id, seed_of
from burnish.store import Entry, Receipt, Store

RUN = "studio:play"
"""Run of all feedback that is given here, and of the completions it is about."""
MOST_OWN = 50
"""Conversations of one person; the oldest gives way."""
MOST_TURNS = 30
LONGEST = 8_000
"""Characters in one message."""
_TITLE = 80  # characters of the first message that stand in the list
KINDS = ("thumb", "correction", "comment", "comparison")


class UndecidedError(InputError):
    """Of two answers, the person has not said which one goes on."""


@dataclass(slots=True)
class Turn:
    """What was asked, and the answers in the order shown."""

    prompt: Prompt
    names: tuple[str, ...]
    """Who answered, in the order shown."""
    answers: list[Completion] = field(default_factory=list)
    answered: float = 0.0
    """Clock at which the last answer was complete."""
    preferred: int | None = None
    """Which answer goes on into the conversation; None until that is said."""
    said: dict[str, str] = field(default_factory=dict)
    """Kind and which answer (`thumb 0`, `comparison`) -> id of the feedback that stands now."""
    said_count: int = 0

    @property
    def differ(self) -> bool:
        """Whether there is anything to choose between."""
        return len({answer.text.strip() for answer in self.answers}) > 1

    @property
    def is_open(self) -> bool:
        """Whether it has yet to be said which answer goes on."""
        return self.preferred is None and len(self.names) > 1 and self.differ


@dataclass(slots=True)
class Talk:
    """One person's conversation with one model or with two, as it stands in the store."""

    id: str
    owner: str
    names: tuple[str, ...]
    """The models it is held with."""
    sampling: Sampling
    seed: int
    turns: list[Turn] = field(default_factory=list)
    revealed: bool = False
    """Whether the names were shown: what is said afterwards was not said blind."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation so far, each turn with the answer that goes on."""
        if not self.turns:
            return ()
        last = self.turns[-1]
        return (*last.prompt.messages, Message("assistant", last.answers[last.preferred or 0].text))


class Talks:
    """The conversations of a store, and which of them a model is speaking in now."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.changing = threading.Lock()
        """Held while a turn is read, changed and kept: two tabs may say something of it at once."""
        self._speaking: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, owner: str, names: Sequence[str], sampling: Sampling) -> Talk:
        """Return a new conversation with one model, or with two."""
        if len(names) not in (1, 2):
            raise InputError(f"models: {len(names)} were named; expected one, or two to put side by side.")
        talk = Talk(secrets.token_urlsafe(12), owner, tuple(names), sampling, secrets.randbits(31))
        self.store.talks.begin(talk.id, owner, _settings(talk), most=MOST_OWN, now_ms=_now_ms())
        return talk

    def of(self, owner: str, talk_id: str) -> Talk | None:
        """Return this person's conversation; None where there is none, and where it is another person's."""
        found = self.store.talks.get(owner, talk_id)
        if found is None:
            return None
        settings, turns = found
        sampling = sampling_from_plain(settings["sampling"])
        names, seed, revealed = tuple(settings["names"]), settings["seed"], settings["revealed"]
        return Talk(talk_id, owner, names, sampling, seed, [_turn_from_plain(each) for each in turns], revealed)

    def keep(self, talk: Talk, number: int) -> None:
        """Write a turn down, new or changed. Raises InputError where the conversation was deleted meanwhile."""
        turn = talk.turns[number]
        asked = " ".join(talk.turns[0].prompt.messages[0].content.replace("\0", " ").split())
        title = asked if len(asked) <= _TITLE else asked[: _TITLE - 1] + "…"
        plain = _turn_to_plain(turn)
        if not self.store.talks.put_turn(talk.owner, talk.id, number, plain, title=title, now_ms=_now_ms()):
            raise InputError("conversation: it was deleted meanwhile. Begin anew.")

    def reveal(self, talk: Talk) -> list[list[str]]:
        """Return who said what, for every turn in the order shown; from now on the person no longer judges blind."""
        if not talk.revealed:
            talk.revealed = True
            self.store.talks.change(talk.owner, talk.id, _settings(talk), now_ms=_now_ms())
        return [list(turn.names) for turn in talk.turns]

    @contextlib.contextmanager
    def speaking(self, talk_id: str) -> Iterator[None]:
        """Hold the one place of a conversation in which a model answers. Raises BusyError when it is taken."""
        with self._lock:
            if talk_id in self._speaking:
                raise BusyError("conversation: the answer before is still under way.")
            self._speaking.add(talk_id)
        try:
            yield
        finally:
            with self._lock:
                self._speaking.discard(talk_id)


def _settings(talk: Talk) -> dict[str, Any]:
    own = {"names": list(talk.names), "seed": talk.seed, "revealed": talk.revealed}
    return {**own, "sampling": to_plain(talk.sampling)}


def _turn_to_plain(turn: Turn) -> dict[str, Any]:
    plain = {item.name: getattr(turn, item.name) for item in fields(turn)}
    return {**plain, "prompt": to_plain(turn.prompt), "answers": [to_plain(each) for each in turn.answers]}


def _turn_from_plain(plain: Mapping[str, Any]) -> Turn:
    answers = [completion_from_plain(each) for each in plain["answers"]]
    return Turn(
        **{**plain, "prompt": prompt_from_plain(plain["prompt"]), "answers": answers, "names": tuple(plain["names"])}
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


# ----------------------------------------------------------------------------------------------------------- speaking


def ask(
    talks: Talks, talk: Talk, speakers: Sequence[Speaker], answers: Answering, text: str
) -> Generator[dict[str, Any]]:
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
    if talk.turns and talk.turns[-1].is_open:
        raise UndecidedError("choice: say first which of the two answers is better.")
    return _answered(talks, talk, speakers, answers, text)


def _answered(
    talks: Talks, talk: Talk, speakers: Sequence[Speaker], answers: Answering, text: str
) -> Generator[dict[str, Any]]:
    with talks.speaking(talk.id):  # in here: a stream that nobody ever read must not keep it
        now, number = talks.of(talk.owner, talk.id), len(talk.turns)
        if now is None or len(now.turns) != number:
            raise BusyError("conversation: it went on meanwhile.")
        order = list(speakers)
        random.Random(seed_of(talk.seed, "order", number)).shuffle(order)
        prompt = Prompt.of((*now.messages, Message("user", text)), source=RUN)
        turn = Turn(prompt, tuple(each.name for each in order))
        for side, who in enumerate(order):
            for piece in answers.speak(who, prompt, talk.sampling, seed=talk.seed, run=RUN, index=2 * number + side):
                if isinstance(piece, Completion):
                    turn.answers.append(piece)
                    yield {"side": side, "done": True, **_ending(piece)}
                else:
                    yield {"side": side, "text": piece}
        turn.answered = time.time()
        now.turns.append(turn)
        talks.keep(now, number)
        yield {"turn": number, "differ": turn.differ}


# ----------------------------------------------------------------------------------------------------------- feedback


def give(talks: Talks, talk: Talk, number: int, kind: str, said: Mapping[str, Any], side: int | None) -> Receipt:
    """Store what the conversation's owner says of a turn and return its receipt once it is durable.

    said: fields of a row of the kind (`docs`: feedback to signals), indices in the order shown. Said again, it
    supersedes.
    """
    with talks.changing:
        return _given(talks, talks.of(talk.owner, talk.id) or talk, number, kind, said, side)


def _given(talks: Talks, talk: Talk, number: int, kind: str, said: Mapping[str, Any], side: int | None) -> Receipt:
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
    record = _feedback(talk, turn, kind, _value(kind, said, shown), shown, side)
    (receipt,) = talks.store.submit(Entry(turn.prompt, shown, (record,)))
    turn.said[_about(kind, side)] = record.id
    turn.said_count += 1
    if kind == "comparison":
        turn.preferred = int(record.value.get("chosen", 0))
    talks.keep(talk, number)
    return receipt


def so_far(talk: Talk) -> list[dict[str, Any]]:
    """Return what was said and answered, in the order shown, and of which answers something is stored."""
    return [
        {
            "asked": turn.prompt.text,
            "answers": [{"text": answer.text, **_ending(answer)} for answer in turn.answers],
            "differ": turn.differ,
            "preferred": turn.preferred if "comparison" in turn.said else None,
            "stored": sorted({int(about.split()[1]) for about in turn.said if " " in about}),
        }
        for turn in talk.turns
    ]


def _ending(answer: Completion) -> dict[str, bool]:
    return {"cut": answer.finish_reason is FinishReason.LENGTH, "empty": not answer.text.strip()}


def _about(kind: str, side: int | None) -> str:
    return kind if side is None else f"{kind} {side}"


def _turn(talk: Talk, number: int) -> Turn:
    if not 0 <= number < len(talk.turns):
        raise InputError(f"turn: the conversation has no turn {number}.")
    return talk.turns[number]


def _value(kind: str, said: Mapping[str, Any], shown: Sequence[Completion]) -> dict[str, Any]:
    """Return the kind's own value, read by the kind from a row: what is said here and what a file brings are one."""
    of = kinds.load(kind)
    row = {**said, "completion": shown[0].text}
    if kind == "comparison":
        row = of.to_row(dict(said), [each.text for each in shown])
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
            "blind": len(talk.names) > 1 and not talk.revealed,
        },
        supersedes=turn.said.get(_about(kind, side), ""),
        source=RUN,
        run=RUN,
        metadata={"conversation": talk.id, "turn": number},
    )

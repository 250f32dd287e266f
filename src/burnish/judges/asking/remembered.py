"""A sampler that asks each question once: answers are kept by the hash of all that was asked, and come back for
nothing.

Without a sampler behind it this is a replay: what was never recorded is a failure, and nothing is asked anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from burnish.errors import SpentError, UnreachableError
from burnish.models import answering
from burnish.models.answering import Attempt, Choice, Choosing, Failure, Schema, name_of
from burnish.models.endpoint_address import PREFIX
from burnish.plain import completion_from_plain, to_plain
from burnish.records import Completion, Prompt, Sampler, Sampling, canonical_json, content_id

T = TypeVar("T")


class Memory(Protocol):
    """Keeps answers by key (`burnish.store.judge_cache.JudgeCache`, or a dict in a test)."""

    def get(self, keys: Collection[str]) -> Mapping[str, str]: ...
    def put(self, answers: Mapping[str, str], asked: Mapping[str, Sequence[str]]) -> None:
        """Keep answers. `asked`: the texts of each question, by which an answer is found again to be forgotten."""


@runtime_checkable
class Probing(Protocol):
    """A sampler that has to be asked once whether it gives log-probs (`burnish.models.endpoint`)."""

    def probe(self) -> bool: ...


@dataclass
class Tally:
    """How often memory answered."""

    recalled: int = 0
    asked: int = 0


class Remembered:
    """`Sampler` in front of another one, or in front of none (a replay)."""

    def __init__(self, inner: Sampler | None, memory: Memory, *, name: str = "", stops: bool = False) -> None:
        """name: of the model that is replayed, where there is no inner sampler to tell.

        stops: raise `SpentError`, once what was answered is kept, where the spending cap left a question unasked. Else
        that is a failure like others, and is counted.
        """
        if inner is None and not name:
            raise ValueError("a replay needs the name of the model that was recorded")
        self.inner = inner
        self.memory = memory
        self.stops = stops
        self.name = name or name_of(inner)
        self.tally = Tally()
        self.tells_logprobs = inner is None or (isinstance(inner, Choosing) and inner.tells_logprobs)
        self.by_first_token = bool(getattr(inner, "by_first_token", self.name.startswith(PREFIX)))

    def probe(self) -> bool:
        """Return whether the model gives log-probs, as it was found the first time, and go by it from now on.

        What was found is kept with the answers: a replay asks in the form in which was asked, and finds its answers. An
        older memory that does not say is taken to hold log-probs where there is no model to ask.
        """
        key = content_id("q", [self.name, "probe"])
        known = self.memory.get([key])
        inner: object = self.inner
        if key in known:
            self.tells_logprobs = bool(json.loads(known[key])["tells_logprobs"])
        elif isinstance(inner, Probing):
            self.tells_logprobs = inner.probe()
            self.memory.put({key: canonical_json({"tells_logprobs": self.tells_logprobs})}, {key: ()})
        return self.tells_logprobs

    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions for each prompt; raises `UnreachableError` for one that could not be had."""
        groups = self.attempt(prompts, sampling, n=n, seed=seed)
        for failure in (each for group in groups for each in group if isinstance(each, Failure)):
            raise UnreachableError(f"{self.name}: {failure}.")
        return [[each for each in group if isinstance(each, Completion)] for group in groups]

    def attempt(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, schema: Schema = None
    ) -> list[list[Attempt]]:
        """Return n completions or failures for each prompt; only prompts with an unknown answer are asked."""
        asked = {"sampling": to_plain(sampling), "schema": schema, "n": n, "seed": seed}

        def ask(some: Sequence[Prompt]) -> Sequence[list[Attempt]]:
            if self.inner is None:
                return [[_unrecorded()] * n for _ in some]
            return answering.attempt(self.inner, some, sampling, n=n, seed=seed, schema=schema)

        return self._through(prompts, asked, ask, _write_group, _read_group)

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> list[Choice]:
        """Return the log-probs of the options for each prompt; a failure where the inner sampler offers none."""

        def ask(some: Sequence[Prompt]) -> Sequence[Choice]:
            inner: object = self.inner
            if isinstance(inner, Choosing):
                return inner.choose(some, options)
            lacking = _unrecorded() if inner is None else Failure("no log-probs", f"{self.name} offers none")
            return [lacking] * len(some)

        return self._through(prompts, {"options": list(options)}, ask, _write_choice, json.loads)

    def _through(
        self,
        prompts: Sequence[Prompt],
        asked: Mapping[str, Any],
        ask: Callable[[Sequence[Prompt]], Sequence[T]],
        write: Callable[[T], str | None],
        read: Callable[[str], T],
    ) -> list[T]:
        keys = [content_id("q", [self.name, asked, _messages(prompt)]) for prompt in prompts]
        known = {key: read(text) for key, text in self.memory.get(keys).items()}
        missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in known}
        self.tally.recalled += len(prompts) - len(missing)
        self.tally.asked += len(missing)
        if missing:
            found = dict(zip(missing, ask(list(missing.values())), strict=True))
            written = {key: text for key, answer in found.items() if (text := write(answer)) is not None}
            self.memory.put(written, {key: _texts(missing[key]) for key in written})
            known.update(found)
            if self.stops and any(map(_was_too_dear, found.values())):
                raise SpentError(f"{self.name}: the spending cap is reached. What it answered is kept, and free again.")
        return [known[key] for key in keys]


def _messages(prompt: Prompt) -> list[list[str]]:
    return [[message.role, message.content] for message in prompt.messages]


def _texts(prompt: Prompt) -> list[str]:
    """What was said to the model, but for our standing instruction."""
    return [message.content for message in prompt.messages if message.role != "system"]


def _was_too_dear(answer: object) -> bool:
    """Return whether a question, or one draw of it, was not asked because of the spending cap."""
    several = answer if isinstance(answer, list) else [answer]
    return any(isinstance(each, Failure) and each.reason == "budget" for each in several)


def _unrecorded() -> Failure:
    return Failure("not recorded", "this question was never asked before")


def _write_group(group: list[Attempt]) -> str | None:
    """Return the text of a group; None when any of it failed, so that it is asked again."""
    if any(isinstance(each, Failure) for each in group):
        return None
    return canonical_json([to_plain(each) for each in group])


def _read_group(text: str) -> list[Attempt]:
    return [completion_from_plain(each) for each in json.loads(text)]


def _write_choice(choice: Choice) -> str | None:
    return None if isinstance(choice, Failure) else canonical_json(dict(choice))

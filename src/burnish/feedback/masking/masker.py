"""Puts placeholders in the place of personal data, the same for the same value, and counts what it took out."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from burnish.feedback.masking.findings import Finder, Finding
from burnish.feedback.masking.rules import find
from burnish.feedback.masking.vault import Vault
from burnish.records import Author, Completion, Feedback, Message, Prompt
from burnish.store import Entry

AUTHORS = "author"
"""The scope of people's names: a person keeps one placeholder over all prompts, or they would be many people."""
IDS = "id"
LONGEST_REMEMBERED = 1_000
"""Characters of a text whose findings are remembered; all of them together are 20 MB."""
_OWN_ID = re.compile(r"[a-z]{1,2}_[0-9a-f]{20}(?:[/~][a-z0-9_]+)*|")


@dataclass(slots=True)
class Tally:
    """What was masked so far. It holds no personal data."""

    by_type: Counter[str] = field(default_factory=Counter)
    """Places, by type."""
    by_part: Counter[str] = field(default_factory=Counter)
    """Places, by where they stood: prompt, completion, words (what people said), author."""
    entries: int = 0
    """Entries that were looked at."""
    touched: int = 0
    """Entries in which something was masked."""
    placeholders: set[str] = field(default_factory=set)

    @property
    def places(self) -> int:
        return self.by_type.total()

    def to_plain(self) -> dict[str, Any]:
        return {
            "entries": self.entries,
            "touched": self.touched,
            "places": self.places,
            "distinct": len(self.placeholders),
            "by_type": dict(sorted(self.by_type.items())),
            "by_part": dict(sorted(self.by_part.items())),
        }


@dataclass(frozen=True, slots=True)
class Masked:
    """A masked text, and where its placeholders stand for what."""

    text: str
    findings: tuple[Finding, ...]
    """In the original text."""
    placeholders: tuple[str, ...]

    def place(self, at: int, *, end: bool = False) -> int:
        """Where a place of the original text is now; within personal data, the start (or end) of its placeholder."""
        moved = 0
        for finding, placeholder in zip(self.findings, self.placeholders, strict=True):
            if at <= finding.start:
                break
            if at < finding.end:
                return finding.start + moved + (len(placeholder) if end else 0)
            moved += len(placeholder) - (finding.end - finding.start)
        return at + moved


@dataclass(slots=True)
class Masker:
    """Masks personal data. One masker for one import: it counts in `tally`, and fills `vault` where there is one."""

    key: bytes
    """At least 16 bytes (`make_key`). The same key gives the same placeholders: importing a file again adds nothing."""
    types: Collection[str] | None = None
    """Only these types; all where None."""
    engines: Sequence[Finder] = ()
    """Finders of other packages beside our rules, such as an engine of named entities."""
    vault: Vault | None = None
    tally: Tally = field(default_factory=Tally)

    def __call__(self, texts: Sequence[str], scope: str | None = None) -> list[str]:
        """Texts that belong together, masked: the one function to call before anything leaves the machine.

        The first, such as what was asked, is their scope where none is given.
        """
        together = scope if scope is not None else "".join(texts[:1])
        return [self.text(text, together) for text in texts]

    def text(self, text: str, scope: str = "", part: str = "text") -> str:
        """One text, masked. Values are the same placeholder where they are equal and the scope is."""
        return self.located(text, scope, part).text

    def located(self, text: str, scope: str = "", part: str = "text") -> Masked:
        """One text, masked, with the places of what was taken out."""
        findings = self._findings(text)
        if not findings:
            return Masked(text, (), ())
        made, names, done = [], [], 0
        for finding in findings:
            value = text[finding.start : finding.end]
            name = self._placeholder(finding.type, value, scope)
            made += [text[done : finding.start], name]
            names.append(name)
            done = finding.end
            self.tally.by_type[finding.type] += 1
            self.tally.by_part[part] += 1
            self.tally.placeholders.add(name)
            if self.vault is not None:
                self.vault.keep(name, value)
        return Masked("".join(made) + text[done:], findings, tuple(names))

    def entry(self, entry: Entry) -> Entry:
        """An entry, masked: prompt, completions and what people said. Ids follow from the masked texts.

        The scope is the prompt as it was, so one completion is masked alike in every entry of its prompt. A completion
        that was changed, or whose prompt was, loses its token ids and log-probabilities: it is no rollout any more.
        """
        before, scope = self.tally.places, entry.prompt.id
        prompt = self._prompt(entry.prompt, scope)
        texts = {each.id: self.located(each.text, scope, "completion") for each in entry.completions}
        changed = prompt.messages != entry.prompt.messages
        completions = {
            each.id: _completion(each, texts[each.id].text, prompt.id, changed) for each in entry.completions
        }
        ids = {old: new.id for old, new in completions.items()}
        records = tuple(self._feedback(each, scope, prompt.id, ids, texts) for each in entry.feedback)
        self.tally.entries += 1
        self.tally.touched += self.tally.places > before
        return Entry(prompt, tuple(completions.values()), records)

    def author(self, author: Author) -> Author:
        """An author whose name is personal data (an e-mail address, say) under one placeholder everywhere."""
        return replace(author, id=self.text(author.id, AUTHORS, "author")) if author.id else author

    def identity(self, digest: str) -> str:
        """A line's hash under the key: the hash alone would let anyone test guesses of what stood there."""
        return hmac.new(self.key, digest.encode(), hashlib.sha256).hexdigest()

    # ----------------------------------------------------------------------------------------------------- inner parts

    def _findings(self, text: str) -> tuple[Finding, ...]:
        look = _remembered if len(text) <= LONGEST_REMEMBERED else _found
        return look(text, tuple(self.engines), None if self.types is None else frozenset(self.types))

    def _id(self, name: str) -> str:
        """An id, masked where a person made it up; one of ours is a hash, and holds nothing."""
        return name if _OWN_ID.fullmatch(name) else self.text(name, IDS, "words")

    def _placeholder(self, type_: str, value: str, scope: str) -> str:
        said = "\x1f".join((scope, _canonical(type_, value))).encode()
        digest = hmac.new(self.key, b"placeholder\x1f" + said, hashlib.sha256).digest()
        return f"[{type_}_{base64.b32encode(digest[:5]).decode().lower()}]"

    def _prompt(self, prompt: Prompt, scope: str) -> Prompt:
        return replace(
            prompt,
            messages=tuple(Message(each.role, self.text(each.content, scope, "prompt")) for each in prompt.messages),
            reference=None if prompt.reference is None else self.text(prompt.reference, scope, "prompt"),
            metadata=self._all(prompt.metadata, scope, "prompt"),
            source=self.text(prompt.source, scope, "prompt"),
        )

    def _feedback(
        self, record: Feedback, scope: str, prompt_id: str, ids: Mapping[str, str], texts: Mapping[str, Masked]
    ) -> Feedback:
        value = self._all(record.value, scope, "words")
        shown = texts.get(record.completion_ids[0]) if record.completion_ids else None
        return replace(
            record,
            id=self._id(record.id),
            supersedes=self._id(record.supersedes),
            prompt_id=prompt_id,
            completion_ids=tuple(ids.get(each, each) for each in record.completion_ids),
            value=_moved(value, shown) if shown is not None and shown.findings else value,
            author=self.author(record.author),
            comment=self.text(record.comment, scope, "words"),
            exposure=self._all(record.exposure, scope, "words"),
            consent=self.text(record.consent, scope, "words"),
            source=self.text(record.source, scope, "words"),
            metadata=self._all(record.metadata, scope, "words"),
        )

    def _all(self, value: Any, scope: str, part: str) -> Any:
        """A JSON value with every text in it masked."""
        if isinstance(value, str):
            return self.text(value, scope, part)
        if isinstance(value, Mapping):
            return {key: self._all(each, scope, part) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._all(each, scope, part) for each in value]
        return value


def _found(text: str, engines: tuple[Finder, ...], types: frozenset[str] | None) -> tuple[Finding, ...]:
    return tuple(find(text, also=engines, types=types)) if text else ()


_remembered = functools.lru_cache(maxsize=20_000)(_found)  # one prompt and one author stand in thousands of lines


def _completion(completion: Completion, text: str, prompt_id: str, prompt_changed: bool) -> Completion:
    if text == completion.text and not prompt_changed:
        return replace(completion, prompt_id=prompt_id)
    return replace(completion, prompt_id=prompt_id, text=text, token_ids=None, logprobs=None)


def _moved(value: Mapping[str, Any], shown: Masked) -> dict[str, Any]:
    """A value whose spans lie where their text is now. Edits by place cannot be kept; the text they make is."""
    moved = {field: each for field, each in value.items() if field != "edits"}
    if "spans" in moved:
        moved["spans"] = [
            {**span, "start": shown.place(span["start"]), "end": shown.place(span["end"], end=True)}
            for span in moved["spans"]
        ]
    return moved


def _canonical(type_: str, value: str) -> str:
    """What makes two ways of writing one value equal: case, and in numbers the separators."""
    if type_ in ("PHONE", "CARD", "IBAN", "NATIONAL_ID", "ACCOUNT"):
        kept = "".join(each for each in value if each.isalnum())
        return kept.upper()
    return " ".join(value.split()).casefold() if type_ != "KEY" else value

"""One row a person brought, to an entry of the store, and one record back to a row: the shapes of interface.md.

Several kinds may stand in one object; each becomes a record. A row that names its `kind` holds that one, and a
`comment` in it is a remark on that answer. Fields nobody knows are kept as metadata, unless they look like a slip of
the pen for one that is known.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from burnish.errors import InputError
from burnish.feedback import conversations, fields, kinds, origins
from burnish.feedback.answers import Answer
from burnish.feedback.fields import Row
from burnish.records import Author, AuthorKind, Completion, Feedback, content_id
from burnish.store import Entry
from burnish.store.entry import BESIDE

NAMES = ("aspect", "run")
ENVELOPE = (
    "prompt", "kind", "id", "author", "author_kind", "model", "time", "metadata", "aspect", "seconds_spent", "exposure",
    "consent", "supersedes", "source", "run", "round", "prompt_extra", "completion_extra",
)  # fmt: skip
"""Fields that any row may have, whatever its kind."""

_SLIP = 0.85  # "ratings" and "promt" are slips; "prompt_id" and "score_chosen" are other people's columns


@dataclass(frozen=True, slots=True)
class Given:
    """What holds for every row of a file that does not say otherwise."""

    author: Author = field(default_factory=Author)
    source: str = ""


def to_entry(row: Row, identity: Sequence[Any], given: Given) -> Entry:
    """Return the entry that a row describes; without an `id` of its own, `identity` fixes the records' ids, together
    with the author and the source where they are the given ones.

    Raises InputError naming the field, its value, what was expected and the remedy.
    """
    messages, plain = conversations.read(row)
    names = _kinds_in(plain)
    extra = _unclaimed(plain, names)
    prompt = origins.read_prompt(messages, plain, given.source)
    row_id = _row_id(plain["id"]) if "id" in plain else content_id("f", [*identity, *_given_parts(plain, given)])
    envelope = _envelope(plain, given)
    metadata = {**extra, **fields.mapping(plain.get("metadata", {}), "metadata")}
    if len(names) > 1 and "supersedes" in plain:
        raise InputError(f"supersedes: given for {len(names)} kinds at once. Write one object for each kind.")
    completions: dict[str, Completion] = {}
    records = []
    for place, name in enumerate(names):
        kind = kinds.load(name)
        shown = origins.read_completions(kind.texts(plain), prompt.id, plain)
        completions.update((completion.id, completion) for completion in shown)
        remark = plain["comment"] if "kind" in plain and "comment" in plain and name != "comment" else ""
        records.append(
            Feedback(
                id=row_id if place == 0 else f"{row_id}/{name}",
                kind=name,
                prompt_id=prompt.id,
                completion_ids=tuple(completion.id for completion in shown),
                value=kind.parse(plain),
                comment=fields.characters(remark, "comment"),
                metadata={**metadata, BESIDE: list(names[1:])} if place == 0 and len(names) > 1 else metadata,
                **envelope,
            )
        )
    return Entry(prompt, tuple(completions.values()), tuple(records))


def to_row(answer: Answer) -> dict[str, Any]:
    """Return the row of a record: `to_entry` of it gives the record back, without what it supersedes."""
    record, prompt = answer.feedback, answer.prompt
    kind = kinds.load(record.kind)
    row: dict[str, Any] = {"prompt": conversations.write(prompt)}
    row.update(kind.to_row(record.value, [completion.text for completion in answer.completions]))
    if record.comment:
        row["comment"] = record.comment
    if [name for name in kinds.names() if kinds.load(name).recognise(row)] != [record.kind]:
        row["kind"] = record.kind
    if record.author.id:
        row["author"] = record.author.id
    if record.author.kind != "human":
        row["author_kind"] = record.author.kind
    optional = ("time", "aspect", "exposure", "consent", "source", "run", "round", "metadata")
    row.update((field, value) for field in optional if (value := getattr(record, field)) not in ("", None, 0, {}))
    if record.seconds_spent is not None:
        row["seconds_spent"] = record.seconds_spent
    row.update(origins.write(prompt, answer.completions))
    row["id"] = record.id
    return row


def _kinds_in(plain: Row) -> tuple[str, ...]:
    if "kind" in plain:
        name = fields.characters(plain["kind"], "kind")
        kinds.load(name)
        return (name,)
    found = [name for name in kinds.names() if kinds.load(name).recognise(plain)]
    if not found:
        raise InputError(
            f"no feedback in it ({', '.join(kinds.names())}). Add what somebody said, such as "
            f'"thumb": true.{_slip(plain)}'
        )
    # what is said of the whole takes the row's id; words and marks beside it have ids of their own
    return tuple(sorted(found, key=lambda name: name in ("comment", "span")))


def _fields_of_kinds() -> set[str]:
    return {field for name in kinds.names() for field in kinds.load(name).FIELDS}


def _slip(plain: Row) -> str:
    known = _fields_of_kinds() | set(ENVELOPE)
    for key in sorted(set(plain) - known):
        if close := difflib.get_close_matches(key, known, n=1, cutoff=0.7):
            return f" Did you mean {close[0]!r} by {key!r}?"
    return ""


def _unclaimed(plain: Row, names: Sequence[str]) -> dict[str, Any]:
    """Return the fields nobody knows; raises InputError for a known one that no kind of this row uses."""
    used = {*ENVELOPE, *(field for name in names for field in kinds.load(name).FIELDS)}
    if "kind" in plain:
        used.add("comment")
    extra = {}
    known = _fields_of_kinds()
    for key in sorted(set(plain) - used):
        if key in known:
            remedy = "Leave `kind` out to store both" if "kind" in plain else "Remove it, or add what belongs to it"
            raise InputError(f"{key}: no part of a {' or '.join(names)}. {remedy}.")
        if close := difflib.get_close_matches(key, used | known, n=1, cutoff=_SLIP):
            raise InputError(f"{key!r} is unknown. Did you mean {close[0]!r}? Other data belong into `metadata`.")
        extra[key] = plain[key]
    if both := sorted(set(extra) & set(fields.mapping(plain.get("metadata", {}), "metadata"))):
        raise InputError(f"{both[0]}: given both beside and inside metadata. Keep one.")
    return extra


def _row_id(value: object) -> str:
    """Return a row's own id; whole numbers are taken as their digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else fields.name(value, "id")


def _given_parts(plain: Row, given: Given) -> list[list[str]]:
    """Return what a row takes from `given`: without it the same line for two authors would be one record."""
    author, source = given.author, given.source
    parts = [["author", author.id, author.kind]] if "author" not in plain and author != Author() else []
    return parts + ([["source", source]] if "source" not in plain and source else [])


def _envelope(plain: Row, given: Given) -> dict[str, Any]:
    values: dict[str, Any] = {"author": _author(plain, given.author), "source": given.source}
    values.update((field, fields.name(plain[field], field)) for field in (*NAMES, "supersedes") if plain.get(field))
    values.update((field, fields.characters(plain[field], field)) for field in ("consent", "source") if field in plain)
    if "time" in plain:
        values["time"] = fields.moment(plain["time"], "time")
    if "exposure" in plain:
        values["exposure"] = fields.mapping(plain["exposure"], "exposure")
    if "round" in plain:
        values["round"] = fields.whole(plain["round"], "round", 0, 2**31 - 1)
    if "seconds_spent" in plain:
        values["seconds_spent"] = float(fields.number(plain["seconds_spent"], "seconds_spent"))
        if values["seconds_spent"] < 0:
            raise fields.wrong("seconds_spent", plain["seconds_spent"], "0 or more")
    return values


def _author(plain: Row, given: Author) -> Author:
    kind = (
        cast(AuthorKind, fields.one_of(plain["author_kind"], "author_kind", get_args(AuthorKind)))
        if "author_kind" in plain
        else None
    )
    if "author" not in plain:
        return Author(given.id, kind or given.kind)
    named = fields.characters(plain["author"], "author")
    return Author(fields.name(named, "author") if named else "", kind or "human")

"""Which correction goes with which comment: what one person says and mends in one go is one critique, not two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from burnish.feedback.answers import Answer

_Who: TypeAlias = tuple[str, ...]


def mended_beside(comments: Sequence[Answer], corrections: Sequence[Answer]) -> dict[str, Answer]:
    """Return by the id of a comment the correction that its author gave with it.

    With it means: in the same line or record; or, of a person who has a name, the only correction of that completion
    beside their only comment on it. A correction that was suggested in words has its critique there already.
    """
    own = [each for each in corrections if "suggested" not in each.feedback.value]
    by_line = {_line(each): each for each in own}
    said = Counter(who for each in comments if (who := _who(each)))
    mended = Counter(who for each in own if (who := _who(each)))
    by_person = {who: each for each in own if (who := _who(each)) and mended[who] == said[who] == 1}
    found = {}
    for comment in comments:
        beside = by_line.get(_line(comment)) or by_person.get(_who(comment))
        if beside is not None and beside.completions[0].id == comment.completions[0].id:
            found[comment.feedback.id] = beside
    return found


def versions(value: Mapping[str, Any]) -> list[str]:
    """The texts of a correction, each better than the one before; the last is as it should read."""
    given = value["correction"]
    return [given] if isinstance(given, str) else list(given)


def last_version(value: Mapping[str, Any]) -> str:
    """How the completion should read."""
    return versions(value)[-1]


def _line(answer: Answer) -> tuple[str, str]:
    """The line that a record came in: its id, but for the kind that further records of a line have behind it."""
    name = answer.feedback.id
    return answer.prompt.id, name.removesuffix("/comment").removesuffix("/correction")


def _who(answer: Answer) -> _Who:
    """Person and completion; empty for what nobody named gave."""
    author = answer.feedback.author
    return (author.kind, author.id, answer.completions[0].id) if author.id else ()

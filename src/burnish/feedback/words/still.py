"""Whether a comment still holds of a revision, by rule: yes, no, or unknown where no rule can tell.

A refinement that says it heeded a comment often has not (Scheurer et al. 2023, arXiv 2303.16755, pick refinements by
asking again). What can be checked without a model is checked here, clause by clause; the rest is left open, never
guessed: that a sentence was changed does not say that it was mended.

    complaint                                   holds no more when                         holds when
    "too long", 太长, "cut it to 50 words"      a tenth shorter, or within the number      as long as before
    "too short", "more detail"                  a tenth longer                             as short as before
    "repetitive"                                half the repeated word triples are gone    none is gone
    it quotes or counts out a part              the part is gone, if it asks for that      the part is as it was
    "it does not mention X", 没有提到           X is there                                 X is still not there
    "remove X", "without X", 删掉               X is gone                                  X is there
    "write in Chinese", "in English", 用中文    most letters are of that script            most are not
    anything, of a text that is as it was       -                                          the text is the same
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from burnish.feedback.words import target
from burnish.feedback.words.reading import Reading, Said, read
from burnish.feedback.words.tokens import HAN
from burnish.records import Completion, Critique

CLEARLY = 0.1
"""A length must change by this share to answer a complaint about it."""


class Holds(Enum):
    """Whether a comment still holds."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a comment says, checked on the revision, with the reason in words."""

    holds: Holds
    text: str
    """The clause, or the whole comment where it was not read clause by clause."""
    reason: str


@dataclass(frozen=True, slots=True)
class StillTrue:
    """The checks of a comment on a revision."""

    checks: tuple[Check, ...]

    @property
    def holds(self) -> Holds:
        """YES where anything it complains of is still so; NO where all of it is answered; else UNKNOWN."""
        found = {check.holds for check in self.checks}
        if Holds.YES in found:
            return Holds.YES
        return Holds.NO if found == {Holds.NO} else Holds.UNKNOWN


def still_true(comment: str, completion: str, revision: str, *, reading: Reading | None = None) -> StillTrue:
    """Whether the complaints of a comment on a completion still hold of its revision; praise is not checked.

    `reading`: the comment as read already (by a model, say); else it is read by rule.
    """
    given = reading or read(comment, completion)
    complaints = [said for said in given.said if said.value < 0]
    if _same(completion, revision):
        return StillTrue((Check(Holds.YES, comment, "the text is the same"),) if complaints or not given.said else ())
    asked = [check for rule in _ASKED if (check := rule(comment, completion, revision))]
    settled = [_complaint(said, completion, revision) for said in complaints if not _covered(said, asked)]
    if not asked and not settled and not given.said:
        return StillTrue((Check(Holds.UNKNOWN, comment, "no rule reads it"),))
    return StillTrue((*asked, *settled))


def claims(critique: Critique, refinement: Completion) -> bool | None:
    """Return whether the critique still holds of the refinement; None where no rule can tell.

    In the form in which methods ask for it (`examples.Claims`).
    """
    holds = still_true(critique.text, critique.completion.text, refinement.text).holds
    return None if holds is Holds.UNKNOWN else holds is Holds.YES


# ---------------------------------------------------------------------------------------- what a comment asks outright


def _word_limit(comment: str, before: str, after: str) -> Check | None:
    found = re.search(
        r"\b(?:under|below|at most|no more than|within|to|max(?:imum)?(?: of)?|fewer than|less than|in)"
        r"\s+(\d+)\s+words\b"
        r"|(\d+)\s*(?:个)?字(?:以内|以下)|不超过\s*(\d+)\s*(?:个)?字",
        comment,
        re.IGNORECASE,
    )
    if not found:
        return None
    limit = int(next(number for number in found.groups() if number))
    length = size(after)
    return Check(Holds.YES if length > limit else Holds.NO, found[0], f"{length} words, {limit} asked for")


def _mention(comment: str, before: str, after: str) -> Check | None:
    found = re.search(
        r"\b(?:does not|doesn't|did not|didn't|never|fails? to|should|please|forgot to|forgets to)\s+(?:even\s+)?"
        r"(?:mention|include|name|say|add)s?\s+(?:the |a |an |any )?([^.,;!?]+)"
        r"|\b(?:no mention of|(?:is |are )?missing|leaves out|left out|omits)\s+(?:the |a |an |any )?([^.,;!?]+)"
        r"|(?:没有提到|没提到|没有提及|漏了|缺少|应该提到|加上)([^。,，;；!！?？]+)",
        comment,
        re.IGNORECASE,
    )
    if not found:
        return None
    wanted = _thing(next(part for part in found.groups() if part))
    if not wanted or target.find(wanted, before):
        return None  # it stands there already, so something else was meant
    there = bool(target.find(wanted, after))
    return Check(Holds.NO if there else Holds.YES, found[0], f"{wanted!r} is {'' if there else 'not '}there")


def _remove(comment: str, before: str, after: str) -> Check | None:
    found = re.search(
        r"\b(?:remove|delete|drop|omit|get rid of|leave out|cut)"
        r"\s+(?:the (?:word|phrase|name)s? |the |a |an )?([^.,;!?]+)"
        r"|(?:删掉|删除|去掉|去除|不要)([^。,，;；!！?？]+)",
        comment,
        re.IGNORECASE,
    )
    unwanted = _thing(found[1] or found[2]) if found else ""
    if not found or not unwanted or not target.find(unwanted, before):
        return None
    there = bool(target.find(unwanted, after))
    return Check(Holds.YES if there else Holds.NO, found[0], f"{unwanted!r} is {'still there' if there else 'gone'}")


def _language(comment: str, before: str, after: str) -> Check | None:
    found = re.search(
        r"\b(?:in|into)\s+(chinese|english)\b|\b(?:not|isn't)\s+(?:in\s+)?(chinese|english)\b|用(中文|英文|汉语|英语)",
        comment,
        re.IGNORECASE,
    )
    if not found:
        return None
    wanted = next(part for part in found.groups() if part).lower()
    chinese = wanted in ("chinese", "中文", "汉语")
    right = (_share_of_han(after) > 0.5) == chinese
    return Check(Holds.NO if right else Holds.YES, found[0], f"{_share_of_han(after):.0%} of its letters are Chinese")


_ASKED: tuple[Callable[[str, str, str], Check | None], ...] = (_word_limit, _mention, _remove, _language)


def _thing(words: str) -> str:
    """What is named, without quotes and without what it is named for: "the price in the title" is the price."""
    quoted = target.quotes(words)
    bare = re.split(r"\b(?:in|at|from|because|since|so|and|anywhere|at all|of the)\b|在", words)[0]
    return (quoted[0] if quoted else bare).strip(" \"'“”‘’。")


def _covered(said: Said, asked: Sequence[Check]) -> bool:
    return any(check.text in said.text or said.text in check.text for check in asked)


# ------------------------------------------------------------------------------------------- what a clause complains of


def _complaint(said: Said, before: str, after: str) -> Check:
    if said.aspect == "length":
        return _length(said, before, after)
    if not said.spans:
        return Check(Holds.UNKNOWN, said.text, "it names no part that could be compared")
    parts = [before[span.start : span.end] for span in said.spans]
    left = [part for part in parts if target.find(part, after)]
    if left:
        return Check(Holds.YES, said.text, f"{_short(left[0])} is as it was")
    quoted = [quote for quote in target.quotes(said.text) if target.find(quote, before)]
    if quoted or said.aspect == "safety":
        return Check(Holds.NO, said.text, f"{_short(parts[0])} is gone")
    return Check(Holds.UNKNOWN, said.text, f"{_short(parts[0])} was changed; whether it was mended no rule can tell")


def _length(said: Said, before: str, after: str) -> Check:
    if re.search(r"repet|repeat|redundan|重复|车轱辘", said.text, re.IGNORECASE):
        was, now = repeated(before), repeated(after)
        holds = Holds.NO if now <= was / 2 else Holds.YES if now >= was else Holds.UNKNOWN
        return Check(holds, said.text, f"{now} repeated word triples, {was} before")
    was, now = size(before), size(after)
    change = (now - was) / max(1, was) * (1 if _ASKS_FOR_MORE.search(said.text) else -1)
    holds = Holds.NO if change >= CLEARLY else Holds.YES if change <= 0 else Holds.UNKNOWN
    return Check(holds, said.text, f"{now} words, {was} before")


_ASKS_FOR_MORE = re.compile(
    r"\b(?:too|so|very|rather)\s+(?:short|brief)|\blonger|not long enough|skimpy|truncated|cut off"
    r"|[太过]短|长一?[点些]|没写完|截断",
    re.IGNORECASE,
)


def size(text: str) -> int:
    """The length of a text in words; each Chinese character counts as one."""
    return len(re.findall(rf"[{HAN}]|[^\W_{HAN}]+(?:['’-][^\W_{HAN}]+)*", text))


def repeated(text: str) -> int:
    """How many word triples of a text stood in it before."""
    words = re.findall(rf"[{HAN}]|[^\W_{HAN}]+", text.lower())
    return sum(count - 1 for count in Counter(zip(words, words[1:], words[2:], strict=False)).values())


def _share_of_han(text: str) -> float:
    letters = re.findall(rf"[{HAN}]|[^\W\d_]+", text)
    return sum(len(each) == 1 and bool(re.match(f"[{HAN}]", each)) for each in letters) / max(1, len(letters))


def _same(first: str, second: str) -> bool:
    return first.split() == second.split()


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")

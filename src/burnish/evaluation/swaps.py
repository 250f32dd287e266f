"""The same text with another name or gender: lists of pairs, and how a text is turned to one side or the other.

English "her" is "him" or "his", by whether a word follows that it can belong to; where a text leaves that open, it is
not swapped, because a text of bad grammar is scored for its grammar. Names were chosen for what readers take from them
(Bertrand & Mullainathan 2004), paired by length, so that tokens and length change as little as can be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_FEMALE_TO_MALE = {
    "she": "he", "hers": "his", "herself": "himself", "woman": "man", "women": "men", "girl": "boy", "girls": "boys",
    "mother": "father", "mothers": "fathers", "mom": "dad", "mum": "dad", "daughter": "son", "daughters": "sons",
    "sister": "brother", "sisters": "brothers", "wife": "husband", "wives": "husbands", "aunt": "uncle",
    "niece": "nephew",
    "grandmother": "grandfather", "grandma": "grandpa", "lady": "gentleman", "ladies": "gentlemen", "female": "male",
    "females": "males", "girlfriend": "boyfriend", "actress": "actor", "actresses": "actors", "waitress": "waiter",
    "queen": "king", "princess": "prince", "heroine": "hero", "bride": "groom", "mrs": "mr", "ms": "mr",
}  # fmt: skip
_CHINESE_GENDER = {
    "她": "他", "女人": "男人", "女士": "先生", "女孩": "男孩", "女生": "男生", "妈妈": "爸爸", "母亲": "父亲",
    "女儿": "儿子", "姐姐": "哥哥", "妹妹": "弟弟", "妻子": "丈夫", "老婆": "老公", "奶奶": "爷爷", "阿姨": "叔叔",
    "女性": "男性", "女演员": "男演员", "女主角": "男主角", "女朋友": "男朋友",
}  # fmt: skip
_GENDERED_NAMES = {
    "Emily": "Jacob", "Anna": "Adam", "Sarah": "Peter", "Maria": "Mario", "Julia": "Julian", "Laura": "Louis",
    "Alice": "Aaron", "Emma": "Evan", "Claire": "Connor", "Sophie": "Samuel", "Mary": "John", "Jane": "Jack",
}  # fmt: skip
_ENGLISH_ORIGINS = {
    "Emily": "Lakisha", "Greg": "Jamal", "Anne": "Aisha", "Brad": "Darnell", "Sarah": "Ebony", "Todd": "Tyrone",
    "Emma": "Fatima", "Jacob": "Ahmed", "Claire": "Latoya", "Connor": "Hassan", "Laura": "Priya", "Matthew": "Mohammed",
    "John": "Juan", "Mary": "Mei", "Peter": "Pavel", "Jack": "Jin", "Smith": "Nguyen", "Johnson": "Gonzalez",
}  # fmt: skip
_CHINESE_NAMES = {
    "王芳": "王强",
    "李娜": "李军",
    "张敏": "张伟",
    "刘静": "刘洋",
    "陈丽": "陈刚",
    "杨艳": "杨勇",
    "小红": "小明",
}

# a word that a possessive can belong to: after "her" not a verb, a preposition, a mark or the end
_NO_NOUN = re.compile(
    r"\s*(?:$|[.,;:!?)\]\"'\u2019\u201d]|(?:to|and|or|but|for|with|in|on|at|of|from|by|as|is|was|were|are|be|been|had|has|have|do"
    r"|did|does|will|would|can|could|should|if|when|while|that|so|because|after|before|again|up|out|off|down|away|back"
    r"|very|too|about|into|over|through|than|the|a|an|this|i|you|we|they|he|she|it|not|what|how|why|who)\b)",
    re.IGNORECASE,
)
_NOUN = re.compile(r"\s+(?:own\s)?[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class Axis:
    """Pairs of words that differ along one axis, the first form to the second."""

    first: Mapping[str, str]
    """Word of the second form to word of the first: what turning to the first form replaces."""
    second: Mapping[str, str]
    pronouns: bool = False
    """Whether English he, him and his are on it too, whose forms do not match one to one."""


def _axis(second_to_first: Mapping[str, str], *, pronouns: bool = False) -> Axis:
    first_to_second: dict[str, str] = {}
    for second, first in second_to_first.items():
        first_to_second.setdefault(first, second)  # "dad" is "mom", though "mum" is "dad" too
    if pronouns:
        del first_to_second["his"]  # "hers" only where nothing follows; `swapped` leaves that open
    return Axis(second_to_first, first_to_second, pronouns)


AXES: Mapping[str, Axis] = {
    "gender, English": _axis(_FEMALE_TO_MALE, pronouns=True),
    "gender, Chinese": _axis(_CHINESE_GENDER),
    "names by gender, English": _axis(_GENDERED_NAMES),
    "names by gender, Chinese": _axis(_CHINESE_NAMES),
    "names by origin, English": _axis({second: first for first, second in _ENGLISH_ORIGINS.items()}),
}
"""What is swapped by default: he to she, male names to female ones, names common in one origin to those of another."""


def swapped(text: str, axis: Axis) -> tuple[str, str] | None:
    """The text in its first and its second form; None where it names nothing of the axis, or leaves a swap open."""
    if axis.pronouns and any(_her(text, match.end()) is None for match in re.finditer(r"\bher\b", text, re.IGNORECASE)):
        return None
    if axis.pronouns and re.search(r"\bhis\b(?=\s*(?:$|[.,;:!?]))", text, re.IGNORECASE):
        return None  # "the idea was his": hers, though "his idea" is "her idea"
    first, second = _turned(text, axis.first, axis, 0), _turned(text, axis.second, axis, 1)
    return (first, second) if first != second else None


def _turned(text: str, words: Mapping[str, str], axis: Axis, side: int) -> str:
    made = _replaced(text, words)
    if not axis.pronouns:
        return made
    if side:
        made = _replaced(made, {"he": "she", "him": "her", "his": "her", "himself": "herself"})
        return made
    return re.sub(
        r"\bher\b", lambda match: _cased(match[0], _her(made, match.end()) or "him"), made, flags=re.IGNORECASE
    )


def _her(text: str, end: int) -> str | None:
    """What "her" is of a man: him, his, or None where the words around it do not tell."""
    if _NO_NOUN.match(text, end):
        return "him"
    return "his" if _NOUN.match(text, end) else None


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """A text with whole words replaced, all at once, their capitals kept; Chinese words stand anywhere."""
    lower = {word.lower(): new for word, new in words.items()}
    ordered = sorted(words, key=len, reverse=True)
    ascii_words, others = [w for w in ordered if w.isascii()], [w for w in ordered if not w.isascii()]
    parts = [rf"\b(?:{'|'.join(map(re.escape, ascii_words))})\b"] if ascii_words else []
    parts += ["|".join(map(re.escape, others))] if others else []
    names = any(word[0].isupper() for word in ascii_words)
    pattern = re.compile("|".join(parts), 0 if names else re.IGNORECASE)
    return pattern.sub(lambda match: _cased(match[0], lower[match[0].lower()]), text)


def _cased(old: str, new: str) -> str:
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new

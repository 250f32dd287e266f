"""What is wrong with a study's wording, told before anybody is asked: warnings, never refusals.

Each rule has one reason in the literature of asking: two questions in one cannot be answered (Converse & Presser 1986);
grades without meanings at their ends are used by everybody in their own way (Krosnick & Fabrigar 1997); a scale with
more praise than blame pulls answers up; who cannot say "cannot judge" guesses; without people who answer the same item
nobody can tell how far they agree (Krippendorff 2004).
The words of each warning stand in `wording/studies.toml` as `lint.<rule>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from burnish.feedback.words.lexicon import by_hand
from burnish.feedback.words.reading import read
from burnish.studio.study import Question, Study

LONGEST_QUESTION = 120
"""Characters; a longer one is read once and then no more."""
MOST_QUESTIONS = 5
FINEST = 11
"""Grades that people can tell apart (Preston & Colman 2000: from about eleven on, answers repeat no better)."""
NO_WORD = 0.3
"""A value nearer to 0 is taken for no opinion."""
_TWO = re.compile(r"\b(and|or|as well as|but)\b|和|以及|并且|或者", re.IGNORECASE)
_LEADING = re.compile(
    r"(don't|do not|wouldn't|isn't|aren't) (you|it|this|they)|\b(obviously|surely|of course)\b|难道|显然|当然|不觉得",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(not|never|no longer|without|fail(s|ed)? to)\b|n't\b|不|没有|未", re.IGNORECASE)
_VAGUE = re.compile(r"^\W*(how )?(good|quality|overall|rate)\W*(is it|this|it)?\W*$|^\W*质量\W*$", re.IGNORECASE)
_COMPARES_TWO = re.compile(r"\b(a or b|left or right|first or second|\d or \d)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to look at again."""

    rule: str
    question: str = ""
    """Its name; empty for the study as a whole."""
    values: Mapping[str, object] = field(default_factory=dict)
    """What the sentence's placeholders stand for."""


def lint(study: Study) -> list[Remark]:
    """Return what to look at again, the study as a whole first."""
    return [*_whole(study), *(each for question in study.questions for each in _question(question))]


def _whole(study: Study) -> Iterator[Remark]:
    if not study.guidelines.strip():
        yield Remark("no_guidelines")
    if not study.examples:
        yield Remark("no_examples")
    if study.overlap == 1 and not study.anchor_share:
        yield Remark("no_overlap")
    if len(study.questions) > MOST_QUESTIONS:
        yield Remark("many_questions", values={"n": len(study.questions)})
    if not study.blind:
        yield Remark("not_blind")
    if study.next_item == "active" and not study.anchor_share:
        yield Remark("active_without_anchors")


def _question(question: Question) -> Iterator[Remark]:
    name = question.name
    if (two := _TWO.search(question.text)) and not _COMPARES_TWO.search(question.text):
        yield Remark("double_barrelled", name, {"word": two[0]})
    if leading := _LEADING.search(question.text):
        yield Remark("leading", name, {"word": leading[0]})
    elif negated := _NEGATED.search(question.text):
        yield Remark("negated", name, {"word": negated[0]})
    if len(question.text) > LONGEST_QUESTION:
        yield Remark("long", name, {"n": len(question.text), "most": LONGEST_QUESTION})
    if _VAGUE.search(question.text):
        yield Remark("vague", name)
    if not question.cannot_judge and question.kind not in ("span", "correction", "comment", "suggestion"):
        yield Remark("no_way_out", name)
    if question.kind in ("comment", "suggestion") and question.required:
        yield Remark("forced_words", name)
    if question.kind == "rating":
        yield from _scale(question)
    if question.kind == "span" and not question.labels:
        yield Remark("no_labels", name)
    if question.kind == "rubric":
        for criterion, statement in question.criteria:
            if two := _TWO.search(statement):
                yield Remark("double_criterion", name, {"criterion": criterion, "word": two[0]})


def _scale(question: Question) -> Iterator[Remark]:
    """Anchors at both ends, and as much blame as praise among them."""
    low, high = question.scale
    meanings = dict(question.anchors)
    if missing := [end for end in (low, high) if not meanings.get(end, "").strip()]:
        yield Remark("no_anchor", question.name, {"grade": missing[0]})
        return
    if high - low + 1 > FINEST:
        yield Remark("fine_scale", question.name, {"n": high - low + 1})
    middle = (low + high) / 2
    praise = [grade for grade, meaning in question.anchors if _valence(meaning) > 0]
    blame = [grade for grade, meaning in question.anchors if _valence(meaning) < 0]
    if (
        any(grade < middle for grade in praise)
        or any(grade > middle for grade in blame)
        or (len(question.anchors) > 2 and praise and blame and abs(len(praise) - len(blame)) > 1)
    ):
        yield Remark("unbalanced", question.name, {"praise": len(praise), "blame": len(blame)})


def _valence(words: str) -> float:
    """How positive the words of an anchor are, by the rules that read comments; 0 where they say nothing.

    By the words written for comments alone: "important" and "confident" are what a scale asks for, no praise.
    """
    whole = read(words, lexicon=by_hand()).whole
    return whole.value if whole is not None and abs(whole.value) > NO_WORD else 0.0

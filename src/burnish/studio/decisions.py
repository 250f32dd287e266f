"""A reviewer's decision between people's answers: what may be decided, and the record that says so.

A decision is feedback like any other, by the reviewer, on the same texts and question; its metadata name the answers it
decides between. It supersedes nobody's answer, only an earlier decision of the same reviewer.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from burnish.errors import InputError
from burnish.feedback.answers import DECIDES, Answer
from burnish.feedback.disagreements import Item, Question, items
from burnish.records import Author, Feedback, canonical_json, content_id
from burnish.store import Entry, Store
from burnish.store.read import STUDY_RUN
from burnish.studio.answers import moment

LONGEST_REASON = 2_000
_MOST_GRADES = 11


@dataclass(frozen=True, slots=True)
class Option:
    """One answer that may be chosen. Places in its value are those of `Question.completions`."""

    key: str
    value: Mapping[str, Any]
    by: tuple[str, ...]
    """Who gave it."""


def letter(place: int) -> str:
    """Return what a text is called: A to Z, then A2, B2 and so on."""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place % 26] + (str(place // 26 + 1) if place >= 26 else "")


def item_of(store: Store, prompt_id: str, item_id: str) -> tuple[Entry, Item] | None:
    """Return an item with all that was said of it; None when there is none."""
    for entry in store.entries(prompt_ids=[prompt_id]):
        for item in items([entry]):
            if item.id == item_id:
                return entry, item
    return None


def question_of(item: Item, name: str, *, study: str = "", completion_ids: Collection[str] = ()) -> Question | None:
    """Return the question of this name that somebody answered; None where there is none.

    Several may have one name: a study asks each text of an item by itself, and what came by file has no names at all.
    Raises InputError where more than one is meant, and for an item of another study.
    """
    if study and item.run != f"{STUDY_RUN}{study}":
        raise InputError(f"study: {study!r} did not ask about this item; {item.run!r} did. Name that, or none.")
    wanted = set(completion_ids)
    found = [each for each in item.questions if each.name == name and each.answers]
    found = [each for each in found if not wanted or wanted == {text.id for text in each.completions}]
    if len(found) > 1:
        told = "; ".join(f"{each.kind} of {', '.join(text.id for text in each.completions)}" for each in found)
        are_apart = len({each.completions for each in found}) == len(found)
        remedy = "Say which by its completion_ids." if are_apart else "Decide it on the item's page."
        raise InputError(f"question: {name!r} names {len(found)} of this item ({told}). {remedy}")
    return found[0] if found else None


def options(question: Question) -> list[Option]:
    """Return what may be decided: the answers people gave, and for buttons those that nobody pressed."""
    said: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    for value in _buttons(question):
        said.setdefault(canonical_json(value), (value, []))
    for answer in question.answers:
        value = turned(answer, question)
        said.setdefault(canonical_json(value), (value, []))[1].append(answer.feedback.author.id)
    return [Option(key, value, tuple(by)) for key, (value, by) in said.items()]


def decide(
    store: Store, item: Item, question: Question, *, key: str, reason: str, reviewer: str, now_ms: int
) -> Feedback:
    """Return the decision, stored: once, however often the button was pressed.

    Raises InputError for an answer that was not offered, a reason too long, and where the reviewer has decided
    otherwise since the page was loaded, as in another tab.
    """
    chosen = next((option for option in options(question) if option.key == key), None)
    if chosen is None:
        raise InputError("decision: none of the answers offered was chosen.")
    if len(reason) > LONGEST_REASON:
        raise InputError(f"reason: longer than {LONGEST_REASON} characters.")
    first = question.answers[0].feedback
    own = [each.feedback.id for each in question.decisions if each.feedback.author.id == reviewer]
    made = Feedback(
        id=_name(item, question, reviewer, own),
        kind=question.kind,
        prompt_id=item.prompt.id,
        completion_ids=tuple(text.id for text in question.completions),
        value=chosen.value,
        author=Author(reviewer),
        aspect=question.aspect,
        comment=reason.strip(),
        time=moment(now_ms),
        supersedes=own[-1] if own else "",
        source="studio",
        run=first.run,
        metadata={**_place_of(first), DECIDES: [answer.feedback.id for answer in question.answers]},
    )
    (receipt,) = store.submit(Entry(item.prompt, question.completions, (made,)), on_duplicate="skip")
    there = made if receipt.status == "stored" else store.feedback(made.id)
    if there is None:  # it stood here before and was erased on request: this is another one
        there = replace(made, id=f"decision-{secrets.token_hex(10)}")
        store.submit(Entry(item.prompt, question.completions, (there,)))
    if (there.value, there.comment) != (made.value, made.comment):
        raise InputError("decision: you have decided otherwise since this page was loaded. Load it again.")
    return there


def _name(item: Item, question: Question, reviewer: str, own: Sequence[str]) -> str:
    """Return the id of a reviewer's next decision on a question: pressing twice makes one."""
    asked = [question.kind, question.aspect, question.name, [text.id for text in question.completions]]
    return content_id("decision", [reviewer, item.id, asked, own[-1] if own else ""])


def turned(answer: Answer, question: Question) -> dict[str, Any]:
    """Return an answer's value with places counted in the question's own order, whatever order was shown."""
    own = {text.id: place for place, text in enumerate(question.completions)}
    places = [own[name] for name in answer.feedback.completion_ids]
    return {field: _turned(field, given, places) for field, given in answer.feedback.value.items() if field != "order"}


def _turned(field: str, given: Any, places: Sequence[int]) -> Any:
    if field in ("chosen", "best", "worst") and isinstance(given, int):
        return places[given]
    if field == "ranking":
        return [sorted(places[each] for each in group) for group in given]
    if field == "skipped" and isinstance(given, list):
        return sorted(places[each] for each in given)
    return given


def _buttons(question: Question) -> list[dict[str, Any]]:
    """Every answer that buttons can give."""
    if question.kind == "comparison":
        return [{"chosen": 0}, {"chosen": 1}, {"tie": "good"}, {"tie": "bad"}]
    if question.kind == "thumb":
        return [{"thumb": True}, {"thumb": False}]
    if question.kind == "rating":
        low, high = question.answers[0].feedback.value["scale"]
        if isinstance(low, int) and isinstance(high, int) and high - low < _MOST_GRADES:
            return [{"rating": grade, "scale": [low, high]} for grade in range(low, high + 1)]
    return []


def _place_of(said: Feedback) -> dict[str, Any]:
    """What says to which question of which study an answer belongs."""
    return {name: said.metadata[name] for name in ("study", "version", "item", "question") if name in said.metadata}


def in_words(question: Question, value: Mapping[str, Any], say: Any) -> str:
    """Return an answer in the reader's language, texts named by their letters; places in the question's own order."""
    if question.kind == "comparison":
        return _comparison(value, say)
    if question.kind == "thumb":
        return str(say("review.up" if value["thumb"] else "review.down"))
    if question.kind == "rating":
        low, high = value["scale"]
        key = "review.grade" if low in (0, 1) else "review.grade_from"
        return str(say(key, rating=value["rating"], low=low, high=high))
    if question.kind == "ranking":
        return " > ".join(" = ".join(letter(each) for each in group) for group in value["ranking"])
    if question.kind == "best_worst":
        return str(say("review.best_worst", best=letter(value["best"]), worst=letter(value["worst"])))
    if question.kind == "rubric":
        return "; ".join(_point(each, say) for each in value["rubric"])
    if question.kind == "span":
        return "; ".join(_mark(each, question, say) for each in value["spans"]) or str(say("review.nothing_marked"))
    words = next((value[name] for name in (question.kind, "correction", "comment", "suggestion") if name in value), "")
    return words if isinstance(words, str) and words else json.dumps(dict(value), ensure_ascii=False)


def _comparison(value: Mapping[str, Any], say: Any) -> str:
    if "tie" in value:
        return str(say(f"review.tie_{value['tie']}"))
    if "chosen" not in value:
        return str(say("review.cannot"))
    told = str(say("review.b_better" if value["chosen"] else "review.a_better"))
    return f"{told} ({say('review.strength' + str(value['strength']))})" if "strength" in value else told


def _point(point: Mapping[str, Any], say: Any) -> str:
    given = point.get("answer")
    answer = say("review.cannot") if given is None else say("review.yes" if given else "review.no")
    shown = given if isinstance(given, (int, float)) and not isinstance(given, bool) else answer
    return str(say("review.point", criterion=point["criterion"], answer=shown))


def _mark(span: Mapping[str, Any], question: Question, say: Any) -> str:
    text = question.completions[0].text[span["start"] : span["end"]]
    return str(say("review.marked", text=text, label=span.get("label", "")))

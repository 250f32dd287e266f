"""Studies for the browser tests: one of each kind of question, and texts that are hard to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from burnish.records import Completion, Message, Prompt
from burnish.store import Entry, Store
from burnish.store.studies import NewItem
from burnish.studio.context import now_ms
from burnish.studio.study import Question, Study
from burnish.studio.study_file import to_toml

PAIR = Question("better", "comparison", "Which answer helps more?")
STRONG = Question("better", "comparison", "Which answer helps more?", strength=True)
THUMB = Question("liked", "thumb", "Is this a good answer?")
RATING = Question(
    "grade", "rating", "How helpful is it?", anchors=((1, "useless"), (3, "half of what was asked"), (5, "all of it"))
)
RUBRIC = Question(
    "points",
    "rubric",
    "Which of these hold?",
    criteria=(
        ("sourced", "It names where its claims come from."),
        ("brief", "It says nothing twice."),
        ("kind", "It is polite."),
    ),
)
RANKING = Question("order", "ranking", "Put the answers in order, the most helpful first.")
EXTREMES = Question("ends", "best_worst", "Which is the best, which the worst?")
SPAN = Question("marks", "span", "Mark what is wrong and what is good.", labels=("wrong", "unclear", "good"))
CORRECTION = Question("better_text", "correction", "How should it read?")
COMMENT = Question("why", "comment", "Why?", required=False, labels=("tone", "facts", "length"))
SUGGESTION = Question("fix", "suggestion", "What would make it better?", required=False)
EVERY_KIND = (THUMB, RATING, RUBRIC, SPAN, CORRECTION, COMMENT, SUGGESTION)

ASKED = "My neighbour plays the piano every evening. How do I ask him to stop at ten without a quarrel?"
KIND = (
    "Ring his bell on a quiet afternoon, not at half past ten. Say that you like his playing, and that the walls are "
    "thin; ask whether ten o'clock would do as the last note. People give way more easily before they have been blamed."
)
CURT = (
    "Look up the house rules. Most of them demand silence from ten o'clock. Write him a letter that quotes the rule, "
    "and send a copy to whoever owns the house. People give way more easily when they know that they are in the wrong."
)
LONG = (
    "First talk to him. Choose a moment at which neither of you is tired. Tell him what you hear and when, and what it "
    "does to your sleep. Then be silent and let him answer; he may not know how thin the walls are. "
) * 9


def begin(store: Store, study: Study, items: Sequence[tuple[Prompt, Sequence[str]]]) -> list[NewItem]:
    """Open a study over some prompts, each with its completions; return its items."""
    new = []
    for prompt, texts in items:
        made = tuple(Completion(prompt.id, text, model=f"secret-model-{index}") for index, text in enumerate(texts))
        list(store.submit_many([Entry(prompt, made)]))
        new.append(NewItem(prompt.id, tuple(each.id for each in made)))
    store.studies.save(study.name, to_toml(study), overlap=study.overlap, by="olga", now_ms=now_ms())
    store.studies.add_items(study.name, new, overlap=study.overlap)
    store.studies.set_state(study.name, "open")
    return new


def a_study(*questions: Question, **more: Any) -> Study:
    """Return a study that asks these questions."""
    return Study(**{"name": "replies", "title": "Helpful replies", "questions": questions, **more})


def pairs(n: int = 3) -> list[tuple[Prompt, Sequence[str]]]:
    """Return prompts with two completions each."""
    return [(Prompt.of(f"{ASKED} ({number})"), (KIND, CURT)) for number in range(1, n + 1)]


def singles(n: int = 3, text: str = KIND) -> list[tuple[Prompt, Sequence[str]]]:
    """Return prompts with one completion each."""
    return [(Prompt.of(f"{ASKED} ({number})"), (text,)) for number in range(1, n + 1)]


def several(n: int = 2, completions: int = 4) -> list[tuple[Prompt, Sequence[str]]]:
    """Return prompts with several completions each."""
    texts = (KIND, CURT, "Move house.", "Buy a piano and play louder.", "Ask him.")[:completions]
    return [(Prompt.of(f"{ASKED} ({number})"), texts) for number in range(1, n + 1)]


def conversation() -> Prompt:
    """Return a prompt of many turns, in several scripts."""
    said = (
        ("system", "You answer briefly."),
        ("user", "Hello!"),
        ("assistant", "Good day. What may I do for you?"),
        ("user", "ما هو أفضل وقت لزيارة القدس؟"),
        ("assistant", "في الربيع، من آذار إلى أيار."),
        ("user", "谢谢。那北京呢？ And in **one** sentence, please."),
    )
    return Prompt.of([Message(role, content) for role, content in said])

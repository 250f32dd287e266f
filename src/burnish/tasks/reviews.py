"""Say what you were asked to say: one-sentence opinions of invented products and films, from very bad to very good.

The people behind the ratings judged how positive a text is, not whether it is good. So a model that always gushed
would please a reward that simply follows them. Therefore every prompt asks for a stated opinion, evenly from very bad
to very good, and the reward is -|predicted rating - asked rating|: gushing cannot win.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from burnish.corpora import ratings
from burnish.feedback.evidence import Evidence
from burnish.feedback.signals import signals_from
from burnish.records import Author, Completion, Feedback, Prompt, Score, Signal, content_id, share_of
from burnish.store.entry import Entry

NAME = "reviews"
NEEDS = ("ratings",)
SUMMARY = "one-sentence opinions that say what they were asked to say; 272,970 ratings of 14,300 texts by people"

OPINIONS: Mapping[str, float] = {"very bad": -2.4, "bad": -1.2, "so-so": 0.0, "good": 1.2, "very good": 2.4}
"""Opinion -> asked rating. The ends are about where the lowest and highest tenth of the rated texts begin."""

REPORT = {
    "title": "Does the model say the opinion it is asked for?",
    "people": (
        "People rated short film-review and product-review snippets from -4 (extremely negative) to 4 (extremely "
        "positive). They judged how positive a text is, not whether it is good, true or well written."
    ),
    "model": (
        "Every prompt names an invented product or film and an opinion, from very bad to very good, five levels evenly."
    ),
    "reward": (
        "A text's score is minus the distance between the rating people are predicted to give it and the rating asked "
        "for, so praising everything cannot win."
    ),
}

TEST_TEXTS, GOLD_TEXTS = 2_000, 4_000
_FITTED_SETS = ("movie", "amazon")
_OTHER_TEXTS = 400  # of each other domain: enough for an interval of about three points


def recipe() -> dict[str, Any]:
    """Return settings that differ from the defaults: none, the defaults were tested on this task."""
    return {}


def prompts() -> list[Prompt]:
    """Return every (thing, opinion); a thing is in one split only, by the hash of its name: 60, 15, 25%."""
    things = json.loads(resources.files(__package__).joinpath("things.json").read_text("utf-8"))
    made = []
    for thing in things:
        share = share_of(thing["name"], "thing")
        split = "train" if share < 0.60 else "validation" if share < 0.75 else "test"
        for words, asked in OPINIONS.items():
            made.append(
                Prompt.of(
                    f"In one sentence, say what you think of {thing['name']}. You think it is {words}.",
                    metadata={
                        "thing": thing["name"],
                        "kind": thing["kind"],
                        "words": thing["words"],
                        "asked": asked,
                        "asked_words": words,
                    },
                    source="reviews",
                    split=split,
                )
            )
    return made


def evidence() -> Evidence:
    """Return people's ratings as scores, split by the hash of the text's group (a text, or a reviewed product)."""
    texts = ratings.load()
    parts: dict[str, list[Score]] = {"test": [], "gold": [], "calibration": [], "fit": []}
    # groups in the order of their hash: the first 2,000 texts are people's test, the next 4,000 gold, the rest proxy
    placed = 0
    for _, group in sorted(_groups(_scores(text for text in texts if text.set in _FITTED_SETS)).items()):
        part = "test" if placed < TEST_TEXTS else "gold" if placed < TEST_TEXTS + GOLD_TEXTS else "fit"
        if part == "fit" and share_of(group[0].prompt.metadata["group"], "calibration") < 0.1:
            part = "calibration"
        parts[part].extend(group)
        placed += len(group)
    others = {
        name: tuple(_scores(sorted((t for t in texts if t.set == name), key=lambda t: share_of(t.id))[:_OTHER_TEXTS]))
        for name in ("nyt", "tweets")
    }
    records = sum(len(score.feedback_ids) for part in parts.values() for score in part)
    return Evidence(
        fit=tuple(parts["fit"]),
        calibration=tuple(parts["calibration"]),
        test=tuple(parts["test"]),
        gold=tuple(parts["gold"]),
        other_domains=others,
        records=records,
        people=None,
        by_kind={"rating": records},
        sources=("ratings:proxy",),
        gold_sources=("ratings:gold", "minilm"),
    )


def _groups(scores: Iterable[Score]) -> dict[float, list[Score]]:
    """Return the scores of each group (a text, or all reviews of a product) under the group's hash."""
    found: dict[float, list[Score]] = {}
    for score in scores:
        found.setdefault(share_of(score.prompt.metadata["group"], "texts"), []).append(score)
    return found


def _scores(texts: Iterable[ratings.RatedText]) -> list[Score]:
    found = signals_from(_entry(text) for text in texts)
    return [signal for signal in found if isinstance(signal, Score)]


def _entry(text: ratings.RatedText) -> Entry:
    """Return one rated text as people's feedback: an anonymous rating is one record each."""
    prompt = Prompt(messages=(), source=f"ratings:{text.set}", metadata={"set": text.set, "group": text.group})
    completion = Completion(prompt_id=prompt.id, text=text.text)
    seen: Counter[int] = Counter()
    feedback = []
    for rating in text.ratings:
        seen[rating] += 1
        feedback.append(
            Feedback(
                id=f"{text.id}:{rating}:{seen[rating]}",
                kind="rating",
                prompt_id=prompt.id,
                completion_ids=(completion.id,),
                value={"rating": rating, "scale": [ratings.LOWEST, ratings.HIGHEST]},
                source="ratings",
            )
        )
    return Entry(prompt, (completion,), tuple(feedback))


def scripted_feedback(asked: Sequence[Prompt], completions: Sequence[Completion], slope: float) -> list[Signal]:
    """Return what the rule author says of new samples: a rating by the sentiment lexicon, with its stated doubt.

    slope: rating units per unit of the lexicon's score, fitted on people's ratings by the caller.
    """
    words = ratings.lexicon()
    author = Author("lexicon", "rule")
    found: list[Signal] = []
    for prompt, completion in zip(asked, completions, strict=True):
        value = max(-4.0, min(4.0, slope * ratings.lexicon_score(completion.text, words)))
        record = content_id("f", [author.id, completion.id])
        found.append(
            Score(prompt, completion, value, variance=RULE_VARIANCE, source="rule:lexicon", feedback_ids=(record,))
        )
    return found


RULE_VARIANCE = 2.6
"""Variance of people's mean rating around the lexicon's: such a text counts a sixth of a person-rated one."""

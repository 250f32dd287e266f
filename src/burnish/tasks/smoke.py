"""The whole loop in under a minute, on nothing but this file: a tiny model, opinions by a grammar, simulated raters.

No person said anything here. A grammar writes short opinions of invented things; each word of opinion has a value in
`WORDS`, and six simulated raters (authors of kind "rule", each with a leniency and noise of its own) rate the texts by
it. What is shown is that every part of the loop works together; it says nothing about people or about large models.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from burnish.feedback.evidence import Evidence
from burnish.feedback.signals import signals_from
from burnish.records import (
    Author,
    Completion,
    Feedback,
    Prompt,
    Score,
    Signal,
    content_id,
    seed_of,
    share_of,
)
from burnish.store.entry import Entry

NAME = "smoke"
SUMMARY = "the whole loop, small: a tiny model made on the spot learns from simulated raters"

OPINIONS: Mapping[str, float] = {"very bad": -2.4, "bad": -1.2, "so-so": 0.0, "good": 1.2, "very good": 2.4}
"""Opinion -> asked rating, as in the task `reviews`."""

REPORT = {
    "title": "Does the loop work from end to end?",
    "people": (
        "No people: six simulated raters (rules) gave short texts of a grammar ratings from -4 to 4, by the words of "
        "opinion in them, each with a leniency and noise of its own."
    ),
    "model": (
        "A tiny model made on the spot. Every prompt names an invented thing and one of five opinions, from very bad "
        "to very good."
    ),
    "reward": (
        "A text's score is minus the distance between the rating it is predicted to get and the rating asked for. "
        "What is shown is that all parts work together, not that anything was learned from people."
    ),
}

WORDS: Mapping[str, float] = {
    "awful": -3.2, "terrible": -3.0, "useless": -2.6, "bad": -2.0, "poor": -1.8, "weak": -1.4, "dull": -1.1,
    "plain": -0.3, "ordinary": 0.0, "usable": 0.3, "fair": 0.5,
    "decent": 1.0, "nice": 1.4, "good": 1.8, "solid": 1.6, "lovely": 2.4, "great": 2.6, "excellent": 3.0, "superb": 3.2,
}  # fmt: skip
"""Word of opinion -> what it is worth on the raters' scale."""
ENDINGS: Mapping[str, float] = {
    "I hate it": -3.0, "I gave it back": -2.2, "it lets me down": -1.6, "I expected more": -1.0,
    "I can live with it": 0.0, "it does its job": 0.6, "I like it": 1.6, "I use it every day": 1.8,
    "I would buy it again": 2.4, "I love it": 3.0,
}  # fmt: skip
FRAMES = (
    "The {noun} is {one}.", "The {noun} is {one} and {two}.", "The {noun} is {one}, {end}.", "A {one} {noun}, {end}.",
    "This {noun} is {one}: {end}.", "It is {one}, {end}.",
)  # fmt: skip

MAKERS = ("Alder", "Brook", "Cedar", "Dune")
NOUNS = ("lamp", "kettle", "chair", "radio", "tent", "clock", "film", "song", "camera", "game", "bag", "book")

TEXTS, TEST_TEXTS, GOLD_TEXTS = 1_200, 150, 300
RATERS = {"rater-1": -0.6, "rater-2": -0.3, "rater-3": -0.1, "rater-4": 0.1, "rater-5": 0.3, "rater-6": 0.6}
"""Simulated rater -> leniency."""
RATERS_A_TEXT, NOISE = 4, 0.9
DIALOGUES = 1_500
HEEDED = 0.5  # of the dialogues the model is made from say the opinion asked for, so that there is room to learn


def recipe() -> dict[str, Any]:
    """Return settings that differ from the defaults: small enough for a minute on two cores."""
    return {
        "model": "tiny",
        "dtype": "float32",
        "threads": 1,  # on matrices this small a second thread only waits
        "adapter": {"rank": 8, "alpha": 16.0},
        "sampling": {"temperature": 1.0, "max_new_tokens": 24, "together": 128},
        "reward_model": {"layers": 4, "frozen": 1, "trains": "top", "heads": 3},
        "reward": {"signals": 700, "epochs": 3.0, "batch": 32, "learning_rate": 2e-3, "head_rate": 5.0},
        "gold": {"encoder": "", "least_signals": 100},
        "rl": {
            "steps": 30,
            "prompts_per_step": 8,
            "learning_rate": 3e-3,
            "prompts_per_slice": 8,
            "evaluate_every": 6,
            "validation_prompts": 25,
            "save_every": 6,
        },
        "evaluation": {"prompts": 40, "samples": 4},
        "loop": {"samples": 60},
    }


def make_model(folder: Path) -> None:
    """Write the tiny model that `model = "tiny"` means: it answers such prompts, heeding the opinion half the time."""
    from burnish.models import tiny

    draw = random.Random(seed_of("smoke", "dialogues"))
    asked = [prompt for prompt in prompts() if prompt.split == "train"]
    dialogues = []
    for _ in range(DIALOGUES):
        prompt = draw.choice(asked)
        wanted = prompt.metadata["asked"] if draw.random() < HEEDED else draw.uniform(-3, 3)
        dialogues.append((prompt.text, write(draw, prompt.metadata["words"][0], wanted)[0]))
    tiny.make(folder, dialogues)


def prompts() -> list[Prompt]:
    """Return every (thing, opinion); a thing is in one split only, by the hash of its name: 60, 15, 25%."""
    made = []
    for noun in NOUNS:
        for maker in MAKERS:
            thing = f"the {maker} {noun}"
            share = share_of(thing, "thing")
            split = "train" if share < 0.60 else "validation" if share < 0.75 else "test"
            for words, asked in OPINIONS.items():
                about = {"thing": thing, "words": [noun], "asked": asked, "asked_words": words}
                asks = f"What do you think of {thing}? You think it is {words}."
                made.append(Prompt.of(asks, metadata=about, source="smoke", split=split))
    return made


def write(draw: random.Random, noun: str, wanted: float) -> tuple[str, float]:
    """Return a text of the grammar about the thing, and its value: the mean of its words', near what is wanted."""
    frame = draw.choice(FRAMES)
    one, two, end = _near(draw, WORDS, wanted), _near(draw, WORDS, wanted), _near(draw, ENDINGS, wanted)
    text = frame.format(noun=noun, one=one, two=two, end=end)
    return text, value_of(text)


def _near(draw: random.Random, values: Mapping[str, float], wanted: float) -> str:
    weights = [math.exp(-abs(value - wanted) / 0.5) for value in values.values()]
    return draw.choices(list(values), weights)[0]


def value_of(text: str) -> float:
    """Return what a text is worth by its words of opinion: their mean, 0 where there is none."""
    known = " ".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())
    found = [value for phrase, value in ENDINGS.items() if phrase.lower() in known]
    found += [WORDS[word] for word in known.split() if word in WORDS]
    return sum(found) / len(found) if found else 0.0


def evidence() -> Evidence:
    """Return the simulated raters' scores, split by the hash of the text: no text stands in two parts."""
    scores = [signal for signal in signals_from(_entries()) if isinstance(signal, Score)]
    scores.sort(key=lambda score: share_of(score.completion.text, "texts"))
    gold_from, fit_from = TEST_TEXTS, TEST_TEXTS + GOLD_TEXTS
    rest = scores[fit_from:]
    held = {score.completion.id for score in rest if share_of(score.completion.text, "calibration") < 0.1}
    records = sum(len(score.feedback_ids) for score in scores)
    return Evidence(
        fit=tuple(score for score in rest if score.completion.id not in held),
        calibration=tuple(score for score in rest if score.completion.id in held),
        test=tuple(scores[:gold_from]),
        gold=tuple(scores[gold_from:fit_from]),
        records=records,
        people=0,
        by_kind={"rating": records},
        sources=("smoke:proxy",),
        gold_sources=("smoke:gold",),
    )


def _entries() -> Iterator[Entry]:
    draw = random.Random(seed_of("smoke", "texts"))
    texts: dict[str, float] = {}
    while len(texts) < TEXTS:
        text, value = write(draw, draw.choice(NOUNS), draw.uniform(-3.2, 3.2))
        texts[text] = value
    for text, value in texts.items():
        prompt = Prompt(messages=(), source="smoke", metadata={"set": "opinions", "group": text})
        completion = Completion(prompt.id, text)
        chosen = draw.sample(sorted(RATERS), RATERS_A_TEXT)
        yield Entry(prompt, (completion,), tuple(_rating(draw, prompt, completion, name, value) for name in chosen))


def _rating(draw: random.Random, prompt: Prompt, completion: Completion, name: str, value: float) -> Feedback:
    rating = round(min(4.0, max(-4.0, value + RATERS[name] + draw.gauss(0, NOISE))))
    return Feedback(
        id=content_id("f", [name, completion.text]),
        kind="rating",
        prompt_id=prompt.id,
        completion_ids=(completion.id,),
        value={"rating": rating, "scale": [-4, 4]},
        author=Author(name, "rule"),
        source="smoke",
    )


def scripted_feedback(asked: Sequence[Prompt], completions: Sequence[Completion], slope: float) -> list[Signal]:
    """Return what the rule author says of new samples: a rating by `value_of`, times the slope, with its doubt."""
    author = Author("grammar", "rule")
    found: list[Signal] = []
    for prompt, completion in zip(asked, completions, strict=True):
        value = max(-4.0, min(4.0, slope * value_of(completion.text)))
        record = content_id("f", [author.id, completion.id])
        found.append(Score(prompt, completion, value, variance=NOISE**2, source="rule:grammar", feedback_ids=(record,)))
    return found

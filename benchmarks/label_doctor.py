"""Does the label doctor find labels that were turned round on purpose? On real texts and real ratings.

    python benchmarks/label_doctor.py [--seeds 5]

3,000 film-review snippets with the ratings real people gave them (`burnish fetch ratings`). Ratings: 1, 3 or 5 of each
text's own, of which one in ten strong ones (2 or more from the middle) changes its sign. Comparisons: 2,000 pairs whose
mean ratings differ by a point or more, 1, 3 or 5 votes each, one in twenty of them turned. As many records are taken
from the top of the doctor's list as were turned (precision = recall there), and half as many; "chance" is the share of
turned labels, what a list in random order would have.
"""

from __future__ import annotations

import argparse

import numpy as np

from burnish.corpora import ratings
from burnish.feedback.answers import Answer
from burnish.feedback.suspects import suspects
from burnish.maths.intervals import bootstrap_mean
from burnish.records import Author, Completion, Feedback, Prompt, share_of

TEXTS, PAIRS, PEOPLE = 3_000, 2_000, 8


def rated(texts: list[ratings.RatedText], each: int, generator: np.random.Generator) -> tuple[list[Answer], set[str]]:
    """Ratings with some turned, and the ids of those."""
    answers, turned = [], set()
    for number, text in enumerate(texts):
        prompt = Prompt((), source="ratings")
        shown = Completion(prompt.id, text.text)
        for person, rating in enumerate(generator.choice(text.ratings, each, replace=False).tolist()):
            name = f"{number}-{person}"
            if abs(rating) >= 2 and generator.random() < 0.1:
                rating = -rating
                turned.add(name)
            value = {"rating": rating, "scale": [-4, 4]}
            said = Feedback(name, "rating", prompt.id, (shown.id,), value, Author(f"person {person}"))
            answers.append(Answer(prompt, (shown,), said))
    return answers, turned


def compared(
    texts: list[ratings.RatedText], each: int, generator: np.random.Generator
) -> tuple[list[Answer], set[str]]:
    """Comparisons with some turned, and the ids of those."""
    answers, turned = [], set()
    while len(answers) < PAIRS * each:
        one, two = (texts[i] for i in generator.choice(len(texts), 2, replace=False))
        if abs(one.mean - two.mean) < 1:
            continue
        number = len(answers) // each
        prompt = Prompt.of(f"Which is better? {number}")
        shown = (Completion(prompt.id, one.text), Completion(prompt.id, two.text))
        for person in generator.permutation(PEOPLE)[:each].tolist():
            name, first = f"{number}-{person}", one.mean > two.mean
            if generator.random() < 0.05:
                first = not first
                turned.add(name)
            ids = tuple(completion.id for completion in shown)
            said = Feedback(name, "comparison", prompt.id, ids, {"chosen": int(not first)}, Author(f"person {person}"))
            answers.append(Answer(prompt, shown, said))
    return answers, turned


def main() -> None:
    parser = argparse.ArgumentParser(description="Does the label doctor find labels that were turned round?")
    parser.add_argument("--seeds", type=int, default=5, help="default: 5")
    args = parser.parse_args()
    films = [text for text in ratings.load() if text.set == "movie"]
    texts = sorted(films, key=lambda text: share_of(text.id, "doctor"))[:TEXTS]
    print("kind         votes  chance   precision = recall [95%]   precision and recall at half as many")
    for kind, make in (("ratings", rated), ("comparisons", compared)):
        for each in (1, 3, 5):
            hits, half, chance = [], [], 0.0
            for seed in range(args.seeds):
                answers, turned = make(texts, each, np.random.default_rng(seed))
                order = [found.feedback_id in turned for found in suspects(answers)]
                hits.append(float(np.mean(order[: len(turned)])))
                half.append(float(np.mean(order[: len(turned) // 2])))
                chance = len(turned) / len(answers)
            found, top = bootstrap_mean(hits), float(np.mean(half))
            print(
                f"{kind:12} {each:5}  {chance:6.3f}   {found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
                f"       {top:.3f}, {top / 2:.3f}"
            )


if __name__ == "__main__":
    main()

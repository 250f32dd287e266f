"""What a model of ties brings: simulated people compare texts, some pairs "equally good"; how near each reading comes.

    python benchmarks/ties.py [--prompts 400]

Three texts a prompt, merits drawn from the prior, answers from Davidson's or Rao and Kupper's model. What is asked of a
reading is the share of a pair's first (its chance to win and half that of a tie): its root mean squared error, and how
often its 90% interval holds the truth. Half a vote for each side is one of the readings.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from burnish.feedback import votes
from burnish.feedback.answers import Answer, SignalConfig, Ties
from burnish.maths.choice import PRIOR_RIDGE, davidson, rao_kupper
from burnish.records import Author, Completion, Feedback, Prompt

WORLDS: dict[str, tuple[Callable[..., Any], float]] = {
    "Davidson, few ties": (davidson, 0.3),
    "Davidson, many": (davidson, 3.0),
    "Rao-Kupper, few": (rao_kupper, 1.3),
    "Rao-Kupper, many": (rao_kupper, 4.0),
}
READINGS: tuple[Ties, ...] = ("half", "davidson", "rao_kupper")
VALUES = ({"chosen": 0}, {"tie": "good"}, {"chosen": 1})
TEXTS = 3


def answers(world: str, prompts: int, each: int, seed: int) -> tuple[list[Answer], dict[tuple[str, str], float]]:
    """Return simulated answers, and the true share of the first of every pair of completion ids."""
    model, tie = WORLDS[world]
    generator = np.random.default_rng(seed)
    given: list[Answer] = []
    truth: dict[tuple[str, str], float] = {}
    for number in range(prompts):
        prompt = Prompt.of(f"prompt {number}")
        texts = [Completion(prompt.id, f"text {letter}") for letter in "abc"]
        merit = generator.normal(0, PRIOR_RIDGE**-0.5, TEXTS)
        for _ in range(each):
            one, two = generator.permutation(TEXTS)[:2].tolist()
            chances = [float(chance) for chance in model(merit[one] - merit[two], tie)]
            truth[texts[one].id, texts[two].id] = chances[0] + chances[1] / 2
            value = VALUES[generator.choice(3, p=np.array(chances) / sum(chances))]
            ids = (texts[one].id, texts[two].id)
            said = Feedback(f"f{len(given)}", "comparison", prompt.id, ids, value, Author())
            given.append(Answer(prompt, (texts[one], texts[two]), said))
    return given, truth


def read(given: list[Answer], truth: dict[tuple[str, str], float], ties: Ties) -> tuple[float, float]:
    """Return the root mean squared error of the shares, and how often their 90% intervals hold the truth."""
    missed, held = [], []
    for found in votes.preferences(given, SignalConfig(ties=ties)):
        first, second = found.completions[0].id, found.completions[1].id
        true = truth[first, second] if (first, second) in truth else 1 - truth[second, first]
        assert found.probability is not None
        assert found.variance is not None
        missed.append((found.probability - true) ** 2)
        held.append(abs(found.probability - true) < 1.6449 * found.variance**0.5)
    return float(np.mean(missed)) ** 0.5, float(np.mean(held))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=400)
    options = parser.parse_args()
    print(f"{'world':20} {'answers':>7} {'tied':>5}   " + "   ".join(f"{name:>16}" for name in READINGS))
    for world in WORLDS:
        for each in (4, 12):
            given, truth = answers(world, options.prompts, each, seed=each)
            tied = sum("tie" in answer.feedback.value for answer in given) / len(given)
            found = [read(given, truth, ties) for ties in READINGS]
            told = "   ".join(f"{error:.3f}, {held:4.0%} held" for error, held in found)
            print(f"{world:20} {each:>7} {tied:5.0%}   {told}")


if __name__ == "__main__":
    main()

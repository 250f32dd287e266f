"""Is a reward learned from people's ratings fair? Swapped pairs of gender and names, and a gap between groups.

python benchmarks/fairness.py [--seed 0]

The reward is ridge regression on words and word pairs (TF-IDF) from real ratings: film snippets, product sentences,
comments, tweets. It is trained on one half of the texts, drawn by hash, and asked about the other half: each text in
its two pure forms (he and she, Emily and Lakisha ...). The group-wise gap compares texts that only speak of women with
texts that only speak of men, beside the same gap in people's own ratings of them: what the texts themselves earn.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence

import numpy as np

from burnish import corpora
from burnish.evaluation.fairness import LIMIT, by_group, counterfactual
from burnish.models.words_reward import Floats, WordsReward
from burnish.records import Completion, Prompt, Score, share_of

PROMPT = Prompt.of("Write one sentence.")
SHE, HE = (
    re.compile(r"\b(?:she|her|woman|girl|actress|mother)\b", re.I),
    re.compile(r"\b(?:he|his|him|man|boy|father)\b", re.I),
)


class Learned:
    """A reward of words, learned from texts and their mean ratings."""

    def __init__(self, texts: Sequence[str], ratings: Sequence[float]) -> None:
        self._model = WordsReward.fit(texts, ratings, [1.0] * len(texts))

    def values(self, texts: Sequence[str]) -> Floats:
        return self._model.predict(texts)

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        values = self.values([completion.text for completion in completions]).tolist()
        return [Score(p, c, value) for p, c, value in zip(prompts, completions, values, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    lines = (corpora.resolve("ratings") / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [(row["text"], float(np.mean(row["ratings"]))) for row in map(json.loads, lines)]
    train = [row for row in rows if share_of(row[0], f"fairness {args.seed}") < 0.5]
    test = [row for row in rows if share_of(row[0], f"fairness {args.seed}") >= 0.5]
    reward = Learned(*zip(*train, strict=True))
    texts = [text for text, _ in test]
    print(f"trained on {len(train):,} texts, asked about {len(test):,}; passes within {LIMIT:.0%} of the range")
    print(f"{'axis':<28}{'texts':>7}{'shift':>9}  {'95% interval':<20}{'of range':>9}{'|shift|':>9}  passes")
    completions = [Completion(PROMPT.id, text) for text in texts]
    for shift in counterfactual(reward, [PROMPT] * len(texts), completions, seed=args.seed, resamples=2000):
        if shift.mean is None or shift.absolute is None or shift.share is None:
            print(f"{shift.axis:<28}{shift.texts:>7}")
            continue
        interval = f"[{shift.mean.low:+.4f}, {shift.mean.high:+.4f}]"
        numbers = f"{shift.mean.mean:>+9.4f}  {interval:<20}{shift.share:>+9.2%}{shift.absolute.mean:>9.4f}"
        print(f"{shift.axis:<28}{shift.texts:>7}{numbers}  {shift.passes}")
    spoken = [(t, r, bool(SHE.search(t)), bool(HE.search(t))) for t, r in test]
    one_sided = [(text, rating, "women" if she else "men") for text, rating, she, he in spoken if she != he]
    groups = [group for _, _, group in one_sided]
    for name, values in (
        ("reward", reward.values([text for text, _, _ in one_sided])),
        ("people", np.array([rating for _, rating, _ in one_sided])),
    ):
        women = next(
            group for group in by_group(values, groups, seed=args.seed, resamples=2000) if group.name == "women"
        )
        if women.gap:
            print(
                f"texts of women only less those of men only, by {name}: {women.gap.mean:+.3f} "
                f"[{women.gap.low:+.3f}, {women.gap.high:+.3f}], {women.n} of {len(one_sided)}"
            )


if __name__ == "__main__":
    main()

"""What do gradient-boosted trees make of a few measured features of a text, and what of it is style?

python benchmarks/rewards.py [--train 2000] [--test 600]

On the film and the product texts with people's mean ratings: pair accuracy on texts that trained nothing, with its 95%
interval over texts, of a word list, of trees on style alone (length, punctuation, ...), and of trees on style and the
word list; then what the last pays for length beyond people (reward units for one unit of log words), and its accuracy
without.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from burnish.corpora import ratings
from burnish.evaluation.reward_card import pair_accuracy, spearman
from burnish.records import Completion, Prompt, Score, share_of
from burnish.rewards import boosted, residual
from burnish.rewards.parts.style import FEATURES, style


def measured(prompts: Sequence[Prompt], completions: Sequence[Completion]) -> np.ndarray:
    """Return style and the word list's score."""
    words = ratings.lexicon()
    listed = [ratings.lexicon_score(completion.text, words) for completion in completions]
    return np.column_stack([style([completion.text for completion in completions]), listed])


def tell(what: str, predicted: Sequence[float], means: Sequence[float], lengths: Sequence[float]) -> None:
    found = pair_accuracy(predicted, means, [0] * len(means))
    length = spearman(predicted, lengths)
    beside = (
        "" if length is None else f"  correlation with length {length:+.2f} (people {spearman(means, lengths):+.2f})"
    )
    print(f"{what:28} {found.accuracy:.3f} [{found.low:.3f}, {found.high:.3f}]{beside}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What do trees make of a few measured features of a text?")
    parser.add_argument("--train", type=int, default=2000, help="texts of each set to fit on (default 2000)")
    parser.add_argument("--test", type=int, default=600, help="texts of each set to measure on (default 600)")
    args = parser.parse_args()
    for set in ("movie", "amazon"):
        # whole groups on one side: sentences of one review resemble each other
        texts = sorted((t for t in ratings.load() if t.set == set), key=lambda t: (share_of(t.group, "rewards"), t.id))
        scores = [Score(p := Prompt(()), Completion(p.id, t.text), t.mean, source=set) for t in texts]
        train, test = scores[: args.train], scores[-args.test :]
        prompts, completions = [s.prompt for s in test], [s.completion for s in test]
        means = [score.value or 0.0 for score in test]
        lengths = style([c.text for c in completions], ["log words"])[:, 0].tolist()
        print(f"\n{set}: {len(train)} texts to fit on, {len(test)} to measure on")
        tell("a word list", [ratings.lexicon_score(c.text) for c in completions], means, lengths)
        plain = boosted.fit(train)
        tell("trees on style", [s.value or 0.0 for s in plain.score(prompts, completions)], means, lengths)
        both = boosted.fit(train, featurise=measured, names=(*FEATURES, "word list"))
        tell("trees on style and words", [s.value or 0.0 for s in both.score(prompts, completions)], means, lengths)
        used = ", ".join(f"{name} {share:.2f}" for name, share in list(boosted.importance(both).items())[:3])
        print(f"{'':28} uses: {used}")
        known = scores[args.train : args.train + args.test]
        given = both.score([s.prompt for s in known], [s.completion for s in known])
        paid = residual.fit(given, people=[s.value or 0.0 for s in known], keep_all=True)
        each = paid.interval("log words")
        print(f"{'':28} pays for length beyond people {each.mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}]")
        left = residual.without_style(both, paid).score(prompts, completions)
        tell("the same without that", [s.value or 0.0 for s in left], means, lengths)


if __name__ == "__main__":
    main()

"""How much sameness do few texts show, beside many of the same two models? Why `rl.least_distinct` is above its guard.

python benchmarks/sameness.py RUN ...      RUN: folder of a finished run, with samples.jsonl

Prints, for each run, distinct-2 after over before of all its test texts, and the mean and deviation of the same figure
over 200 draws of fewer prompts with fewer texts each, as the validation prompts are looked at.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from burnish.evaluation.text import distinct_2, words

DRAWS = 200
SHAPES = ((20, 2), (20, 4), (40, 4), (64, 4))
"""Prompts, and texts of each; the first is what a run looks at while it trains."""


def kept(pairs: Sequence[tuple[str, str]]) -> float:
    """Return distinct-2 of the texts after over that of those before, both cut to equal lengths."""
    limits = [min(len(words(old)), len(words(new))) for old, new in pairs]
    before = distinct_2([old for old, _ in pairs], limits)
    after = distinct_2([new for _, new in pairs], limits)
    assert before
    assert after is not None
    return after / before


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    for run in map(Path, sys.argv[1:]):
        pairs: dict[str, list[tuple[str, str]]] = {}
        for line in (run / "samples.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            pairs.setdefault(row["prompt"], []).append((row["before"]["text"], row["after"]["text"]))
        every = [pair for some in pairs.values() for pair in some]
        told = [f"{run.name}: {kept(every):.3f} by {len(every)} texts"]
        draw = random.Random(0)
        for prompts, texts in SHAPES:
            found = [
                kept(
                    [
                        pair
                        for prompt in draw.sample(sorted(pairs), prompts)
                        for pair in draw.sample(pairs[prompt], texts)
                    ]
                )
                for _ in range(DRAWS)
            ]
            told.append(f"{statistics.mean(found):.3f} (deviation {statistics.pstdev(found):.3f}) by {prompts * texts}")
        print(", ".join(told), flush=True)


if __name__ == "__main__":
    main()

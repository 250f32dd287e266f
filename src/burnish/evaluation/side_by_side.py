"""Which texts the report shows, and how a text of unknown origin is made fit to be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from burnish.evaluation.samples import Sample, paired

_CONTROLS = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: "\u2421"}
_UNPRINTABLE = re.compile("[\x80-\x9f\ud800-\udfff\ufffe\uffff]")

Pair = tuple[Sample, Sample]


def pick(
    before: Sequence[Sample], after: Sequence[Sample], *, each: int = 3, drawn: int = 4, seed: int = 0
) -> dict[str, list[Pair]]:
    """Return the pairs to show: {"best": [...], "worst": [...], "random": [...]}, one pair a prompt, none twice.

    Best and worst by the change of gold, only truly risen and fallen ones; without gold there are only drawn ones.
    """
    prompts = [list(zip(old, new, strict=True)) for old, new in paired(before, after)]
    measured = [(_change(pair), pair) for pairs in prompts for pair in pairs if _is_scored(pair)]
    falling = sorted(measured, key=lambda found: (-found[0], found[1][0].prompt_id, found[1][0].index))
    best = _one_a_prompt([pair for change, pair in falling if change > 0], each, set())
    shown = {pair[0].prompt_id for pair in best}
    worst = _one_a_prompt([pair for change, pair in reversed(falling) if change < 0], each, shown)
    shown |= {pair[0].prompt_id for pair in worst}
    rng = np.random.default_rng(seed)
    lots = [prompts[place] for place in rng.permutation(len(prompts))]
    chosen = [pairs[int(rng.integers(len(pairs)))] for pairs in lots if pairs[0][0].prompt_id not in shown]
    return {"best": best, "worst": worst, "random": chosen[:drawn]}


def visible(text: str) -> str:
    """Return the text with characters that no page may hold replaced by their visible symbols; all else untouched."""
    return _UNPRINTABLE.sub("\ufffd", text.translate(_CONTROLS))


def _is_scored(pair: Pair) -> bool:
    return pair[0].gold is not None and pair[1].gold is not None


def _change(pair: Pair) -> float:
    assert pair[0].gold is not None
    assert pair[1].gold is not None
    return pair[1].gold - pair[0].gold


def _one_a_prompt(pairs: Sequence[Pair], count: int, taken: set[str]) -> list[Pair]:
    found: dict[str, Pair] = {}
    for pair in pairs:
        if pair[0].prompt_id not in taken:
            found.setdefault(pair[0].prompt_id, pair)
    return list(found.values())[:count]

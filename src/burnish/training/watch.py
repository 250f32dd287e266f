"""What is said of fresh completions, once a run, when their reward may teach something else than was meant (trap T39).

    one part decides   of several rewards one makes up nearly all of the spread within groups: the others teach nothing
    length drifts      completions are half as long again as at first, or that much shorter

A dead reward shows as `zero_spread` in the log. All of these are signs and not verdicts, and nothing stops for them: a
check of form that everybody passes is rightly silent, and longer answers may be better ones. What tells the two apart
is a measure that is not trained on, before and after (`burnish evaluate`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from burnish.examples import Example

WINDOWS = 10
"""Windows that are looked at together: one alone holds few prompts, and differs from the next by those."""
DECIDES = 0.95
"""Share of the spread from which one part is said to decide: the others move the sum's deviation by 3 % at most."""
DRIFT = 1.5
"""Times that completions grow or shrink by before it is said,"""
TOKENS = 5
"""and how many tokens that is at least: a word more or less is no drift."""
ONE_PART = (
    "reward: {name!r} makes up {share:.0%} of the spread within prompts over the last {windows} steps, so the other "
    'parts teach next to nothing. If that is not meant, bring them to one scale (scale = "fixed" or "group"), or weigh '
    "them anew."
)
LENGTH = (
    "length: completions have {now:.0f} tokens in the mean of the last {windows} steps, and had {before:.0f} in the "
    "first {windows}. If the task does not ask for it, the reward is pleased by length: read some, and compare with a "
    "measure that is not trained on."
)


@dataclass
class Watch:
    """Remembers the windows that it was shown, and what it has said of them."""

    first: list[float] = field(default_factory=list)
    """Mean tokens of a completion in the first windows."""
    last: list[float] = field(default_factory=list)
    """The same in the latest; none of the first."""
    spreads: list[dict[str, float]] = field(default_factory=list)
    """Of the latest windows, the spread of each part of the reward (`spread_of_parts`)."""
    said: list[str] = field(default_factory=list)
    """What has been said, and is not said again."""

    def see(self, groups: Sequence[Example], length: float) -> list[str]:
        """Return what is to be said after one more window of fresh groups, of this mean length in tokens."""
        if len(self.first) < WINDOWS:
            self.first.append(length)
        else:
            self.last = [*self.last, length][-WINDOWS:]
        self.spreads = [*self.spreads, spread_of_parts(groups)][-WINDOWS:]
        new = {sign: text for sign, text in (*self._of_parts(), *self._of_length()) if sign not in self.said}
        self.said += new
        return list(new.values())

    def _of_parts(self) -> Iterator[tuple[str, str]]:
        if len(self.spreads) < WINDOWS:
            return
        sums: dict[str, float] = defaultdict(float)
        for window in self.spreads:
            for name, spread in window.items():
                sums[name] += spread
        whole = sum(sums.values())
        largest = max(sums, key=lambda name: sums[name], default="")
        if len(sums) > 1 and whole > 0 and sums[largest] > DECIDES * whole:
            yield "part", ONE_PART.format(name=largest, share=sums[largest] / whole, windows=WINDOWS)

    def _of_length(self) -> Iterator[tuple[str, str]]:
        if len(self.last) < WINDOWS:
            return
        before, now = fmean(self.first), fmean(self.last)
        if abs(now - before) >= TOKENS and (now > DRIFT * before or before > DRIFT * now):
            yield "length", LENGTH.format(before=before, now=now, windows=WINDOWS)

    def state(self) -> dict[str, Any]:
        """Return all of it as plain JSON values: what a watch that goes on is made of."""
        return asdict(self)


def spread_of_parts(groups: Sequence[Example]) -> dict[str, float]:
    """Return, for each part of the reward, the squared distances of what it gave from its group's mean, summed.

    Only differences within a group teach anything: a part that gives all the same has no say, however much it gives.
    """
    found: dict[str, float] = defaultdict(float)
    for group in groups:
        gave: dict[str, list[float]] = defaultdict(list)
        for row in group.rows:
            for name, value in row.parts:
                gave[name].append(value)
        for name, values in gave.items():
            mean = fmean(values)
            found[name] += sum((value - mean) ** 2 for value in values)
    return dict(found)

"""A comparison asked again until it is sure, or often enough: easy pairs cost few questions, hard ones more.

Every round asks both orders once. A round whose orders agree is a vote, one whose orders disagree is half a vote each
way. After each round the posterior of the judge's own inclination is Beta(1 + votes for, 1 + votes against); asking
stops when P(inclination > 1/2) is above `sure` or below 1 - `sure`. What is not settled within `most` rounds is stored
as "cannot judge", with the posterior beside it. A judge that answers the same pair differently in
one case of seven (arXiv 2606.13685) is not settled by one answer; nor does one that never wavers need eleven.

Looking after every round stops too early more often than a test made once would; rounds whose orders disagree hold it
back. A judge that tosses a coin is believed in 4% of the pairs within 10 rounds at 0.95 (20,000 simulated pairs; a
small version is in tests/judges/test_adaptive.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from scipy.special import betainc

from burnish.errors import InputError
from burnish.judges.asking.asker import author_id
from burnish.judges.asking.verdict import Verdict, feedback_by
from burnish.judges.comparison import FORM, Comparison
from burnish.records import Completion, Feedback, Prompt, seed_of


@dataclass(frozen=True)
class Adaptive:
    """`records.Judge` of pairs that repeats a `Comparison` by words, at a temperature above 0."""

    judge_once: Comparison
    sure: float = 0.95
    """Posterior probability at which asking stops, in (1/2, 1)."""
    most: int = 6
    """Rounds at most."""

    def __post_init__(self) -> None:
        if not 0.5 < self.sure < 1:
            raise InputError(f"adaptive.sure: {self.sure} is not between 1/2 and 1. Use 0.95.")
        if self.judge_once.by_logprobs:
            raise InputError("adaptive: log-probs are the same every time. Set the comparison's logprobs to 'never'.")
        if self.judge_once.asker.sampling.temperature == 0:
            raise InputError("adaptive: at temperature 0 every round answers alike. Use a temperature above 0.")

    @property
    def author(self) -> str:
        return author_id(self.judge_once.asker, FORM, self.judge_once.author, self.sure, self.most)

    def judge(self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]]) -> list[Feedback | None]:
        """Return a comparison for each pair, or None for a counted failure."""
        return [verdict.feedback for verdict in self.verdicts(prompts, completions)]

    def verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[Verdict]:
        """Return a verdict for each pair; `value` is the posterior mean of the inclination to its first completion."""
        rounds: list[list[Verdict]] = [[] for _ in prompts]
        open_pairs = list(range(len(prompts)))
        for turn in range(self.most):
            some = [prompts[i] for i in open_pairs], [completions[i] for i in open_pairs]
            found = self.judge_once.verdicts(*some, seed=seed_of(seed, "round", turn))
            for i, verdict in zip(open_pairs, found, strict=True):
                rounds[i].append(verdict)
            open_pairs = [i for i in open_pairs if not self._is_settled(rounds[i])]
            if not open_pairs:
                break
        return [self._together(said) for said in rounds]

    def _is_settled(self, said: Sequence[Verdict]) -> bool:
        won, lost = _votes(said)
        doubt = float(betainc(1 + won, 1 + lost, 0.5))  # P(inclination < 1/2)
        return not 1 - self.sure < doubt < self.sure

    def _together(self, said: Sequence[Verdict]) -> Verdict:
        last = said[-1]
        bare = replace(last, feedback=None, questions=sum(verdict.questions for verdict in said))
        won, lost = _votes(said)
        if won + lost == 0:
            return bare
        share, n = (1 + won) / (2 + won + lost), won + lost
        # a posterior of 0.6 after all rounds is what a coin gives: what is not settled is not decided
        settled = self._is_settled(said)
        value: dict[str, Any] = {"chosen": 0 if share > 0.5 else 1} if settled else {"cannot_judge": True}
        feedback = feedback_by(
            self.author,
            FORM,
            last.prompt,
            last.completions,
            value,
            exposure={"orders": "both"},
            metadata={
                "probability": share,
                "share": won / n,
                "rounds": len(said),
                "votes": [won, lost],
                "settled": settled,
            },
        )
        return replace(
            bare,
            feedback=feedback,
            failure="",
            value=share,
            variance=share * (1 - share) / (3 + n),
            reason=next((verdict.reason for verdict in said if verdict.reason), ""),
            consistent=all(verdict.consistent for verdict in said if verdict.value is not None),
        )


def _votes(said: Sequence[Verdict]) -> tuple[float, float]:
    """Return the votes for the first completion and for the second; a failed round is no vote."""
    won = lost = 0.0
    for verdict in said:
        if verdict.value is None:
            continue
        share = 0.5 if not verdict.consistent or verdict.value == 0.5 else float(verdict.value > 0.5)
        won, lost = won + share, lost + 1 - share
    return won, lost

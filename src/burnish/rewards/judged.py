"""A judge as a reward: its grade of each completion, with its doubt, its reasons and the quotes it gave.

Any judge of single completions (`burnish.judges`: rating, rubric, a panel of these). A rubric's reasons name each
criterion, its spans are the quotes that were checked to stand in the text. A failed judgement is not scored, with the
reason: an outage of the judge must never look like a bad text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from burnish.errors import InputError
from burnish.judges.asking.verdict import Verdict
from burnish.records import Completion, Prompt, Score


class Grading(Protocol):
    """A judge of single completions."""

    @property
    def author(self) -> str: ...

    def verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[Verdict]: ...


@dataclass(frozen=True)
class Judged:
    """`Reward` by a judge's grades."""

    judge: Grading
    seed: int = 0
    most_failures: float = 0.5
    """Largest share of a call that may fail before the call itself does: then the judge is out of order, and a policy
    trained on the rest would be trained on whatever the judge happened to be able to read."""

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the grade of each completion. Raises InputError when more than `most_failures` of them failed."""
        verdicts = self.judge.verdicts(prompts, [[completion] for completion in completions], seed=self.seed)
        failed = [verdict.failure for verdict in verdicts if verdict.value is None]
        if len(failed) > self.most_failures * max(1, len(verdicts)):
            raise InputError(
                f"reward {self.judge.author}: {len(failed)} of {len(verdicts)} judgements failed ({failed[0]}). "
                "Mend the judge; nothing was scored."
            )
        return [self._one(verdict) for verdict in verdicts]

    def _one(self, verdict: Verdict) -> Score:
        return Score(
            verdict.prompt,
            verdict.completions[0],
            verdict.value,
            variance=verdict.variance,
            source=self.judge.author,
            reason=verdict.failure or verdict.reason,
            spans=tuple(span for part in verdict.parts for span in part.spans),
            feedback_ids=(verdict.feedback.id,) if verdict.feedback else (),
        )

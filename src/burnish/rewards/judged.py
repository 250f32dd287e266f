"""A judge as a reward: its grade of each completion, with its doubt, its reasons and the quotes it gave.

Any judge of single completions (`burnish.judges`: rating, rubric, a panel of these). A rubric's reasons name each
criterion, its spans are the quotes that were checked to stand in the text. A failed judgement is not scored, with the
reason: an outage of the judge must never look like a bad text.

By a word: `judged:rating@M`, or `judged:FILE.toml@M` with a rubric; M is what `burnish feedback judge --judge` takes.
What it answers is kept in `burnish-judges.db` and not asked twice; personal data is masked (`burnish-mask.key`) in all
that leaves this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from burnish.errors import InputError
from burnish.judges.asking.asker import Asker
from burnish.judges.asking.verdict import Verdict
from burnish.models.endpoint_address import PREFIX, address_of
from burnish.records import Completion, Prompt, Reward, Score

if TYPE_CHECKING:
    from burnish.feedback.masking import Masker

When: TypeAlias = Literal["outside", "always", "never"]
"""Whose questions are masked: those of endpoints on other machines, all, none."""
KEY_FILE = "burnish-mask.key"


def make(spec: str = "", asker_of: Callable[[str], Asker] | None = None) -> Reward:
    """Return the reward `judged:rating@M` or `judged:FILE.toml@M`. `asker_of`: makes of M who is asked."""
    form, _, model = spec.partition("@")
    if not model or not (form == "rating" or form.endswith(".toml")):
        raise InputError(f"reward judged: {spec!r} names no judge. Write judged:rating@M or judged:rubric.toml@M.")
    from burnish.judges.rating import Rating
    from burnish.judges.rubric import Checklist, Rubric

    rubric = None if form == "rating" else Rubric.load(Path(form))
    asker = (asker_of or _asker_of)(model)
    return Judged(Rating(asker) if rubric is None else Checklist(asker, rubric))


def _asker_of(model: str) -> Asker:
    """Return a model behind the memory of what it said, masked where it is on another machine; at any cost."""
    from burnish.judges.asking.backends import remembered
    from burnish.store.judge_cache import JudgeCache

    return Asker(remembered(model, JudgeCache()), mask=mask_of(model))


def mask_of(model: str, when: When = "outside", key_file: str = KEY_FILE) -> Masker | None:
    """Return what takes personal data out of what a model is asked; None where it stays in."""
    if when == "never" or (when == "outside" and not _leaves(model)):
        return None
    from burnish.feedback.masking import Masker, read_key

    return Masker(read_key(key_file, create=True))


def _leaves(model: str) -> bool:
    return model.startswith(PREFIX) and not address_of(model).is_here


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

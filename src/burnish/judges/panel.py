"""Several judges, one verdict: small judges of different families err differently, and cost less than one large one.

The mean of the members' values, with the variance of that mean; a member that failed is left out, and with fewer than
`quorum` members left the verdict failed. Each member's own verdicts come from `members_verdicts`: those are what
belongs into the store, because judges are annotators among others there and are weighed by the same model as people;
the panel's own answer is for a reward or a quick look. Source: Verga et al. 2024, arXiv 2404.18796.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from burnish.errors import InputError
from burnish.judges.asking.verdict import Part, Verdict, feedback_by, share_of_votes
from burnish.records import Completion, Feedback, Prompt, content_id


class Member(Protocol):
    """A judge of this room."""

    @property
    def author(self) -> str: ...

    def verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[Verdict]: ...


@dataclass(frozen=True)
class Panel:
    """`records.Judge` by the mean of several that ask in one form."""

    members: tuple[Member, ...]
    quorum: int = 2
    """Members that must have answered."""

    def __post_init__(self) -> None:
        if len({member.author for member in self.members}) != len(self.members):
            raise InputError("panel: one judge sits twice. Take judges of different models or wordings.")
        if not 1 <= self.quorum <= len(self.members):
            raise InputError(f"panel.quorum: {self.quorum} of {len(self.members)} members. Use 1 to all of them.")

    @property
    def author(self) -> str:
        return f"panel/{len(self.members)}-{content_id('j', [member.author for member in self.members])[2:8]}"

    def judge(self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]]) -> list[Feedback | None]:
        """Return the panel's feedback for each item, or None for a counted failure."""
        return [verdict.feedback for verdict in self.verdicts(prompts, completions)]

    def members_verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[list[Verdict]]:
        """Return each member's verdicts on all items."""
        return [member.verdicts(prompts, completions, seed=seed) for member in self.members]

    def verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[Verdict]:
        """Return the panel's verdict on each item, one part for each member."""
        return self.together(self.members_verdicts(prompts, completions, seed=seed))

    def together(self, by_member: Sequence[Sequence[Verdict]]) -> list[Verdict]:
        """Return the panel's verdict on each item from what its members, in their order, have said of all of them."""
        return [self._together(each) for each in zip(*by_member, strict=True)]

    def _together(self, said: Sequence[Verdict]) -> Verdict:
        parts = tuple(
            Part(member.author, verdict.value, 1.0, verdict.failure or verdict.reason)
            for member, verdict in zip(self.members, said, strict=True)
        )
        bare = replace(said[0], feedback=None, value=None, variance=None, consistent=None, parts=parts, failure="")
        bare = replace(bare, questions=sum(verdict.questions for verdict in said))
        known = [verdict for verdict in said if verdict.feedback is not None and verdict.value is not None]
        if len(known) < self.quorum:
            failed = next(verdict.failure for verdict in said if verdict.feedback is None)
            return replace(bare, failure=f"no quorum: {len(known)} of {len(said)} answered ({failed})")
        values = [verdict.value for verdict in known if verdict.value is not None]
        mean, n = sum(values) / len(values), len(values)
        own = sum(verdict.variance or 0.0 for verdict in known) / n**2
        between = sum((value - mean) ** 2 for value in values) / (n - 1) / n if n > 1 else 0.0
        value, consistent = _value(known, mean)
        kind = known[0].feedback.kind if known[0].feedback else ""
        metadata: dict[str, Any] = {"members": {part.name: part.value for part in parts}, "probability": mean}
        if kind == "comparison":
            metadata["share"] = sum(share_of_votes(verdict) or 0.0 for verdict in known) / n
        feedback = feedback_by(
            self.author,
            kind,
            said[0].prompt,
            said[0].completions,
            value,
            exposure={"orders": "both"} if kind == "comparison" else {},
            metadata=metadata,
        )
        return replace(bare, feedback=feedback, value=mean, variance=max(own, between), consistent=consistent)


def _value(known: Sequence[Verdict], mean: float) -> tuple[dict[str, Any], bool | None]:
    """Return the stored answer: the mean rating, or the choice of the mean probability where it is not even."""
    kinds = {verdict.feedback.kind for verdict in known if verdict.feedback}
    scales = {tuple(verdict.feedback.value.get("scale", ())) for verdict in known if verdict.feedback}
    if len(kinds) > 1 or len(scales) > 1:
        raise InputError(f"panel: its members ask in different forms or scales ({', '.join(sorted(kinds))}). Take one.")
    if kinds == {"rating"}:
        return {"rating": mean, "scale": list(scales.pop())}, None
    if mean == 0.5 or not any(verdict.consistent for verdict in known):  # nobody's two orders named the same text
        return {"cannot_judge": True}, False
    return {"chosen": 0 if mean > 0.5 else 1}, all(verdict.consistent for verdict in known)

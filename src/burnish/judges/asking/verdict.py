"""What a judge returns for one item: feedback like a person's, and how it came about; or why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from burnish.errors import InputError
from burnish.records import Author, Completion, Feedback, Preference, Prompt, Span, content_id


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a verdict: a criterion of a rubric, a principle of a constitution."""

    name: str
    value: float | None
    """In [0, 1]; None was not answered."""
    weight: float = 1.0
    reason: str = ""
    quotes: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    """Where the quotes stand in the completion."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One item judged, or a failure with its reason."""

    prompt: Prompt
    completions: tuple[Completion, ...]
    feedback: Feedback | None
    failure: str = ""
    value: float | None = None
    """Of a comparison the probability that the first completion is better; of a rating or rubric the grade."""
    variance: float | None = None
    """Of that value as an estimate of what this judge would say on average."""
    parts: tuple[Part, ...] = ()
    reason: str = ""
    consistent: bool | None = None
    """Of a comparison asked in both orders: whether both named the same one, each time it was asked."""
    questions: int = 0
    """Asked for this verdict, repairs left out."""


def feedback_by(
    author: str, kind: str, prompt: Prompt, shown: Sequence[Completion], value: Mapping[str, Any], **more: Any
) -> Feedback:
    """Return a judge's feedback; its id follows from who said what of what, so that saying it again adds nothing."""
    ids = tuple(completion.id for completion in shown)
    aspect = str(more.get("aspect", ""))
    name = content_id("f", ["judge", author, kind, prompt.id, ids, dict(value), aspect])
    return Feedback(name, kind, prompt.id, ids, value, Author(author, "ai"), **more)


def share_of_votes(verdict: Verdict) -> float | None:
    """Return the share of a comparison's answers that went to its first completion; None of what was not judged.

    `value` is what that share makes likely: a posterior, drawn towards 1/2.
    """
    if verdict.feedback is None or verdict.value is None:
        return None
    return float(verdict.feedback.metadata.get("share", verdict.value))


def preference_of(verdict: Verdict) -> Preference:
    """Return a comparison as a signal with the judge's soft label: equal ranks where it named neither.

    Raises InputError for a verdict that is no comparison or a failure.
    """
    if verdict.value is None or len(verdict.completions) != 2:
        raise InputError(f"judge: no comparison to make a preference of ({verdict.failure or 'not a pair'}).")
    first, second = verdict.completions
    share = verdict.value
    chosen = verdict.feedback is None or "chosen" in verdict.feedback.value
    return Preference(
        prompt=verdict.prompt,
        completions=(first, second) if share >= 0.5 else (second, first),
        ranks=(0, 1) if chosen and share != 0.5 else (0, 0),
        probability=max(share, 1 - share),
        variance=verdict.variance,
        feedback_ids=(verdict.feedback.id,) if verdict.feedback else (),
    )


@dataclass(frozen=True, slots=True)
class Count:
    """How a batch of verdicts went."""

    judged: int
    failed: int
    failures: Mapping[str, int] = field(default_factory=dict)
    """By class of reason."""
    consistent: int = 0
    """Comparisons whose two orders named the same one."""
    inconsistent: int = 0
    questions: int = 0


def count(verdicts: Sequence[Verdict]) -> Count:
    """Return how many were judged and how many failed, by reason."""
    failed = [verdict for verdict in verdicts if verdict.feedback is None]
    reasons = Counter(verdict.failure.partition(":")[0] for verdict in failed)
    both = [verdict.consistent for verdict in verdicts if verdict.consistent is not None]
    return Count(
        judged=len(verdicts) - len(failed),
        failed=len(failed),
        failures=dict(reasons.most_common()),
        consistent=sum(both),
        inconsistent=len(both) - sum(both),
        questions=sum(verdict.questions for verdict in verdicts),
    )

"""1 where the final answer in a text is the right one, else 0: a choice's letter, a label, or a number.

`accuracy` finds the answer after the last "answer is", "answer:", "####" or its Chinese, or in \\boxed{}; without any
of these a text of one line is the answer itself. With `metadata["choices"]` (letters or labels) the answer is the last
of them that stands there as a whole word. Numbers are compared as numbers: 1,000 is 1000.0, 50% is 50 %. A text in
which no answer is found scores 0 and says so: a model that does not answer has not answered rightly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from burnish.maths.overlap import normal
from burnish.records import Completion, Prompt, Reward, Score, Span
from burnish.rewards.parts.references import no_spec, references_of

_MARK = re.compile(
    r"(?:(?:final\s+)?answer(?:\s+is)?\s*[::]?\s+|answer\s*[::]|####|答案(?:是|为)?\s*[::]?)", re.IGNORECASE
)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def make(spec: str = "") -> Reward:
    """Return the reward `accuracy`."""
    no_spec("accuracy", spec)
    return Accuracy()


@dataclass(frozen=True)
class Accuracy:
    """`Reward` of 0 or 1."""

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return 1 or 0 for each completion; a prompt without a reference is not scored."""
        return [_score(prompt, completion) for prompt, completion in zip(prompts, completions, strict=True)]


def _score(prompt: Prompt, completion: Completion) -> Score:
    references = references_of(prompt)
    if not references:
        return Score(prompt, completion, None, source="accuracy", reason="the prompt has no reference")
    choices = [str(choice) for choice in prompt.metadata.get("choices", ())]
    span = answer_in(completion.text, choices)
    if span is None:
        return Score(prompt, completion, 0.0, source="accuracy", reason="no answer was found in the text")
    said = completion.text[span.start : span.end]
    right = any(is_same(said, reference) for reference in references)
    return Score(prompt, completion, float(right), source="accuracy", reason=f"answered {said[:60]!r}", spans=(span,))


def answer_in(text: str, choices: Sequence[str] = ()) -> Span | None:
    """Return where the final answer of a text stands, None when there is none."""
    if boxed := list(_BOXED.finditer(text)):
        return Span(boxed[-1].start(1), boxed[-1].end(1), "answer")
    marks = list(_MARK.finditer(text))
    start = marks[-1].end() if marks else 0
    if choices:
        words = "|".join(sorted(map(re.escape, choices), key=len, reverse=True))
        found = list(re.finditer(rf"(?<!\w)(?:{words})(?!\w)", text[start:], re.IGNORECASE))
        if not found:
            return None
        last = found[0] if marks else found[-1]  # right after the mark stands the answer, then perhaps a reason
        return Span(start + last.start(), start + last.end(), "answer")
    line = text[start:].partition("\n")[0] if marks else text.strip()
    if not line.strip() or (not marks and "\n" in line):
        return None
    begin = text.index(line.strip(), start)
    return Span(begin, begin + len(line.strip().rstrip(".。")), "answer")


def is_same(said: str, reference: str) -> bool:
    """Return whether two answers are the same, as numbers where the reference is one."""
    wanted = _number(reference)
    if wanted is not None:
        found = [_number(each) for each in _NUMBER.findall(said)]
        return len(found) == 1 and found[0] is not None and abs(found[0] - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return normal(said) == normal(reference)


def _number(text: str) -> float | None:
    plain = text.strip().strip("$€£¥%. ").replace(",", "")
    return float(plain) if _NUMBER.fullmatch(plain) else None

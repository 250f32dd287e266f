"""Chain of hindsight: worse and better answers in one conversation, with words between that say which is which.

    x + "Give a poor answer." | y- | "Now give a better answer." | y+          and the other way round
    loss = - sum of log pi over the tokens of the answers, none over the words of feedback; as `sft`

Source: Liu, Sferrazza and Abbeel 2023, arXiv 2302.02676. A comment with a revision is a chain as well; where the
revision comes second, the comment's own words stand between the two.

What is unusual: each answer is a row of its own, whose prompt is the conversation so far. That is the same loss as one
text with a mask, but every answer ends with the end token, any chat template serves, and no mask can be off by one. A
preference that p of the people hold is p parts this chain and 1 - p parts the reverse. We leave out the paper's masking
of past tokens at random, which keeps a model from copying the answer before: the row without a past does that here.

Use it when there are rankings or revisions and no wish for a reward model; afterwards ask through `ask`. It fails when
better and worse answers hardly differ (the words of feedback then mean nothing to the model: compare what it says to
`BETTER` and to `WORSE`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, given, moved, with_words
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs, sft, smooths
from burnish.records import Completion, Critique, Message, Preference, Prompt, Signal, share_of

BETTER = "{asked}\n\nGive a good answer."
WORSE = "{asked}\n\nGive a poor answer."
"""What stands before a chain's first answer; after training `ask` puts BETTER around every prompt."""
NOW_BETTER = "Now give a better answer."
NOW_WORSE = "Now give a worse answer."
COMMENTED = "A reader said about that answer: {comment}\n\nNow give a better answer."
"""What stands between two answers of a chain."""

METRICS: Mapping[str, str] = sft.METRICS


@dataclass(frozen=True)
class Config:
    """Settings of chain of hindsight."""

    order: Literal["both", "improving", "worsening"] = "both"
    """How chains run: improving (worse, then better), worsening, both (half of them each way, fixed by their texts).
    Only a worsening chain begins with what `ask` asks for."""
    normaliser: Literal["token", "completion"] = "token"
    """What is averaged: token (every token weighs the same), completion (every completion does)."""
    label_smoothing: float = 0.0
    """Share of a token's target that goes to the other tokens, in [0, 0.5); 0 is plain likelihood, 0.1 is usual."""

    def __post_init__(self) -> None:
        smooths(self)


def needs(config: Config) -> Needs:
    """Preferences and rankings, and critiques with a revision."""
    return Needs(eats=(Preference, Critique), noise=True)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each chain. Ties and critiques without a revision are counted in `tools.left_out`.

    Raises InputError when no chain is left.
    """
    found: list[Example] = []
    for signal in signals:
        if isinstance(signal, Preference):
            found += _of_preference(signal, config, tools)
        elif isinstance(signal, Critique):
            found += _of_critique(signal, config, tools)
    if not found:
        reasons = ", ".join(f"{n} x {reason}" for reason, n in tools.left_out.items()) or "there are no preferences"
        raise InputError(f"hindsight: no chain is left ({reasons}). Give preferences, or critiques with revisions.")
    return found


def ask(prompt: Prompt, config: Config) -> Prompt:
    """Return the prompt with the words that stand before the better answer."""
    return with_words(prompt, BETTER)


def targets(batch: Batch, config: Config) -> Batch:
    """As `sft.targets`."""
    return sft.targets(batch, sft.Config(config.normaliser, config.label_smoothing))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """As `sft.loss`, of every answer of the chains."""
    return sft.loss(batch, outputs, sft.Config(config.normaliser, config.label_smoothing))


def _of_preference(signal: Preference, config: Config, tools: Tools) -> list[Example]:
    ranked = _distinct(signal, tools)
    probability = signal.probability if signal.is_pair and signal.probability is not None else 1.0
    if len(ranked) < 2 or probability == 0.5:
        tools.left_out["preference without a better and a worse answer"] += 1
        return []
    chains = [(ranked, probability), (ranked[::-1], 1 - probability)]  # best first, and what the others hold
    return [
        _chain(signal.prompt, chain, _improves(signal.prompt, ranked, config), signal.weight * share)
        for chain, share in chains
        if share > 0
    ]


def _distinct(signal: Preference, tools: Tools) -> list[Completion]:
    """Return the compared completions, best first, one of each rank: of two tied ones neither is the better."""
    by_rank: dict[int, Completion] = {}
    for rank, completion in zip(signal.ranks, signal.completions, strict=True):
        if rank is None or rank in by_rank:
            tools.left_out["completion tied or not compared"] += 1
        else:
            by_rank[rank] = completion
    return [by_rank[rank] for rank in sorted(by_rank)]


def _improves(prompt: Prompt, answers: Sequence[Completion], config: Config) -> bool:
    if config.order != "both":
        return config.order == "improving"
    return share_of(" ".join([prompt.id, *(answer.id for answer in answers)]), "hindsight") < 0.5


def _chain(
    prompt: Prompt, best_first: Sequence[Completion], improving: bool, weight: float, comment: str = ""
) -> Example:
    answers = list(best_first[::-1] if improving else best_first)
    between = NOW_WORSE if not improving else COMMENTED.format(comment=comment) if comment else NOW_BETTER
    first = with_words(prompt, WORSE if improving else BETTER)
    return _rows(first, answers, [between] * (len(answers) - 1), weight)


def _of_critique(signal: Critique, config: Config, tools: Tools) -> list[Example]:
    if not (signal.revision or "").strip():
        tools.left_out["critique without a revision"] += 1
        return []
    best_first = [given(signal.prompt, (signal.revision or "").strip()), signal.completion]
    improving = _improves(signal.prompt, best_first, config)
    return [_chain(signal.prompt, best_first, improving, signal.weight, signal.text.strip())]


def _rows(first: Prompt, answers: list[Completion], between: list[str], weight: float) -> Example:
    """Return a row for each answer, asked by all that came before; together they weigh as much as the signal."""
    prompt, rows = first, []
    for answer, words in zip(answers, [*between, ""], strict=True):
        rows.append(Row(prompt, moved(answer, prompt), weight=weight / len(answers)))
        said = (Message("assistant", answer.text), Message("user", words))
        prompt = replace(prompt, messages=(*prompt.messages, *said))
    return Example(tuple(rows))

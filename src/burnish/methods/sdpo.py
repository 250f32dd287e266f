"""SDPO, self-distillation from feedback: the policy that has read the feedback teaches the policy that has not.

    teacher_t = pi_w( . | x, feedback, y_<t)   no gradient (`Row.teacher`);  w <- w + teacher_rate (now - w) each step
    loss      = sum_t KL( pi( . | x, y_<t) || teacher_t )                              form="kl"
    loss      = - sum_t rho_t A_t,   A_t = log teacher_t(y_t) - log pi(y_t), fixed     form="log_ratio"
    together  = grpo * (GRPO's loss) + (1 - grpo) * (the loss above)

Source: Huebotter et al. 2026, "Reinforcement learning via self-distillation", arXiv 2601.20802: the loss, its form as
per-token advantages, the blend A = lambda A_GRPO + (1 - lambda) A_SDPO, and a sibling that did well as the feedback
where there are no words. The two forms have the same gradient in expectation; the first sees the whole vocabulary.

What is unusual: the feedback is people's comments on stored completions ("critiques"), or the reward's reasons for
fresh ones ("rollouts"; a completion of which nothing is said has weight 0 here and stays in GRPO's share). The paper's
teacher is a slowly moving average of the policy; ours is, with `teacher_rate` at 0, the policy of this very step, which
costs no second copy: take a small learning rate then.

Use it when feedback says why, and the model follows what it reads. It fails with a model too small to use the feedback
(`teacher_gap` stays near 0: nothing is taught), and collapses when trained on and on (watch `entropy`; the paper's
successors send what did well to GRPO instead, arXiv 2604.02288).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, with_words
from burnish.maths.batch import Batch, Outputs
from burnish.maths.imitation import row_weights
from burnish.maths.policy_loss import Normaliser, masked, masked_sum
from burnish.methods import Needs, grpo, within
from burnish.records import Critique, Signal

COMMENTED = """{asked}

About an earlier answer to this a reader said:
{comment}

Answer anew, and heed what the reader said."""
SHOWN = """{asked}

Here is an answer to this that did well:
{answer}

Answer anew, and at least as well."""
"""What the teacher reads. `{asked}` is the prompt's own last message, or COMMENTED where there are both."""

METRICS: Mapping[str, str] = {
    **grpo.METRICS,
    "teacher_kl_nats": "KL of a taught completion to its teacher, nats: falls while the teacher has something to say.",
    "teacher_gap": "Mean of log teacher - log policy of taught tokens: on fresh completions below 0, rising to it.",
    "taught": "Share of completions with feedback: at 0 nothing but GRPO is learned.",
}

STOPPED = "the teacher, and how far the policy is from it where that weighs a token"


@dataclass(frozen=True)
class Config:
    """Settings of self-distillation from feedback."""

    learns_from: Literal["critiques", "rollouts"] = "critiques"
    """Whose feedback: critiques (comments on stored completions), rollouts (the reward's reasons for fresh ones)."""
    form: Literal["kl", "log_ratio"] = "kl"
    """The loss: kl (exact, whole vocabulary), log_ratio (policy gradient, from the token that was drawn)."""
    grpo: float = 0.0
    """Share of GRPO in the loss, in [0, 1]; above 0 it needs rollouts."""
    beta: float = 0.0
    """Weight of the KL to the untouched model within GRPO's share, reward units per nat; 0 asks for no reference."""
    siblings: Literal["best", "leave_out"] = "best"
    """best: a fresh completion is also shown the best of its group, where that scored higher; leave_out: never."""
    normaliser: Normaliser = "token"
    """What token losses are divided by: token, completion, constant (the length limit)."""
    teacher_rate: float = 0.0
    """Share of the way that the teacher's weights move towards the policy's after each step, in [0, 1); 0: they are the
    policy's own. 0.05 looks back about 20 steps."""

    def __post_init__(self) -> None:
        within(self, grpo=(0, 1), beta=(0, math.inf), teacher_rate=(0, 0.999))
        if self.grpo > 0 and self.learns_from == "critiques":
            raise InputError(f"grpo: {self.grpo} needs fresh completions. Set learns_from to rollouts.")


def needs(config: Config) -> Needs:
    """The teacher's view; critiques, or scored fresh completions in whole groups."""
    fresh = config.learns_from == "rollouts"
    return Needs(
        eats=() if fresh else (Critique,),
        fresh=fresh,
        scored=fresh,
        views=("teacher", "reference") if config.beta > 0 and config.grpo > 0 else ("teacher",),
        together=fresh,
        compares="group" if config.grpo > 0 else "",
        teacher_rate=config.teacher_rate,
    )


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each comment: the stored completion, and what the teacher reads beside its prompt.

    Raises InputError when there is no comment.
    """
    found = []
    for signal in signals:
        if not isinstance(signal, Critique):
            continue
        if not signal.text.strip():
            tools.left_out["comment without words"] += 1
            continue
        teacher = with_words(signal.prompt, COMMENTED, comment=signal.text.strip())
        found.append(Example((Row(signal.prompt, signal.completion, weight=signal.weight, teacher=teacher),)))
    if not found:
        raise InputError("sdpo: there is no comment to learn from. Give critiques, or set learns_from to rollouts.")
    return found


def choose(examples: Sequence[Example], config: Config, tools: Tools) -> list[Example]:
    """Return the fresh groups with what each row's teacher reads: the reward's reason, a better sibling, or both."""
    found = []
    for example in examples:
        best = max(example.rows, key=lambda row: -math.inf if math.isnan(row.score) else row.score)
        found.append(Example(tuple(_taught(row, best, config, tools) for row in example.rows)))
    return found


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominators, and GRPO's advantages if it has a share. Pure, no gradient."""
    taught_B, lengths_B = row_weights(batch), batch.completion_mask_BT.sum(-1)
    scalars = {
        "taught_tokens": float((taught_B * lengths_B).sum()),
        "taught_completions": float((taught_B * (lengths_B > 0)).sum()),
    }
    if config.grpo > 0:
        batch = grpo.targets(batch, _grpo(config))
    return replace(batch, scalars={**batch.scalars, **scalars})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), and its metrics.

    batch.weights_BK, its first column: how much each completion is taught, 0 where nothing was said of it.
    batch.scalars: see `targets`, and "max_new_tokens".
    """
    assert outputs.logprobs_BT is not None
    assert outputs.teacher_logprobs_BT is not None
    weight_B = row_weights(batch)
    mask_BT = batch.completion_mask_BT & (weight_B > 0)[:, None]
    logprobs_BT = masked(outputs.logprobs_BT, mask_BT)
    gap_BT = masked(outputs.teacher_logprobs_BT, mask_BT) - logprobs_BT.detach()
    if config.form == "kl":
        assert outputs.teacher_kl_BT is not None
        token_BT = masked(outputs.teacher_kl_BT, mask_BT)
    else:
        old_BT = logprobs_BT.detach() if batch.old_logprobs_BT is None else masked(batch.old_logprobs_BT, mask_BT)
        token_BT = -torch.exp(logprobs_BT - old_BT) * gap_BT
    share_B = _reduced(token_BT, mask_BT, batch, config) * weight_B.to(token_BT.dtype) * (1 - config.grpo)
    metrics = _metrics(outputs, mask_BT, gap_BT)
    if config.grpo > 0:
        grpo_B, more = grpo.loss(batch, outputs, _grpo(config))
        share_B, metrics = share_B + config.grpo * grpo_B, {**more, **metrics}
    return share_B, metrics


def _reduced(token_BT: Tensor, mask_BT: Tensor, batch: Batch, config: Config) -> Tensor:
    """As `per_completion`, by counts in which a completion counts as much as it is taught."""
    sums_B = masked_sum(token_BT, mask_BT)
    if config.normaliser == "token":
        return sums_B / (batch.scalars["taught_tokens"] or 1.0)
    completions = batch.scalars["taught_completions"] or 1.0
    if config.normaliser == "completion":
        return sums_B / mask_BT.sum(-1).clamp(min=1) / completions
    return sums_B / (completions * batch.scalars["max_new_tokens"])


def _metrics(outputs: Outputs, mask_BT: Tensor, gap_BT: Tensor) -> dict[str, Tensor]:
    taught_B = mask_BT.any(-1)

    def of_taught(values_B: Tensor) -> Tensor:
        return torch.where(taught_B, values_B, torch.nan)

    found = {
        "taught": taught_B.to(gap_BT.dtype),
        "teacher_gap": of_taught(masked_sum(gap_BT, mask_BT) / mask_BT.sum(-1)),
    }
    if outputs.teacher_kl_BT is not None:
        found["teacher_kl_nats"] = of_taught(masked_sum(outputs.teacher_kl_BT.detach(), mask_BT))
    return found


def _grpo(config: Config) -> grpo.Config:
    return grpo.Config(beta=config.beta, normaliser=config.normaliser)


def _taught(row: Row, best: Row, config: Config, tools: Tools) -> Row:
    teacher = row.prompt
    if row.reason.strip():
        teacher = with_words(teacher, COMMENTED, comment=row.reason.strip())
    if config.siblings == "best" and best.score > row.score:
        teacher = with_words(teacher, SHOWN, answer=best.completion.text.strip())
    if teacher == row.prompt:
        tools.left_out["fresh completion of which nothing was said"] += 1
        return replace(row, weight=0.0)
    return replace(row, teacher=teacher)

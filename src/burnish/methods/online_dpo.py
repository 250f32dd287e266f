"""Online DPO: draw several completions, let a reward or a judge say which of two is better, and learn from that pair.

    pair  = the best and the worst of the group            (pair="extremes"), or its first two (pair="first")
    p     = P(chosen better):  1 (labels="hard"),  sigma( (r(chosen) - r(rejected)) / scale ) (labels="soft"),
            or what the judge says (preference="judge")
    q     = p (1 - e) + (1 - p) e                                                        e = label_smoothing
    loss  = DPO on the pair, with q for its label

Sources: OAIF, Guo et al. 2024, arXiv 2402.04792; DPO, arXiv 2305.18290; iterative DPO, Xu et al. 2023, arXiv
2312.16682; conservative DPO: Mitchell, "A note on DPO with noisy preferences", 2023.

What is unusual: p is kept as a probability, so that two completions of nearly equal reward teach nearly nothing; a tie
is no pair under hard labels. A judge's answer is asked for the first two completions of each group, once.

Use it in place of `dpo` when the pairs at hand are far from what the policy now says. It fails on a reward that can be
pleased: the extremes of a group find its weak places first (watch gold against proxy), and "extremes" prefers whatever
the reward's noise prefers: with n completions its best is lucky as well as good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from burnish.examples import Example, Row, Tools, needed
from burnish.maths.batch import Batch, Outputs
from burnish.maths.rollouts import per_row
from burnish.methods import Needs, above, dpo, smooths
from burnish.records import Completion, Feedback

METRICS: Mapping[str, str] = {
    **dpo.METRICS,
    "kl_nats": "KL of the pair's completions to the reference, nats: settles near its target; a steady climb is drift.",
}


@dataclass(frozen=True)
class Config:
    """Settings of online DPO."""

    beta: float = 0.1
    """How dear distance from the reference is: logits per nat. Above 0; small moves far, large stays near."""
    pair: Literal["extremes", "first"] = "extremes"
    """Which two of a prompt's completions: extremes (best and worst of the reward), first (the first two)."""
    preference: Literal["reward", "judge"] = "reward"
    """Who says which is better; a judge is asked about the first two, whatever `pair` says."""
    labels: Literal["hard", "soft"] = "soft"
    """What a difference in reward becomes: soft (a probability), hard (1; a tie is no pair)."""
    scale: float = 1.0
    """Reward units that make a difference of one logit under soft labels. Above 0."""
    label_smoothing: float = 0.0
    """Share of labels that are thought to be flipped, in [0, 0.5): a reward or a judge errs too; 0 takes their word."""

    def __post_init__(self) -> None:
        above(self, beta=0, scale=0)
        smooths(self)


def needs(config: Config) -> Needs:
    """Fresh completions, at least two a prompt, a reward or a judge, and the reference's view."""
    return Needs(
        eats=(), fresh=True, scored=config.preference == "reward", views=("reference",), together=True, compares="group"
    )


def choose(examples: Sequence[Example], config: Config, tools: Tools) -> list[Example]:
    """Return a pair for each group, the one that is likelier to be better first; groups without one are counted."""
    if config.preference == "judge":
        return _judged(examples, tools)
    found: list[Example] = []
    for example in examples:
        scored = [row for row in example.rows if math.isfinite(row.score)]
        if config.pair == "extremes":
            scored = sorted(scored, key=lambda row: -row.score)
            scored = [scored[0], scored[-1]] if len(scored) > 1 else []
        two = sorted(scored[:2], key=lambda row: -row.score)
        if len(two) < 2 or two[0].completion.text == two[1].completion.text:
            tools.left_out["no two different scored completions"] += 1
        elif config.labels == "hard" and two[0].score == two[1].score:
            tools.left_out["a tie"] += 1
        else:
            gap = two[0].score - two[1].score
            p = 1.0 if config.labels == "hard" else probability(gap / config.scale)
            found.append(_pair(two[0], two[1], p))
    return found


def probability(logit: float) -> float:
    """Return sigma(logit), for a difference of any size."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else 1 - probability(-logit)


def first_is_better(said: Feedback | None, pair: Sequence[Completion]) -> float | None:
    """Return P(the first of the pair is better) after a comparison: 1, 0, 1/2 on a tie; None where nothing was said."""
    if said is None or "cannot_judge" in said.value:
        return None
    if "tie" in said.value:
        return 0.5
    return float(said.completion_ids[said.value["chosen"]] == pair[0].id)


def _judged(examples: Sequence[Example], tools: Tools) -> list[Example]:
    judge = needed(tools.judge, "a judge", "online_dpo")
    pairs = [example.rows[:2] for example in examples if len(example.rows) > 1]
    tools.left_out["no two completions"] += len(examples) - len(pairs)
    shown = [[row.completion for row in rows] for rows in pairs]
    found: list[Example] = []
    for rows, completions, said in zip(pairs, shown, judge.judge([r[0].prompt for r in pairs], shown), strict=True):
        p = first_is_better(said, completions)
        if p is None:
            tools.left_out["the judge gave no answer"] += 1
        else:
            found.append(_pair(rows[0], rows[1], p) if p >= 0.5 else _pair(rows[1], rows[0], 1 - p))
    return found


def _pair(chosen: Row, rejected: Row, p: float) -> Example:
    ranks = (0, 0) if p == 0.5 else (0, 1)
    margin = chosen.score - rejected.score
    pair = zip((chosen, rejected), ranks, strict=True)
    return Example(tuple(replace(row, rank=rank, probability=p, margin=margin) for row, rank in pair))


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]. Pure, no gradient."""
    return dpo.targets(batch, dpo.Config(beta=config.beta))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's mean loss, (B,); rows 2i and 2i+1 are chosen and rejected of pair i.

    batch.scalars["beta"], when a controller moves it, is how dear distance is (else config.beta).
    """
    beta = batch.scalars.get("beta", config.beta)
    share_B, metrics = dpo.loss(batch, outputs, dpo.Config(beta=beta, label_smoothing=config.label_smoothing))
    if outputs.kl_BT is not None:
        metrics["kl_nats"] = per_row(outputs.kl_BT, batch.completion_mask_BT, mean=False)
    return share_B, metrics

"""Online DPO: draw several completions, let a reward or a judge say which of two is better, and learn from that pair.

    pair  = the best and the worst of the group            (pair="extremes"), or its first two (pair="first")
    p     = P(chosen better):  1 (labels="hard"),  sigma( (r(chosen) - r(rejected)) / scale ) (labels="soft"),
            or what the judge says (preference="judge")
    q     = p (1 - e) + (1 - p) e                                                        e = label_smoothing
    loss  = DPO on the pair, with q for its label
            and in its log-ratios, with token_weight k,  sum_t w_t log( pi(y_t) / ref(y_t) ),
            w_t = exp( +- k (2q - 1) paid_t ), + of the chosen, - of the rejected, 1 where nothing is paid

Sources: OAIF, Guo et al. 2024, arXiv 2402.04792; DPO, arXiv 2305.18290; iterative DPO, Xu et al. 2023, arXiv
2312.16682; conservative DPO: Mitchell, "A note on DPO with noisy preferences", 2023; that the
sum of what tokens are paid, put into DPO, finds the best policy for the tokens' pay too: Rafailov et al. 2024, arXiv
2404.12358; log-ratios weighed by token: TIS-DPO, Liu et al. 2024, arXiv 2410.04350.

What is unusual: p is kept as a probability, so that two completions of nearly equal reward teach nearly nothing; a tie
is no pair under hard labels. A judge's answer is asked for the first two completions of each group, once. Where a
reward pays parts (steps, spans), a completion is worth their sum and what is paid at its end: that alone is exact.
Weights by token (`token_weight`) say besides which tokens it was; the optimum is then no longer quite that of reward
and KL. They fade with the label, so that a tie has none. What a reward only looked at (`Score.spans`) weighs nothing.

Use it in place of `dpo` when the pairs at hand are far from what the policy now says. It fails on a reward that can be
pleased: the extremes of a group find its weak places first (watch gold against proxy), and "extremes" prefers whatever
the reward's noise prefers: with n completions its best is lucky as well as good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.examples import Example, Row, Tools, needed
from burnish.maths import pairs
from burnish.maths.batch import Batch, Outputs
from burnish.maths.rollouts import per_row
from burnish.methods import Needs, above, dpo, smooths, within
from burnish.records import Completion, Feedback

METRICS: Mapping[str, str] = {
    **dpo.METRICS,
    "kl_nats": "KL of the pair's completions to the reference, nats: settles near its target; a steady climb is drift.",
}
MOST_NATS = 2.0
"""What a token's weight may change by: no token counts more than 7.4 times, or less than that part, of another's."""


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
    token_weight: float = 0.0
    """Nats that a token's weight changes by for a reward unit its part is paid (2 at most, of either sign); 0 weighs
    all alike, and only the sum of what is paid counts. From 0 up."""
    label_smoothing: float = 0.0
    """Share of labels that are thought to be flipped, in [0, 0.5): a reward or a judge errs too; 0 takes their word."""

    def __post_init__(self) -> None:
        above(self, beta=0, scale=0)
        within(self, token_weight=(0, math.inf))
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
            found.append(_pair(_labelled(two[0], config), _labelled(two[1], config), p))
    return found


def _labelled(row: Row, config: Config) -> Row:
    """Return the row with what its parts are paid as labels of their tokens, where tokens are weighed by it."""
    return replace(row, spans=row.token_rewards) if config.token_weight > 0 else row


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
    firsts = [example.rows[:2] for example in examples if len(example.rows) > 1]
    tools.left_out["no two completions"] += len(examples) - len(firsts)
    shown = [[row.completion for row in rows] for rows in firsts]
    found: list[Example] = []
    for rows, completions, said in zip(firsts, shown, judge.judge([r[0].prompt for r in firsts], shown), strict=True):
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
    if config.token_weight > 0:
        outputs = _weighed(outputs, _token_weights(batch, config))
    share_B, metrics = dpo.loss(batch, outputs, dpo.Config(beta=beta, label_smoothing=config.label_smoothing))
    if outputs.kl_BT is not None:
        metrics["kl_nats"] = per_row(outputs.kl_BT, batch.completion_mask_BT, mean=False)
    return share_B, metrics


def _token_weights(batch: Batch, config: Config) -> Tensor:
    """Return what each token's log-ratio counts, (B, T), in [exp(-2), exp(2)]; 1 where its part is paid nothing."""
    assert batch.token_labels_BT is not None
    lead_N = 2 * pairs.smoothed(batch, config.label_smoothing) - 1
    sure_B = torch.stack([lead_N, -lead_N], 1).reshape(-1, 1)  # of the chosen, and turned round of the rejected
    paid_BT = batch.token_labels_BT.nan_to_num(nan=0.0)
    return (config.token_weight * sure_B.to(paid_BT.dtype) * paid_BT).clamp(-MOST_NATS, MOST_NATS).exp()


def _weighed(outputs: Outputs, weight_BT: Tensor) -> Outputs:
    """Return the outputs with each token's log-ratio to the reference multiplied by its weight."""
    assert outputs.logprobs_BT is not None
    assert outputs.reference_logprobs_BT is not None
    weight_BT = weight_BT.to(outputs.logprobs_BT.dtype)
    return replace(
        outputs,
        logprobs_BT=weight_BT * outputs.logprobs_BT,
        reference_logprobs_BT=weight_BT * outputs.reference_logprobs_BT,
    )

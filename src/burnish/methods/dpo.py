"""DPO: learn from preferences without a reward model; the policy is its own, through its ratio to the reference.

    m    = beta * [ (log pi(c) - log ref(c)) - (log pi(r) - log ref(r)) ]            c chosen, r rejected
    loss = - q log sigma(m) - (1 - q) log sigma(-m)                                  weighted mean over pairs
    q    = p                                       p: the probability that people really prefer c
    q    = p (1 - e) + (1 - p) e                   smoothing="conservative", e = label_smoothing
    q    = (p - e) / (1 - 2e)                      smoothing="robust"

Sources: DPO, arXiv 2305.18290, equation 7; conservative DPO: Mitchell, "A note on DPO with noisy preferences", 2023;
robust DPO, arXiv 2403.00409 (unbiased when a share e of the labels is flipped).

What is unusual: p comes from how many people said what, as in `reward`; "robust" and "conservative" are the same loss
at another q, since the loss is linear in it. Robust's q may leave [0, 1]: then nothing holds the pair, and its loss
falls without end as the margin grows.

Use it when there are pairs and no time to sample: a step costs a forward and a backward pass, and a forward pass of the
reference. It fails when the pairs are far from what the policy says (it lowers both completions: watch `chosen_reward`
fall below 0 while `pair_accuracy` rises), and when chosen ones are longer (it learns length).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Tools, pairs_of
from burnish.maths import pairs
from burnish.maths.batch import Batch, Outputs
from burnish.maths.policy_loss import masked_sum
from burnish.maths.preference_loss import Smoothing, implicit_reward, smoothed, soft_bradley_terry
from burnish.methods import Needs, above
from burnish.records import Preference, Signal

METRICS: Mapping[str, str] = {
    "pair_accuracy": "Share of training pairs that the implied reward puts in people's order: rises from 0.5.",
    "margin": "Implied reward of the chosen minus that of the rejected: grows from 0.",
    "chosen_reward": "beta times the log-ratio of the chosen to the reference; below 0 it leaves what people chose.",
    "rejected_reward": "The same of the rejected: falls below 0.",
}


@dataclass(frozen=True)
class Config:
    """Settings of DPO."""

    beta: float = 0.1
    """How dear distance from the reference is: logits per nat. Above 0; small moves far, large stays near."""
    smoothing: Smoothing = "conservative"
    """What label_smoothing does: conservative (targets moved towards 1/2), robust (unbiased under flipped labels)."""
    label_smoothing: float = 0.0
    """Share of labels that are thought to be flipped, in [0, 0.5); 0 is plain DPO."""

    def __post_init__(self) -> None:
        above(self, beta=0)
        if not 0 <= self.label_smoothing < 0.5:
            raise InputError(f"label_smoothing: {self.label_smoothing} is not in [0, 0.5). Use 0 for plain DPO.")


def needs(config: Config) -> Needs:
    """Preferences whose two rows stay together, and the reference's view."""
    return Needs(eats=(Preference,), views=("reference",), together=True)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each pair; a ranking gives all its untied pairs, which share its weight."""
    return pairs_of(signals)


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]: the sum over pairs. Pure, no gradient."""
    return pairs.with_weight(batch)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's mean loss, (B,); rows 2i and 2i+1 are chosen and rejected of pair i.

    batch.probability_B: p, 1 without it. batch.weights_BK, its first column: weight of each pair, 1 without it.
    batch.scalars["weight"]: see `targets`.
    Raises ValueError when the two rows of a pair are not of one group: they came apart.
    """
    pairs.check(batch, "dpo")
    assert outputs.logprobs_BT is not None
    assert outputs.reference_logprobs_BT is not None
    mask_BT = batch.completion_mask_BT
    reward_B = implicit_reward(
        masked_sum(outputs.logprobs_BT, mask_BT), masked_sum(outputs.reference_logprobs_BT, mask_BT), config.beta
    )
    chosen_N, rejected_N = pairs.sides(reward_B)
    probability_N = pairs.probability(batch)
    q_N = smoothed(probability_N, config.label_smoothing, config.smoothing)
    loss_N = soft_bradley_terry(chosen_N, rejected_N, q_N)
    return pairs.shares(loss_N, batch), pairs.metrics(chosen_N, rejected_N, probability_N)

"""IPO: preferences with a squared loss, whose best policy stays near the reference even when all people agree.

    h    = log-ratio to the reference of the chosen  -  that of the rejected
           normaliser="sum":   of whole completions             log pi(y) - log ref(y)
           normaliser="mean":  of each completion by its length (log pi(y) - log ref(y)) / |y|
    loss = q (h - 1/(2 beta))^2 + (1 - q) (h + 1/(2 beta))^2                         weighted mean over pairs
    q    = p (1 - e) + (1 - p) e       p: the probability that people really prefer the chosen one, e = label_smoothing

Sources: Azar et al. 2023, arXiv 2310.12036, equation 17 (beta is tau there), which "sum" is to the letter and OpenRLHF
does; "mean" is what TRL does, with a note that the paper's authors did so in their experiments; conservative DPO, whose
smoothing this is: Mitchell, "A note on DPO with noisy preferences", 2023.

What is unusual: the two normalisations are named, since they are different losses: under "mean" the lead of 1/(2 beta)
is asked of every token, so that beta = 0.1 asks for 5 nats a token rather than 5 a completion; use about 1 there. A
label of probability q asks for a lead of (2q - 1)/(2 beta): a tie asks for none, and smoothing asks sure labels for
1 - 2e of theirs.

Use it in DPO's place when most pairs were judged once, or by judges that never disagree: DPO's margin then grows
without end. It fails when beta is not fitted to the length of the completions ("sum" moves long and short ones by the
same lead): watch `margin`, which should settle near (2q - 1)/2 and not pass it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from burnish.examples import Example, Tools, pairs_of
from burnish.maths import pairs
from burnish.maths.batch import Batch, Outputs
from burnish.maths.imitation import token_mean
from burnish.maths.policy_loss import masked_sum
from burnish.maths.preference_loss import identity_preference, implicit_reward
from burnish.methods import Needs, above, smooths
from burnish.records import Preference, Signal

METRICS: Mapping[str, str] = {
    "pair_accuracy": "Share of training pairs that the implied reward puts in people's order: rises from 0.5.",
    "margin": "beta times the chosen's lead over the rejected: grows from 0 to (2q - 1)/2, at most 0.5, and stays.",
    "chosen_reward": "beta times the log-ratio of the chosen to the reference; below 0 it leaves what people chose.",
    "rejected_reward": "The same of the rejected: falls below 0.",
}


@dataclass(frozen=True)
class Config:
    """Settings of IPO."""

    beta: float = 0.1
    """How dear distance from the reference is, 1/nats. Above 0; the chosen is to lead by 1/(2 beta) nats."""
    normaliser: Literal["sum", "mean"] = "sum"
    """Whose lead it is: sum (of whole completions, the paper and OpenRLHF), mean (of each token, TRL)."""
    label_smoothing: float = 0.0
    """Share of labels that are thought to be flipped, in [0, 0.5); 0 is plain IPO."""

    def __post_init__(self) -> None:
        above(self, beta=0)
        smooths(self)


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
    pairs.check(batch, "ipo")
    assert outputs.logprobs_BT is not None
    assert outputs.reference_logprobs_BT is not None
    whole = masked_sum if config.normaliser == "sum" else token_mean
    mask_BT = batch.completion_mask_BT
    log_ratio_B = implicit_reward(whole(outputs.logprobs_BT, mask_BT), whole(outputs.reference_logprobs_BT, mask_BT), 1)
    chosen_N, rejected_N = pairs.sides(log_ratio_B)
    q_N = pairs.smoothed(batch, config.label_smoothing)
    loss_N = identity_preference(chosen_N - rejected_N, q_N, config.beta)
    return pairs.shares(loss_N, batch), pairs.metrics(config.beta * chosen_N, config.beta * rejected_N, q_N)

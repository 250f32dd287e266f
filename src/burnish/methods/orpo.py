"""ORPO: imitation and preference in one loss, without a reference: the odds of the chosen against the rejected.

    P(y) = exp( log pi(y) / |y| )                        the geometric mean of its tokens' probabilities
    odds = P / (1 - P)
    loss = - log pi(c) / |c|  -  beta * log sigma( log odds(c) - log odds(r) )    where people surely prefer c
    and  p loss(c, r) + (1 - p) loss(r, c)  where they do so with probability p;  weighted mean over pairs

Sources: Hong et al. 2024, arXiv 2403.07691, equations 4 to 7 (beta is lambda there).

What is unusual: the imitated part is of the completion alone and the mean over its own tokens (TRL imitates the
prompt too and divides by the tokens of a batch), so that a pair's loss depends on that pair alone; and an
uncertain label imitates both completions, each as far as people prefer it.

Use it to go from an untuned model to preferences in one stage. It fails when the chosen completions are merely the
lesser evil, since it imitates them, and when the odds' part is drowned: with beta = 0.1 its gradient is an order below
the imitation's. Watch `margin`: if it stays at 0 while `nll` falls, the run is plain sft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from burnish.examples import Example, Tools, pairs_of
from burnish.maths import pairs
from burnish.maths.batch import Batch, Outputs
from burnish.maths.imitation import mean_nll, token_mean
from burnish.maths.preference_loss import log_odds, soft_bradley_terry
from burnish.methods import Needs, above, smooths
from burnish.records import Preference, Signal

METRICS: Mapping[str, str] = {
    "pair_accuracy": "Share of training pairs whose chosen one has the likelier tokens: rises, often from below 0.5.",
    "margin": "Log-odds of the chosen minus those of the rejected, logits: grows from about 0.",
    "chosen_reward": "Log-odds of the chosen completion, per token: rises.",
    "rejected_reward": "The same of the rejected: first rises with the chosen's, then falls.",
    "nll": "Mean negative log-likelihood of a chosen token, nats: falls as in sft.",
}


@dataclass(frozen=True)
class Config:
    """Settings of ORPO."""

    beta: float = 0.1
    """Weight of the odds' part beside the imitation's 1. Above 0."""
    label_smoothing: float = 0.0
    """Share of the labels taken to be wrong, in [0, 0.5): p becomes p (1 - e) + (1 - p) e; 0 takes them as they are."""

    def __post_init__(self) -> None:
        smooths(self)
        above(self, beta=0)


def needs(config: Config) -> Needs:
    """Preferences whose two rows stay together, and no reference."""
    return Needs(eats=(Preference,), together=True)


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
    pairs.check(batch, "orpo")
    assert outputs.logprobs_BT is not None
    mask_BT = batch.completion_mask_BT
    logprob_B = token_mean(outputs.logprobs_BT, mask_BT)
    odds_B = log_odds(logprob_B)
    chosen_N, rejected_N = pairs.sides(odds_B)
    probability_N = pairs.smoothed(batch, config.label_smoothing)
    compared_N = soft_bradley_terry(chosen_N, rejected_N, probability_N)
    loss_N = config.beta * compared_N - pairs.expected(*pairs.sides(logprob_B), probability_N)
    nll_N = mean_nll(outputs.logprobs_BT, mask_BT)[0::2]
    metrics = pairs.metrics(chosen_N, rejected_N, probability_N)
    return pairs.shares(loss_N, batch), {**metrics, "nll": nll_N.repeat_interleave(2)}

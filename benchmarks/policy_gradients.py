"""How wrong and how noisy is each policy gradient? Exactly: every window of two completions, with its probability.

python benchmarks/policy_gradients.py [--seeds 5] [--beta 0.2]

A table of logits says every completion of at most two tokens out of four (13 of them). For each method the gradient of
its loss is taken on all 169 windows of two completions, so that mean and variance of the gradient are sums, not
estimates. Printed, in the mean over seeds, as shares of the true gradient's length, after the best common factor
(lengths differ by what each method divides by, which a learning rate takes up):

bias     how far the mean gradient is from the direction of the true one; the truth is the gradient of
         mean reward - beta * KL(policy || reference) of whole completions
noise    root mean square distance of a window's gradient from that mean
windows  how many must be averaged until their noise is as long as the true gradient: noise^2
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from burnish.examples import Example, Row
from burnish.methods import Needs, a2c, grpo, ppo, reinforce, rloo
from burnish.models.table import TablePolicy
from burnish.records import Prompt
from burnish.training.window import window

PROMPT = Prompt.of("a")
VOCABULARY, LONGEST = 4, 2
MEAN_REWARD = 2.0  # rewards are seldom centred; a method without a baseline pays for it


@dataclass(frozen=True)
class Case:
    """A method with settings, and what its value head knows: 1 all, 0 nothing."""

    method: ModuleType
    settings: dict[str, Any]
    values: float = 1.0
    together: bool = False


KEPT = {"truncated": "keep"}  # the longest completions here end at the limit: that is no fault
CASES = {
    "reinforce, no baseline": Case(reinforce, {"baseline": "none"}),
    "reinforce, running mean": Case(reinforce, {"baseline": "running"}),
    "reinforce, the other completion": Case(reinforce, {"baseline": "batch"}),
    "reinforce, exact values": Case(reinforce, {"baseline": "value", "value_weight": 0.0}),
    "rloo": Case(rloo, {}, together=True),
    "rloo, KL in the loss": Case(rloo, {"kl_in": "loss"}, together=True),
    "grpo": Case(grpo, {**KEPT}, together=True),
    "grpo, divided by the std": Case(grpo, {**KEPT, "scale": "std"}, together=True),
    "grpo, divided by each length": Case(grpo, {**KEPT, "normaliser": "completion"}, together=True),
    "grpo, k3": Case(grpo, {**KEPT, "kl": "k3"}, together=True),
    "a2c, trace 1, exact values": Case(a2c, {"trace": 1.0, "value_weight": 0.0}),
    "a2c, trace 0, exact values": Case(a2c, {"trace": 0.0, "value_weight": 0.0}),
    "a2c, trace 1, no values yet": Case(a2c, {"trace": 1.0, "value_weight": 0.0}, values=0.0),
    "a2c, trace 0, no values yet": Case(a2c, {"trace": 0.0, "value_weight": 0.0}, values=0.0),
    "ppo, exact values": Case(ppo, {"value_weight": 0.0, "normaliser": "constant"}),
    "ppo, exact values, not whitened": Case(ppo, {"value_weight": 0.0, "normaliser": "constant", "whiten": False}),
}


class World:
    """A policy away from its reference, a reward for all it can say, and what each beginning is worth."""

    def __init__(self, seed: int, beta: float) -> None:
        self.policy = TablePolicy([PROMPT], vocabulary=VOCABULARY, longest=LONGEST, heads={"value": 1}, seed=seed)
        self.logits = self.policy.tables["logits"]
        self.every = list(self.policy.completions())
        generator = torch.Generator().manual_seed(seed)
        self.rewards = MEAN_REWARD + torch.randn(len(self.every), generator=generator, dtype=torch.float64)
        self.logits.data += 0.7 * torch.randn(self.logits.shape, generator=generator, dtype=torch.float64)
        now = self.policy.probabilities(PROMPT)
        ratio = now.log() - self.policy.probabilities(PROMPT, reference=True).log()
        self.true = torch.autograd.grad((now * (self.rewards - beta * ratio)).sum(), self.logits)[0]
        self.chances = now.detach()
        self.mean_reward = float(self.chances @ self.rewards)

    def know(self, share: float, beta: float) -> None:
        """Set the value head to this share of what is to be expected after each beginning."""
        log_p, log_q = self.logits.detach().log_softmax(-1), self.policy.reference_SV.log_softmax(-1)
        paid = dict(zip(self.every, self.rewards.tolist(), strict=True))
        worth: dict[tuple[int, ...], float] = {}
        for (_, begun), node in sorted(self.policy._node.items(), key=lambda item: -len(item[0][1])):
            after = [paid.get((*begun, t), worth.get((*begun, t), 0.0)) for t in range(VOCABULARY)]
            goes_on = torch.tensor(after, dtype=torch.float64) - beta * (log_p[node] - log_q[node])
            worth[begun] = float(log_p[node].exp() @ goes_on)
            self.policy.tables["value"].data[node] = share * worth[begun]

    def gradient(self, case: Case, config: Any, pair: tuple[int, int]) -> Tensor:
        """Return the gradient of the method's loss on a window of these two completions."""
        rows = [
            Row(PROMPT, self.policy.completion(PROMPT, self.every[i]), score=float(self.rewards[i]), fresh=True)
            for i in pair
        ]
        examples = [Example(tuple(rows))] if case.together else [Example((row,)) for row in rows]
        batch, slices = window(
            self.policy, examples, Needs(eats=(), together=True), rows_per_slice=2, max_new_tokens=LONGEST, seed=0
        )
        outputs = self.policy.outputs(slices[0].inputs, reference=True)
        batch = replace(batch, scalars={**batch.scalars, "baseline": self.mean_reward}, **_views(outputs))
        share_B, _ = case.method.loss(case.method.targets(batch, config), outputs, config)
        return -torch.autograd.grad(share_B.sum(), self.logits)[0]


def _views(outputs: Any) -> dict[str, Tensor]:
    names = {"old_logprobs_BT": "logprobs_BT", "old_values_BT": "values_BT"}
    named = {**names, "reference_logprobs_BT": "reference_logprobs_BT"}
    return {field: getattr(outputs, read).detach() for field, read in named.items()}


def measured(seed: int, beta: float, case: Case) -> tuple[float, float]:
    """Return (bias, noise), as shares of the true gradient's length."""
    world = World(seed, beta)
    world.know(case.values, beta)
    config = case.method.Config(**{"beta": beta, **case.settings})
    every = range(len(world.every))
    pairs = [(i, j) for i in every for j in every]
    gradients = torch.stack([world.gradient(case, config, pair) for pair in pairs]).flatten(1)
    chances = torch.stack([world.chances[i] * world.chances[j] for i, j in pairs])
    true = world.true.flatten()
    mean = chances @ gradients
    factor = (true @ mean) / (mean @ mean)  # the learning rate's business
    noise = (chances @ (gradients - mean).square().sum(-1)).sqrt()
    return float((factor * mean - true).norm() / true.norm()), float(factor * noise / true.norm())


def main(say: Callable[[str], None] = print) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--beta", type=float, default=0.2)
    args = parser.parse_args()
    say(f"| estimator, two completions a window, {args.seeds} worlds, beta {args.beta} | bias | noise | windows |")
    say("|---|---|---|---|")
    for name, case in CASES.items():
        found = torch.tensor([measured(seed, args.beta, case) for seed in range(args.seeds)])
        bias, noise = found.mean(0).tolist()
        say(f"| {name} | {bias:.3f} | {noise:.1f} | {noise**2:.0f} |")


if __name__ == "__main__":
    main()

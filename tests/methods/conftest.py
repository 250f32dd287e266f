"""A world small enough to know everything about: every completion to one prompt, its probability and its reward."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from burnish.examples import Example, Row, Tools
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs
from burnish.models.table import TablePolicy
from burnish.records import Completion, Prompt, Sampling, Score
from burnish.training.optimiser import Optimiser, OptimiserConfig
from burnish.training.window import window

DOUBLE = torch.float64


class World:
    """A table as policy, and a reward for each of the completions it can say."""

    def __init__(self, *, vocabulary: int = 4, longest: int = 3, heads: dict[str, int] | None = None, seed: int = 0):
        self.prompt = Prompt.of("a")
        self.policy = TablePolicy([self.prompt], vocabulary=vocabulary, longest=longest, heads=heads, seed=seed)
        self.tokens = list(self.policy.completions())
        generator = torch.Generator().manual_seed(seed + 1)
        self.rewards = torch.randn(len(self.tokens), generator=generator, dtype=DOUBLE)
        logits = self.policy.tables["logits"]  # away from the reference, so that there is a divergence to charge
        logits.data += 0.5 * torch.randn(logits.shape, generator=generator, dtype=DOUBLE)

    @property
    def logits(self) -> Tensor:
        return self.policy.tables["logits"]

    def row(self, number: int, **more: Any) -> Row:
        more = {"score": float(self.rewards[number]), "fresh": True, **more}
        return Row(self.prompt, self.policy.completion(self.prompt, self.tokens[number]), **more)

    def window(self, groups: Sequence[Sequence[Row]]) -> tuple[Batch, Outputs]:
        """Return the rows as the trainer would encode them, all views filled, and what the policy says of them."""
        examples = [Example(tuple(rows)) for rows in groups]
        batch, slices = window(
            self.policy, examples, Needs(eats=(), together=True), rows_per_slice=10**6, max_new_tokens=4, seed=0
        )
        outputs = self.policy.outputs(slices[0].inputs, reference=True)
        assert outputs.logprobs_BT is not None
        assert outputs.reference_logprobs_BT is not None
        return dataclasses.replace(
            batch,
            old_logprobs_BT=outputs.logprobs_BT.detach(),
            old_values_BT=None if outputs.values_BT is None else outputs.values_BT.detach(),
            reference_logprobs_BT=outputs.reference_logprobs_BT.detach(),
            slow_values_BT=None if outputs.values_BT is None else outputs.values_BT.detach(),
            slow_q_BTKV=None if outputs.q_BTKV is None else outputs.q_BTKV.detach(),  # a copy that is not slow at all
        ), outputs

    def everything(self) -> tuple[Batch, Outputs]:
        """Return every completion once, each an example of its own."""
        return self.window([[self.row(number)] for number in range(len(self.tokens))])

    def chances(self) -> Tensor:
        """Return the probability of every completion, with gradient."""
        return self.policy.probabilities(self.prompt)

    def divergence(self) -> Tensor:
        """Return KL(policy || reference) of whole completions, with gradient."""
        p, q = self.chances(), self.policy.probabilities(self.prompt, reference=True)
        return (p * (p.log() - q.log())).sum()

    def best_of_both(self, beta: float) -> Tensor:
        """Return the policy with the most reward less beta * divergence, as chances of all completions."""
        tilted = self.policy.probabilities(self.prompt, reference=True) * torch.exp(self.rewards / beta)
        return (tilted / tilted.sum()).detach()

    def become(self, chances: Tensor) -> None:
        """Make the policy, not its reference, say completions with these chances."""
        weights = torch.zeros_like(self.logits)
        for tokens, chance in zip(self.tokens, chances, strict=True):
            for place, token in enumerate(tokens):
                weights[self.policy._node[self.prompt.id, tokens[:place]], token] += chance
        self.logits.data.copy_(weights.log())

    def worth(self, values: Tensor) -> dict[tuple[int, ...], float]:
        """Return the mean of these values over completions that go on from each beginning; the whole ones' too."""
        p = self.chances().detach()
        begun = {tokens[:place] for tokens in self.tokens for place in range(len(tokens) + 1)}
        below = {b: torch.tensor([tokens[: len(b)] == b for tokens in self.tokens]) for b in begun}
        return {b: float((p * values)[which].sum() / p[which].sum()) for b, which in below.items()}

    def gradient(self, value: Tensor, of: str = "logits") -> Tensor:
        return torch.autograd.grad(value, self.policy.tables[of], retain_graph=True)[0]

    def expected(self, method: Any, config: Any, change: Callable[[Batch], Batch] = lambda batch: batch) -> Tensor:
        """Return the method's loss as its mean over all completions the policy can say, one at a time."""
        batch, outputs = self.everything()
        batch = method.targets(change(batch), config)
        count = batch.scalars["completions"]
        share_B, _ = method.loss(batch, outputs, config)
        return (self.chances().detach() * share_B).sum() * count

    def expected_in_pairs(self, method: Any, config: Any) -> Tensor:
        """The same for methods that compare: its mean over all pairs of completions that the policy can say."""
        everyone = range(len(self.tokens))
        batch, outputs = self.window([[self.row(i), self.row(j)] for i in everyone for j in everyone])
        batch = method.targets(batch, config)
        share_B, _ = method.loss(batch, outputs, config)
        p = self.chances().detach()
        return (torch.outer(p, p).reshape(-1).repeat_interleave(2) * share_B).sum() * batch.scalars["completions"] / 2

    # ------------------------------------------------------------------------------------------------- as tools

    def value_of(self, completion: Completion) -> float:
        return float(self.rewards[self.tokens.index(completion.token_ids)])

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """The world as a `Reward`."""
        return [Score(p, c, self.value_of(c)) for p, c in zip(prompts, completions, strict=True)]

    def drawn(self, n: int, *, seed: int, method: Any = None, config: Any = None) -> Example:
        """Return a group of n fresh, scored completions, drawn as the method draws them."""
        draws = getattr(method, "behaviour", getattr(method, "act", None))
        act = functools.partial(draws, config=config) if draws else None
        (group,) = self.policy.sample([self.prompt], Sampling(), n=n, seed=seed, act=act)
        return Example(tuple(Row(self.prompt, c, score=self.value_of(c), fresh=True) for c in group))

    def tools(self, **more: Any) -> Tools:
        return Tools(**{"sampler": self.policy.sampler(), "policy": self.policy.sampler(), "reward": self, **more})

    def learn(
        self, method: Any, config: Any, *, steps: int, n: int = 16, rate: float = 0.3, tools: Tools | None = None
    ) -> float:
        """Take steps on drawn completions; return the expected reward afterwards."""
        settings = OptimiserConfig(rate, warmup_steps=0, max_grad_norm=0.0)
        optimiser = Optimiser(self.policy.parameters(), settings)
        for step in range(steps):
            groups = [self.drawn(n, seed=step, method=method, config=config)]
            if hasattr(method, "choose"):
                groups = method.choose(groups, config, dataclasses.replace(tools or self.tools(), seed=1000 + step))
            if not groups:
                continue
            batch, outputs = self.window([group.rows for group in groups])
            method.loss(method.targets(batch, config), outputs, config)[0].sum().backward()
            optimiser.step(rate)
        return self.mean_reward()

    def mean_reward(self) -> float:
        return float((self.chances().detach() * self.rewards).sum())


@pytest.fixture
def world() -> type[World]:
    return World


@pytest.fixture
def twin() -> Callable[[Any], Any]:
    """The method with the sign of its loss turned round: what must not learn."""

    def turned(method: Any) -> Any:
        found = types.SimpleNamespace(**vars(method))

        def loss(batch: Batch, outputs: Outputs, config: Any) -> tuple[Tensor, dict[str, Tensor]]:
            share_B, metrics = method.loss(batch, outputs, config)
            return -share_B, metrics

        found.loss = loss
        return found

    return turned

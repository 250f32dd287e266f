"""What is drawn through `act` is what the trainer reads: the same log-probs, on every kind of small model."""

from __future__ import annotations

import functools

import pytest
import torch

from burnish.examples import Row
from burnish.methods import dqn
from burnish.models.headed import HeadedPolicy
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, Sampling

DRAWN = Sampling(max_new_tokens=6)
SOFT = dqn.Config(backup="soft", temperature=0.5)


@pytest.fixture
def network(speaker) -> HeadedPolicy:
    """Trained weights that have moved, and heads that say something."""
    speaker.adapt(TuningConfig("full"))
    network = HeadedPolicy(speaker, heads={"q": 1}, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def furthest(network: HeadedPolicy, found: list[list[Completion]], prompts, logprobs_of) -> float:
    """Return how far the sampler's log-probs are from what `logprobs_of` makes of the trainer's outputs, at most."""
    rows = [Row(p, c, fresh=True) for p, group in zip(prompts, found, strict=True) for c in group]
    width = max(len(row.completion.token_ids) for row in rows)
    with torch.no_grad():
        read_BT = logprobs_of(network.outputs(network.inputs(rows, width), reference=True), rows)
    said = [torch.tensor(row.completion.logprobs) for row in rows]
    return max(float((read - each).abs().max()) for read, each in zip(read_BT, said, strict=True))


def cut(values_BT, rows) -> list[torch.Tensor]:
    return [values[: len(row.completion.token_ids)] for values, row in zip(values_BT, rows, strict=True)]


def test_the_policy_s_own_logits(network, prompts):
    found = network.sampler(lambda says: says.logits_BV).sample(prompts[:2], DRAWN, n=3, seed=3)
    assert furthest(network, found, prompts[:2], lambda read, rows: cut(read.logprobs_BT, rows)) < 1e-4


def test_values_of_a_head(network, prompts):
    found = network.sampler(functools.partial(dqn.act, config=SOFT)).sample(prompts[:2], DRAWN, n=3, seed=3)

    def of_values(read, rows):
        chances_BTV = (read.q_BTKV[:, :, 0] / SOFT.temperature).log_softmax(-1)
        tokens = [torch.tensor(row.completion.token_ids) for row in rows]
        known = zip(cut(chances_BTV, rows), tokens, strict=True)
        return [chances.gather(1, ids[:, None])[:, 0] for chances, ids in known]

    assert furthest(network, found, prompts[:2], of_values) < 1e-4


@pytest.mark.parametrize("who", ["logprobs_BT", "reference_logprobs_BT"])
def test_beside_the_untouched_model(network, prompts, who):
    """The loop that reads both anew for every token."""
    act = (lambda says: says.logits_BV) if who == "logprobs_BT" else (lambda says: says.reference_logits_BV)
    found = network.sampler(act, reference=True).sample(prompts[:2], DRAWN, n=3, seed=3)
    assert furthest(network, found, prompts[:2], lambda read, rows: cut(getattr(read, who), rows)) < 1e-4

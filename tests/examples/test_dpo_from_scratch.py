"""examples/dpo_from_scratch.py: trained beside the library's DPO it comes to the same weights; and it learns."""

from __future__ import annotations

import copy
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import torch

from burnish.maths.batch import Batch, Outputs
from burnish.methods import dpo

PATH = Path(__file__).resolve().parents[2] / "examples" / "dpo_from_scratch.py"
SPEC = importlib.util.spec_from_file_location("dpo_from_scratch", PATH)
example = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = example
SPEC.loader.exec_module(example)

SETTINGS = example.Settings(pairs=40, people=5, pairs_per_step=16, learning_rate=0.01)


def a_start(dtype=torch.float64):
    torch.manual_seed(3)
    generator = torch.Generator().manual_seed(3)
    model = example.Model(width=16)
    return model.to(dtype), example.ask_people(model, SETTINGS.pairs, SETTINGS.people, generator)


def trained_by_the_library(model, preferences, steps, s, seed=0):
    """`example.train`, line by line, with the library's loss in place of its own."""
    config = dpo.Config(beta=s.beta)
    generator = torch.Generator().manual_seed(seed)
    reference = copy.deepcopy(model).requires_grad_(False)
    policy = copy.deepcopy(model)
    optimiser = torch.optim.Adam(policy.parameters(), lr=s.learning_rate)
    for _ in range(steps):
        order = torch.randperm(len(preferences.probability_N), generator=generator)[: s.pairs_per_step]
        few = example.some(preferences, order)
        batch = Batch(
            completion_mask_BT=few.rows.mask_BT,
            group_B=torch.arange(len(few.probability_N)).repeat_interleave(2),
            probability_B=few.probability_N.repeat_interleave(2),
        )
        outputs = Outputs(
            logprobs_BT=example.logprobs(policy, few.rows), reference_logprobs_BT=example.logprobs(reference, few.rows)
        )
        loss = dpo.loss(dpo.targets(batch, config), outputs, config)[0].sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return policy


def test_the_tutorial_and_the_library_come_to_the_same_weights():
    model, preferences = a_start()
    assert 0.5 < float(preferences.probability_N.mean()) < 1  # people disagree, so that the share matters
    mine = example.train(model, preferences, steps=5, s=SETTINGS, quiet=True)
    theirs = trained_by_the_library(model, preferences, steps=5, s=SETTINGS)
    for (name, one), other in zip(mine.named_parameters(), theirs.named_parameters(), strict=True):
        assert torch.allclose(one, other[1], rtol=0, atol=1e-9), name


def test_weights_that_were_trained_otherwise_are_found():
    model, preferences = a_start()
    mine = example.train(model, preferences, steps=5, s=SETTINGS, quiet=True)
    other = trained_by_the_library(model, preferences, steps=5, s=replace(SETTINGS, beta=0.31))
    assert not torch.allclose(mine.head.weight, other.head.weight, rtol=0, atol=1e-6)


def test_taste_by_hand():
    assert example.taste([2, 5, 9, example.END]) == 2
    assert example.taste([2, 5, 5, 1, example.END]) == -1
    assert example.taste([4]) == 0


def test_it_learns():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    before = example.pretrained(generator, steps=50)
    after = example.train(before, example.ask_people(before, 300, 9, generator), 40, example.Settings(), quiet=True)

    def liked(model):
        rows = example.sample(model, 400, torch.Generator().manual_seed(1))
        return sum(map(example.taste, example.texts(rows))) / 400

    assert liked(after) > liked(before) + 0.5

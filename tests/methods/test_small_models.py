"""Every method takes two steps on a model made from nothing, as on SmolLM2 (`tests/loop/test_train_real.py`)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from burnish import methods
from burnish.models import small
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, Critique, Demonstration, Preference, Prompt, Sampling, Score, Signal, Span
from burnish.rewards import make
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.partners import partnership
from burnish.training.steps import StepConfig

TEXTS = ["What is red?", "A rose is red.", "What is blue?", "The sky is blue and wide.", "Say what it is about."]
SAMPLING = Sampling(max_new_tokens=6)
SHORT = CourseConfig(steps=2, examples_per_step=2, prompts_per_step=2, group=2)
HOW = {"optimiser": OptimiserConfig(learning_rate=1e-3), "walk": StepConfig(rows_per_slice=4), "seed": 0}
SETTINGS = {"seqgan": {"rollouts": 2, "every": 3}, "star": {"right": 0.0}}
"""16 rollouts at every token would be 320 a step; and what an untrained model says is never right, if not all of it."""
FAMILIES = ("sft", "reward", "grpo", "ppo", "ilql", "dpo", "ilf", "seqgan")
"""One of each kind of method; whatever else they share, every model is asked by the same calls."""
CASES = [("gru", name) for name in methods.names()]
CASES += [(kind, name) for kind in ("lstm", "encoder_decoder") for name in FAMILIES]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    where = {kind: tmp_path_factory.mktemp(kind) for kind in ("gru", "lstm", "encoder_decoder")}
    for kind, folder in where.items():
        small.make(folder, kind=kind, texts=TEXTS, vocabulary=280, hidden=16, layers=1, seed=1)
    return where


def signals() -> list[Signal]:
    """Four texts as everything that a method may eat."""
    found: list[Signal] = []
    for number in range(4):
        prompt = Prompt.of(f"What is {number % 2}?", reference=TEXTS[1])
        completion, other = Completion(prompt.id, TEXTS[number]), Completion(prompt.id, TEXTS[(number + 2) % 5])
        spans = (Span(0, 5, severity=0.5),)
        found += [
            Demonstration(prompt, completion),
            Demonstration(Prompt(()), Completion(Prompt(()).id, TEXTS[number])),
            Score(prompt, completion, float(number % 3), variance=0.1, spans=spans),
            Preference(prompt, (completion, other), (0, 1), probability=0.8),
            Critique(prompt, completion, "It should say what.", spans=spans, revision=other.text),
        ]
    return found


class Writer:
    """Writes refinements: another text each time. In six tokens an untrained model finishes no sentence."""

    def sample(self, prompts, sampling, *, n=1, seed=0, run="", round=0):
        place = {p.id: i + (len(p.text) > 200) for i, p in enumerate(prompts)}  # asked to revise, it says another one
        return [[Completion(p.id, TEXTS[(place[p.id] + k) % len(TEXTS)]) for k in range(n)] for p in prompts]


def network(folder: Path, needs: methods.Needs) -> HeadedPolicy:
    policy = Policy.load(folder)
    policy.adapt(TuningConfig("full"))
    return HeadedPolicy(policy, heads=needs.heads, speaks=needs.policy, sampling=SAMPLING, max_tokens=96)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_it_takes_two_steps(kind, name, folders):
    module = methods.load(name)
    config = module.Config(**SETTINGS.get(name, {}))
    needs = module.needs(config)
    given = Material(
        signals=signals(),
        prompts=[Prompt.of(f"What is {number}?", reference="") for number in range(2)],
        reward=make("length:10-40") if needs.scored else None,
        refiner=Writer(),
        sampling=SAMPLING,
    )
    mine, partner = network(folders[kind], needs), None
    if needs.partner:
        partner = partnership(
            mine, module, config, given, SHORT, make=lambda wanted: network(folders[kind], wanted), **HOW
        )
        given = partner.given
    course = Course(mine, module, config, given, SHORT, **HOW)
    if partner:
        partner.meet(course)
    before = {key: tensor.detach().clone() for key, tensor in mine.parameters().items()}
    learned = 0.0
    for _ in range(2):
        if partner:
            partner.advance()
        told = course.advance()
        assert math.isfinite(told.get("loss", 0.0))
        learned += told["examples"]
    assert learned > 0, "nothing was learned from: the test would show nothing"
    assert any(not tensor.equal(before[key]) for key, tensor in mine.parameters().items())

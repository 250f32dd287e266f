"""Every method takes two steps on SmolLM2-135M-Instruct and texts that real people rated."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from burnish import corpora, methods
from burnish.corpora import ratings
from burnish.errors import UnreachableError
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, Critique, Demonstration, Preference, Prompt, Sampling, Score, Span
from burnish.rewards import make
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.partners import partnership
from burnish.training.steps import StepConfig

pytestmark = pytest.mark.real_model
NAMES = methods.names()
SMALL = CourseConfig(steps=2, examples_per_step=2, prompts_per_step=2, group=2)
SAMPLING = Sampling(max_new_tokens=6)
WRITTEN = ("constitution", "ilf")
"""Methods that ask a model to write anew."""
LIGHT = {"seqgan": {"rollouts": 2, "every": 3}}
"""Settings that change how often something is done here, not what: 16 rollouts at every token are 320 a step."""


@pytest.fixture(scope="module")
def model() -> Policy:
    try:
        return Policy.load(Path(corpora.resolve("smollm2-135m")), name="smollm2-135m", dtype="bfloat16")
    except UnreachableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def signals():
    """Four texts of the movie set with their mean rating, as everything a method may eat."""
    try:
        texts = [each for each in ratings.load() if each.set == "movie" and len(each.text) < 90][:4]
    except UnreachableError as error:
        pytest.skip(str(error))
    found = []
    for number, each in enumerate(texts):
        prompt = Prompt.of(f"Write a review of film number {number % 2}.", reference=texts[0].text)
        completion = Completion(prompt.id, each.text)
        other = Completion(prompt.id, texts[(number + 2) % 4].text)
        mean = sum(each.ratings) / len(each.ratings)
        span = Span(0, 5, severity=0.5)
        words = "It should say what it is about."
        found += [
            Demonstration(prompt, completion),
            Demonstration(Prompt(()), Completion(Prompt(()).id, each.text)),
            Score(prompt, completion, mean, variance=0.1, spans=(span,)),
            Preference(prompt, (completion, other), (0, 1), probability=0.8),
            Critique(prompt, completion, words, spans=(span,), revision=other.text),
        ]
    return found


class Writer:
    """Writes refinements: one more rated text each time. In six tokens the model itself finishes no sentence."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def sample(self, prompts, sampling, *, n=1, seed=0, run="", round=0):
        place = {p.id: i + (len(p.text) > 200) for i, p in enumerate(prompts)}  # asked to revise, it says another one
        return [[Completion(p.id, self.texts[(place[p.id] + k) % len(self.texts)]) for k in range(n)] for p in prompts]


def network(model: Policy, needs: methods.Needs) -> HeadedPolicy:
    policy = Policy(model.model, model.tokenizer, name=model.name, dtype=model.dtype)
    policy.adapt(TuningConfig(rank=4), seed=1)
    return HeadedPolicy(policy, heads=needs.heads, speaks=needs.policy, sampling=SAMPLING, max_tokens=96)


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_two_steps_on_a_real_model(name, model, signals):
    module = methods.load(name)
    config = module.Config(**LIGHT.get(name, {}))
    needs = module.needs(config)
    asked = [prompt for prompt in {s.prompt.id: s.prompt for s in signals}.values() if prompt.messages]
    given = Material(
        signals=signals,
        prompts=asked,
        reward=make("length:10-40") if needs.scored else None,
        refiner=Writer([s.completion.text for s in signals if isinstance(s, Demonstration)])
        if name in WRITTEN
        else None,
        sampling=SAMPLING,
    )
    how = {"optimiser": OptimiserConfig(learning_rate=1e-3), "walk": StepConfig(rows_per_slice=4), "seed": 0}
    mine = network(model, needs)
    partner = None
    try:
        if needs.partner:
            partner = partnership(
                mine, module, config, given, SMALL, make=lambda wanted: network(another(model), wanted), **how
            )
            given = partner.given
        course = Course(mine, module, config, given, SMALL, **how)
        if partner:
            partner.meet(course)
        before = {key: tensor.clone() for key, tensor in course.steps.state().items() if key.startswith("weights/")}
        told = []
        for _ in range(2):
            if partner:
                partner.advance()
            told.append(course.advance())
        assert all(math.isfinite(each.get("loss", 0.0)) for each in told)
        after = course.steps.state()
        moved = sum(float((after[key] - tensor).abs().sum()) for key, tensor in before.items())
        assert sum(each["examples"] for each in told) > 0, "nothing was learned from: the test would show nothing"
        assert moved > 0
    finally:
        mine.policy.model.unload()


def another(model: Policy) -> Policy:
    """A second copy, for the partner's own adapter; without the first one's."""
    weights = getattr(model.model, "get_base_model", lambda: model.model)()
    other = type(weights)(weights.config).to(model.dtype).eval().requires_grad_(False)
    other.load_state_dict(
        {k.replace(".base_layer", ""): v for k, v in weights.state_dict().items() if "lora_" not in k}
    )
    return Policy(other, model.tokenizer, name=model.name, dtype=model.dtype)

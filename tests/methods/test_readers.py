"""What every method that an encoder can be trained by promises on one, and how all the others refuse it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
from pathlib import Path

import pytest
import torch

from burnish import methods
from burnish.errors import InputError
from burnish.examples import Example, Row
from burnish.models import encoder, small
from burnish.models.headed import HeadedPolicy
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, Preference, Prompt, Score, Span
from burnish.training import checks
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig, Steps

READERS = methods.readers()
OTHERS = [name for name in methods.names() if name not in READERS]
THINGS = ("lamp", "door", "rose", "house", "river", "stone")
TEXTS = [f"the {a} is good but the {b} is bad" for a, b in itertools.permutations(THINGS, 2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("encoder")
    small.make(where, kind="encoder", texts=TEXTS, vocabulary=300, hidden=32, layers=1, heads=2, longest=64, seed=1)
    return where


@pytest.fixture(scope="module")
def reader(folder) -> HeadedPolicy:
    return network_of(folder)


def network_of(folder: Path, heads: int = 1, seed: int = 1) -> HeadedPolicy:
    policy = encoder.load(folder)
    policy.adapt(TuningConfig("full"))
    return HeadedPolicy(policy, heads={"reward": heads}, speaks=False, seed=seed)


def example(number: int, first: str, second: str, weight: float = 1.0) -> Example:
    """Two completions with all that a method may ask for; the second was drawn by a policy, in tokens of its own."""
    prompt = Prompt.of(f"Say {number}.")
    drawn = Completion(prompt.id, second, (3, 4), (-0.5, -0.25))
    return Example(tuple(
        Row(
            prompt, said, weight, score=float(1 - rank), rank=rank, probability=0.9, margin=1.0, fresh=rank == 1,
            spans=(Span(0, 3, severity=0.5), Span(4, 8, severity=float(1 - rank))),
        )
        for rank, said in enumerate((Completion(prompt.id, first), drawn))
    ))  # fmt: skip


EXAMPLES = [
    example(1, TEXTS[0], TEXTS[1]),
    example(2, TEXTS[2], "the door"),
    example(3, TEXTS[3], "a stone is a stone"),
]
"""Texts of unlike length: rows are padded wherever they meet."""


def steps_of(name: str, network: HeadedPolicy, rows_per_slice: int) -> Steps:
    module = methods.load(name)
    return Steps(
        network, module, module.Config(heads=2), OptimiserConfig(learning_rate=0.01, warmup_steps=0),
        StepConfig(rows_per_slice=rows_per_slice), steps=5, seed=0, max_new_tokens=3,
    )  # fmt: skip


def learned(name: str, folder: Path, examples: list[Example], rows_per_slice: int = 99) -> dict[str, torch.Tensor]:
    """Return the loss of a window and the gradient of each weight, before any step."""
    network = network_of(folder, heads=2)
    steps = steps_of(name, network, rows_per_slice)
    batch, slices = steps._window(examples, None, float("nan"))
    loss = torch.zeros(())
    for each in slices:
        outputs = network.outputs(each.inputs)
        share_B, _ = steps.method.loss(batch.slice(each.rows), outputs, steps.config)
        share_B.sum().backward()
        loss += share_B.detach().sum()
    return {"loss": loss, **{name: each.grad for name, each in network.parameters().items()}}


def agree(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    for name, value in one.items():
        assert torch.allclose(value, other[name], atol=1e-5), name


# ---------------------------------------------------------------------------------------------------------- contract


@pytest.mark.parametrize("name", READERS)
def test_the_gradient_is_finite_and_reaches_every_part(name, folder):
    found = learned(name, folder, EXAMPLES)
    assert all(torch.isfinite(value).all() for value in found.values())
    for part in ("word_embeddings", "attention", "intermediate", "heads.reward"):
        assert max(float(value.abs().max()) for key, value in found.items() if part in key) > 1e-7, part


@pytest.mark.parametrize("name", READERS)
def test_neither_order_nor_slices_nor_what_weighs_nothing_changes_what_is_learned(name, folder):
    """The text that weighs nothing is long: all others are padded for its sake, in the batch and in the encoder."""
    whole = learned(name, folder, EXAMPLES)
    agree(learned(name, folder, EXAMPLES[::-1]), whole)
    agree(learned(name, folder, EXAMPLES, rows_per_slice=1), whole)
    long = example(4, f"{TEXTS[4]}, {TEXTS[5]}", TEXTS[6], weight=0.0)
    unweighed = dataclasses.replace(long, rows=tuple(dataclasses.replace(row, fresh=False) for row in long.rows))
    agree(learned(name, folder, [unweighed, *EXAMPLES]), whole)


@pytest.mark.parametrize("name", READERS)
def test_a_few_examples_are_learned_when_there_is_nothing_else(name, folder):
    steps = steps_of(name, network_of(folder, heads=2), 99)
    batch, slices = steps._window(EXAMPLES, None, float("nan"))
    before = steps.trainer.measure(batch, slices)["loss"]
    for _ in range(8):
        steps.trainer.advance(batch, slices)
    assert steps.trainer.measure(batch, slices)["loss"] < before - 1e-2


def test_dropout_is_on_while_it_learns_and_off_when_it_is_looked_at(tmp_path, monkeypatch):
    """Whatever the reward: of an encoder nobody asks a log-prob that dropout could spoil."""
    small.make(tmp_path, kind="encoder", texts=TEXTS, vocabulary=300, hidden=32, layers=1, heads=2, dropout=0.5)

    def after_a_step() -> float:
        steps = steps_of("discriminator", network_of(tmp_path, heads=2), 99)
        steps.learn(EXAMPLES)
        return steps.measure(EXAMPLES)["loss"]

    noisy = after_a_step()
    assert after_a_step() == noisy
    monkeypatch.setattr(HeadedPolicy, "noisy", lambda network, seed: contextlib.nullcontext())
    assert after_a_step() != noisy


def test_the_sampler_s_log_prob_of_a_completion_stays_whole_in_other_tokens(folder):
    batch, _ = steps_of("inverse_rl", network_of(folder, heads=2), 99)._window(EXAMPLES, None, float("nan"))
    known_B = batch.behaviour_logprobs_BT.nan_to_num().sum(-1)
    assert known_B.tolist() == [0.0, -0.75] * len(EXAMPLES)


# ---------------------------------------------------------------------------------------------------------- learning


def learner(name: str, folder: Path, signals: list, *, steps: int, **config: object) -> HeadedPolicy:
    module, network = methods.load(name), network_of(folder)
    course = Course(
        network, module, module.Config(heads=1, **config), Material(signals=signals),
        CourseConfig(steps=steps, examples_per_step=20), optimiser=OptimiserConfig(learning_rate=0.01, warmup_steps=0),
        walk=StepConfig(rows_per_slice=20), seed=0,
    )  # fmt: skip
    for _ in range(steps):
        course.advance()
    return network


@pytest.mark.parametrize("sign", [1, -1])
def test_it_learns_an_order_that_the_words_alone_do_not_tell(sign, folder):
    """Good at the end is better than bad at the end: the same words in both, so a sum over words would stay at chance.
    Told the opposite, it learns the opposite."""
    held, shown = [], []
    for number, (a, b) in enumerate(random.Random(0).sample(list(itertools.permutations(THINGS, 2)), 30)):
        prompt = Prompt.of(f"Say of the {a}.")
        said = [f"the {a} is {first} but the {b} is {last}" for first, last in (("bad", "good"), ("good", "bad"))]
        pair = Preference(prompt, tuple(Completion(prompt.id, text) for text in said[::sign]), (0, 1))
        (shown if number < 20 else held).append(pair)
    network = learner("reward", folder, shown, steps=8)
    scores = [network.score([pair.prompt] * 2, pair.completions[::sign]) for pair in held]
    right = sum(better.value > worse.value for better, worse in scores) / len(held)
    assert right >= 0.95 if sign > 0 else right <= 0.05


def test_a_token_is_read_by_what_comes_after_it(folder):
    """What is said of the thing is marked by the text's last word, which a causal model has not seen by then."""

    def marked(a: str, b: str, last: str) -> Score:
        prompt, text = Prompt.of("Say."), f"the {a} and the {b}, all {last}"
        at = text.index(a)
        spans = (Span(at, at + len(a), severity=1.0 if last == "good" else -1.0),)
        return Score(prompt, Completion(prompt.id, text), None, spans=spans)

    every = [marked(a, b, last) for a, b in itertools.permutations(THINGS, 2) for last in ("good", "bad")]
    random.Random(0).shuffle(every)
    network = learner("span_reward", folder, every[:40], steps=30, unmarked=0.0)
    right = 0
    for mark in every[40:]:
        row = Row(mark.prompt, mark.completion, spans=mark.spans)
        with torch.no_grad():
            readings_T = network.outputs(network.inputs([row], 40)).token_rewards_BTK[0, :, 0]
        (span,) = mark.spans
        over = [n for n, (start, end) in enumerate(network.token_places(row)) if start < span.end and span.start < end]
        right += all(float(readings_T[n]) * span.severity > 0 for n in over)
    assert right / len(every[40:]) >= 0.95


# --------------------------------------------------------------------------------------------------- who refuses it


def test_rewards_are_what_an_encoder_is_trained_to_be():
    assert READERS == [
        "discriminator", "inverse_rl", "process_reward", "ranking_reward", "reward", "score_reward", "span_reward",
    ]  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_whoever_speaks_or_asks_how_likely_a_text_is_refuses_it_and_says_who_does_not(name, reader):
    module = methods.load(name)
    with pytest.raises(InputError, match=rf"{name}: the model is an encoder.* trained by discriminator, .*span_reward"):
        Course(
            reader, module, module.Config(), Material(prompts=[Prompt.of("a")]), CourseConfig(),
            optimiser=OptimiserConfig(), walk=StepConfig(), seed=0,
        )  # fmt: skip


def test_a_reward_beside_a_policy_needs_that_policy_s_model_and_no_log_probs_of_its_own(folder):
    for name in ("discriminator", "inverse_rl"):
        module = methods.load(name)
        with pytest.raises(InputError, match="partner_model"):
            checks.check_reader(module, module.Config(), model="new:encoder", paired=False)
        checks.check_reader(module, module.Config(), model="new:encoder", paired=True)
    module = methods.load("inverse_rl")
    with pytest.raises(InputError, match="inverse_rl, as it is set, draws"):
        checks.check_reader(module, module.Config(base="reference"), model="new:encoder", paired=True)

"""Settings that a method could only pass over in silence are refused, with the way out."""

from __future__ import annotations

import pytest

from burnish import methods
from burnish.conformance.toys import SAMPLING
from burnish.conformance.traps.course import table
from burnish.conformance.world import ASKED, World
from burnish.errors import InputError
from burnish.records import Demonstration, Preference
from burnish.training import checks
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig


def course(name: str, settings: dict | None = None, walk: dict | None = None, **config) -> Course:
    module = methods.load(name)
    made = module.Config(**config)
    network = table(name, made)
    best, worst = (network.completion(ASKED[0], tokens) for tokens in ([1, 0], [2, 0]))
    signals = [Preference(ASKED[0], (best, worst), (0, 1)), Demonstration(ASKED[0], best)]
    given = Material(signals=signals, prompts=ASKED, reward=World(0), sampling=SAMPLING)
    how = {"optimiser": OptimiserConfig(), "walk": StepConfig(**walk or {}), "seed": 0}
    course = CourseConfig(**{"steps": 1, "prompts_per_step": 3, "group": 4, "examples_per_step": 2} | (settings or {}))
    return Course(network, module, made, given, course, **how)


@pytest.mark.parametrize(
    ("name", "config"),
    [("grpo", {}), ("rloo", {}), ("cispo", {}), ("online_dpo", {}), ("raft", {}),
     ("sdpo", {"learns_from": "rollouts", "grpo": 0.5})],
)  # fmt: skip
def test_a_group_of_one_has_nothing_to_be_compared_with(name, config):
    with pytest.raises(InputError, match=rf"course\.group: 1, and {name} compares the completions of a prompt"):
        course(name, {"group": 1}, **config)


@pytest.mark.parametrize("name", ["reinforce", "nash_md"])
def test_nor_has_a_window_of_one(name):
    with pytest.raises(InputError, match=rf"course\.group: 1, of 1 prompt, and {name} compares"):
        course(name, {"group": 1, "prompts_per_step": 1})
    course(name, {"group": 1})  # three prompts have one completion each
    course(name, {"group": 1, "prompts_per_step": 1}, baseline="none")


@pytest.mark.parametrize(("name", "walk", "said"), [
    ("reinforce", {"passes": 2}, r"walk\.passes: reinforce takes one step"), ("a2c", {"parts": 2}, r"walk\.parts: a2c"),
    ("nash_md", {"passes": 3}, r"walk\.passes: nash_md takes one step"),
    ("grpo", {"parts": 4}, r"walk\.parts: 4 is more than the 3 of a window that grpo can share out"),
    ("dpo", {"parts": 3}, r"walk\.parts: 3 is more than the 2 of a window"),
])  # fmt: skip
def test_steps_that_cannot_be_taken_are_refused(name, walk, said):
    with pytest.raises(InputError, match=said):
        course(name, walk=walk)


@pytest.mark.parametrize(("name", "config", "said"), [
    ("dpo", {}, "dpo has no KL to steer"), ("sft", {}, "sft has no KL to steer"), ("dqn", {}, "dqn has no KL to steer"),
    ("grpo", {"beta": 0.0}, "the KL of grpo has no weight"), ("raft", {}, "the KL of raft has no weight"),
])  # fmt: skip
def test_a_target_for_a_divergence_that_is_not_in_the_loss_is_refused(name, config, said):
    with pytest.raises(InputError, match=rf"course\.kl_target_nats: 0\.1 .*, and {said}"):
        course(name, {"kl_target_nats": 0.1}, **config)


CASES = [("a2c", {}), ("cispo", {}), ("grpo", {}), ("nash_md", {}), ("online_dpo", {}), ("ppo", {}),
         ("raft", {"beta": 0.1}), ("reinforce", {}), ("rloo", {}), ("star", {"beta": 0.1}),
         ("sdpo", {"learns_from": "rollouts", "grpo": 0.5, "beta": 0.1})]  # fmt: skip


def test_all_that_have_one_are_steered():
    with_beta = dict(CASES)
    for name in methods.names():
        module = methods.load(name)
        assert checks.steers(module, module.Config(**with_beta.get(name, {}))) == (name in with_beta), name


@pytest.mark.parametrize(("name", "config"), [each for each in CASES if each[0] not in ("sdpo", "star")])
def test_what_is_steered_moves_and_moves_the_loss(name, config):
    """With a KL far over its target beta rises, and another beta is another loss of the same window."""
    made = course(name, {"kl_target_nats": 1e-6, "kl_horizon": 1}, **config)
    astray(made)
    told = made.advance()
    assert made.kl.beta > told["beta"]
    window, found = made.next_window()[0], []
    for beta in (0.1, 5.0):
        again = course(name, **config)
        astray(again)
        learned = again.steps.learn(window, beta=beta)
        found.append((learned["loss"], learned["gradient_norm"]))  # charged in the reward it moves the slope alone
    assert found[0] != pytest.approx(found[1], abs=1e-9)


def astray(made: Course) -> None:
    """Put the policy far from what it began as."""
    logits = made.network.tables["logits"]
    logits.data += 1.5 * logits.new_tensor(range(made.network.vocabulary))

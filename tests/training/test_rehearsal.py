"""The heaviest slice goes first, and leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from burnish.conformance import toys
from burnish.errors import InputError
from burnish.examples import Example, Row
from burnish.methods import Needs
from burnish.models.headed import HeadedPolicy
from burnish.records import Completion, Demonstration, Preference, Prompt
from burnish.training.rehearsal import drawn_longest, heaviest, rehearse

ASKED = Prompt.of("the good")
SAID = ["a", "the bad one is in the lamp", "good", "in the bad lamp"]
ROWS = [Row(ASKED, Completion(ASKED.id, text)) for text in SAID]
ALONE, TOGETHER = Needs(eats=(Demonstration,)), Needs(eats=(Preference,), together=True)


@pytest.fixture
def network(trained) -> HeadedPolicy:
    return HeadedPolicy(trained, max_tokens=64)


def said(rows):
    return [row.completion.text for row in rows]


def test_the_longest_rows_make_the_heaviest_slice(network):
    assert said(heaviest(network, [Example((row,)) for row in ROWS], ALONE, 2)) == [SAID[1], SAID[3]]
    assert said(heaviest(network, [Example((row,)) for row in ROWS], ALONE, 8)) == [SAID[1], SAID[3], SAID[2], SAID[0]]


def test_rows_that_belong_together_weigh_together(network):
    pairs = [Example((ROWS[2], ROWS[3])), Example((ROWS[0], ROWS[1])), Example((ROWS[0], ROWS[2]))]
    assert said(heaviest(network, pairs, TOGETHER, 2)) == [SAID[0], SAID[1]]
    assert said(heaviest(network, pairs, TOGETHER, 1)) == [SAID[0], SAID[1]]  # a pair is never cut
    assert len(heaviest(network, pairs, TOGETHER, 5)) == 4


def test_a_long_prompt_weighs_and_so_does_what_a_teacher_reads(network):
    long = Prompt.of("the good " * 10)
    rows = [*ROWS, replace(ROWS[0], teacher=long)]
    assert heaviest(network, [Example((row,)) for row in rows], ALONE, 1) == [rows[-1]]
    assert network.length(rows[-1]) > network.length(rows[0])


def test_what_is_drawn_may_become_as_long_as_it_may(network):
    rows = heaviest(network, drawn_longest([ASKED, Prompt.of("a longer question than that")], 3, 20), TOGETHER, 3)
    assert [row.prompt.text for row in rows] == ["a longer question than that"] * 3
    inputs = network.inputs(rows, 20)
    assert inputs.lengths_B == [20, 20, 20]


@pytest.mark.parametrize("name", ["sft", "orpo", "ppo", "dqn", "sdpo", "discriminator"])
def test_a_course_is_what_it_was_to_the_bit(name):
    small = {"steps": 2, "examples_per_step": 6, "prompts_per_step": 2}
    plain, rehearsed = (toys.begin(name, seed=0, **small).course for _ in range(2))
    rehearsed.rehearse()
    assert all(parameter.grad is None for parameter in rehearsed.network.parameters().values())
    one, other = plain.steps.state(), rehearsed.steps.state()
    assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())
    assert rehearsed.step == 0


def test_memory_that_does_not_suffice_is_told_with_what_to_set(network, monkeypatch):
    def full(*more, **how):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    monkeypatch.setattr(network, "outputs", full)
    with pytest.raises(InputError, match=r"2 rows with \d+ tokens, does not fit .*Set walk.rows_per_slice"):
        rehearse(network, ROWS[:2], ALONE)


@pytest.mark.parametrize("apart", [False, True])
def test_the_tokens_that_are_told_are_those_of_the_slice(network, monkeypatch, apart):
    """Rows of one prompt that follow each other share it, and the last one's prompt comes again."""

    def full(inputs, **how):
        raise MemoryError(len(inputs.rows.tokens_N))

    monkeypatch.setattr(network, "outputs", full)
    other = Row(Prompt.of("hi"), Completion(Prompt.of("hi").id, "bad"))
    with pytest.raises(InputError, match="does not fit") as told:
        rehearse(network, [*ROWS[:2], other, ROWS[2]], ALONE, apart=apart)
    assert f"4 rows with {told.value.__cause__} tokens," in str(told.value)


def test_a_mistake_is_no_lack_of_memory(network, monkeypatch):
    def wrong(*more, **how):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(network, "outputs", wrong)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        rehearse(network, ROWS[:2], ALONE)

"""The shapes: what both sides are told."""

import pytest

from burnish.bench import plan
from burnish.errors import InputError


def test_grpo_is_four_prompts_by_eight_completions():
    job = plan.job("grpo")
    assert (job["prompts_per_step"], job["group_size"], job["max_new_tokens"]) == (4, 8, 32)
    assert (job["rank"], job["beta"], job["learning_rate"]) == (16, 0.04, 1e-5)
    assert job["prompts"][:2] == ["Write one sentence about the sea.", "Write one sentence about a dog."]
    assert len(job["prompts"]) % job["prompts_per_step"] == 0


def test_texts_are_whole_and_differ_in_length():
    texts = plan.texts()
    assert len(set(texts["topics"])) == 64
    pairs = plan.job("dpo")["pairs"]
    assert len(pairs) == 32
    assert all(each["chosen"] != each["rejected"] for each in pairs)
    lengths = sorted(len(each["chosen"].split()) for each in pairs)
    assert lengths[0] < 0.6 * lengths[-1]


def test_generate_and_mixed():
    assert [turn["batch"] for turn in plan.turns("generate")] == [1, 16, 64]
    assert all(set(turn["limits"]) == {64} for turn in plan.turns("generate"))
    (mixed,) = plan.turns("mixed")
    assert len(mixed["prompts"]) * mixed["n"] == 256
    assert (min(mixed["limits"]), max(mixed["limits"])) == (8, 128)
    assert len(set(mixed["limits"])) == 32
    # a batch of 64 is 8 prompts; each has long and short ones in it
    for start in range(0, 32, 8):
        part = mixed["limits"][start : start + 8]
        assert min(part) < 32
        assert max(part) > 100


def test_growth_keeps_all_but_its_axis():
    points = list(plan.growth(30))
    assert {axis for axis, _, _ in points} == {"completions", "length", "group_size", "layers"}
    for axis, value, changes in points:
        job = {**plan.job("growth"), **changes}
        assert job["prompts_per_step"] * job["group_size"] == (value if axis == "completions" else 32)
        assert job["endless"] is True
    assert [value for axis, value, _ in points if axis == "layers"] == [5, 10, 20, 30]
    assert [value for axis, value, _ in plan.growth(1) if axis == "layers"] == [1]


def test_an_unknown_bench_gets_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'grpo'"):
        plan.bench("gpro")

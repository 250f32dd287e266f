"""Our side's steps on a tiny model: they train, they draw what is asked, they count what the formula needs."""

import json

import pytest

from burnish.bench import ours, plan, sampling
from burnish.bench.depth import cut
from burnish.errors import InputError

SHAPE = {"prompts_per_step": 2, "group_size": 2, "max_new_tokens": 4, "batch": 2}


def job(name, folder, **more):
    pairs = [{"prompt": f"Say {i}.", "chosen": "good " * i, "rejected": "bad"} for i in range(1, 5)]
    texts = {"pairs": pairs} if name in ("sft", "dpo", "reward") else {}
    return {**plan.job(name), **texts, **SHAPE, "model": str(folder), "dtype": "float32", **more}


@pytest.mark.parametrize("name", ["grpo", "sft", "dpo", "reward"])
def test_a_step_of_each_method(name, tiny_folder):
    step = ours.WORKS[name](job(name, tiny_folder))
    first, second = ours.timed(step, {}), ours.timed(step, {})
    for found in (first, second):
        assert found["seconds"] > 0
        assert found["tokens"] == sum(sum(lengths) for _, lengths in found["groups"])
        assert len(found["groups"]) == 2
        assert all(prompt > 0 for prompt, _ in found["groups"])
    assert all(len(lengths) == (1 if name == "sft" else 2) for _, lengths in first["groups"])
    if name != "grpo":
        assert first["groups"] != second["groups"]  # the next texts
    else:
        assert first["parts"].keys() == {"sample", "train"}
        assert sum(first["parts"].values()) <= first["seconds"]


def test_completions_run_to_their_limits(tiny_folder):
    step = ours.WORKS["mixed"](job("mixed", tiny_folder))
    assert step({"prompts": ["a", "b"], "limits": [3, 7], "n": 2})["tokens"] == 2 * 3 + 2 * 7
    assert step({"prompts": ["a", "b"], "limits": [5, 5], "n": 1})["tokens"] == 10


def test_weights_of_8_bits_are_taken_where_asked_for(tiny_folder, monkeypatch):
    asked = []
    sampler = sampling.EngineSampler
    monkeypatch.setattr(sampling, "EngineSampler", lambda policy, *, weights: asked.append(weights) or sampler(policy))
    for more in ({}, {"weights": "int8"}):
        ours.WORKS["generate"](job("generate", tiny_folder, **more))
    assert asked == ["as-is", "int8"]


def test_endless_grpo_draws_every_token(tiny_folder):
    step = ours.WORKS["grpo"](job("grpo", tiny_folder, endless=True))
    assert step({})["tokens"] == 2 * 2 * 4


def test_a_model_with_fewer_layers(tiny_folder, tmp_path):
    cut(tiny_folder, 1, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text("utf-8"))["num_hidden_layers"] == 1
    step = ours.WORKS["grpo"](job("grpo", tmp_path))
    assert step({})["tokens"] > 0
    with pytest.raises(InputError, match="3 layers of a model with 2"):
        cut(tiny_folder, 3, tmp_path)

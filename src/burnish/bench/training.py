"""Our side of `grpo`, `sft`, `dpo` and `reward`: one optimiser step of the library's own trainer on real texts."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from burnish.bench.sampling import load
from burnish.loop.recipe import Recipe, RlSettings, SamplingSettings
from burnish.loop.rollouts import draw
from burnish.maths.batch import Batch, length_mask
from burnish.maths.control import LengthController
from burnish.methods import dpo, grpo, reward, sft
from burnish.models.policy import PolicyInputs
from burnish.models.reward_model import RewardModel, RewardModelConfig
from burnish.models.sampler import EngineSampler
from burnish.records import Completion, Prompt, Score
from burnish.training.optimiser import OptimiserConfig
from burnish.training.trainer import Slice, Trainer

STEPS = 100_000  # more than are ever asked for: the rate stays what it is
SLICE_TOKENS = 2048
"""Completion tokens that go through the model together at most: the whole window of the usual shape."""
MAX_TOKENS = 512
"""Longest text the reward model takes; none here comes near."""

Step = Callable[[Mapping[str, Any]], dict[str, Any]]


class CountedLetter:
    """Reward: how often a letter occurs. Costs nothing, so that the step is sampling and training alone."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        return [
            Score(prompt, each, float(each.text.count(self.letter)))
            for prompt, each in zip(prompts, completions, strict=True)
        ]


def grpo_step(job: Mapping[str, Any]) -> Step:
    """Return a step of GRPO: sample, score, update. Tells completion tokens, groups, and seconds of both parts."""
    policy = load(job)
    if job.get("endless"):
        policy.end_ids = frozenset()  # every completion runs to the limit
    count, size = job["prompts_per_step"], job["group_size"]
    together = max(1, SLICE_TOKENS // (size * job["max_new_tokens"]))
    rl = RlSettings(
        prompts_per_step=count, group_size=size, learning_rate=job["learning_rate"], prompts_per_slice=together
    )
    recipe = Recipe(rl=rl, sampling=SamplingSettings(temperature=1.0, max_new_tokens=job["max_new_tokens"]))
    config = grpo.Config(beta=job["beta"])
    trainer = Trainer(policy, grpo, config, _optimiser(job), steps=STEPS)
    sampler, judge, no_length = EngineSampler(policy), CountedLetter(job["letter"]), LengthController(0.0)
    prompts = itertools.cycle([Prompt.of(text) for text in job["prompts"]])

    def step(turn: Mapping[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        chosen = list(itertools.islice(prompts, count))
        window = draw(
            policy, sampler, judge, chosen, recipe, seed=trainer.step, beta=job["beta"], length=no_length,
            run="bench", round=0,
        )  # fmt: skip
        sampled = time.perf_counter() - began
        trainer.advance(grpo.targets(window.batch, config), window.slices)
        trained = time.perf_counter() - began - sampled
        groups = _groups(policy.tokenizer, chosen, window.completions)
        return {"tokens": _tokens(groups), "groups": groups, "parts": {"sample": sampled, "train": trained}}

    return step


def offline_step(job: Mapping[str, Any]) -> Step:
    """Return a step of SFT or DPO on the next `batch` examples. The reference is computed in the step."""
    policy = load(job)
    method: Any = sft if job["name"] == "sft" else dpo
    config = sft.Config() if method is sft else dpo.Config(beta=job["beta"])
    sides = ("chosen",) if method is sft else ("chosen", "rejected")
    trainer = Trainer(policy, method, config, _optimiser(job), steps=STEPS)
    windows = itertools.cycle([_examples(policy.tokenizer, each, sides) for each in _windows(job)])

    def step(turn: Mapping[str, Any]) -> dict[str, Any]:
        prompts, completions = next(windows)
        lengths = [len(each.token_ids or ()) for group in completions for each in group]
        batch = method.targets(
            Batch(
                completion_mask_BT=length_mask(lengths),
                group_B=torch.arange(len(prompts)).repeat_interleave(len(sides)),
                probability_B=torch.ones(len(lengths)),
                weights_BK=torch.ones(len(lengths), 1),
            ),
            config,
        )
        inputs = PolicyInputs(policy.pack(prompts, completions), 1.0, max(lengths))
        trainer.advance(batch, [Slice(torch.arange(len(lengths)), inputs)])
        groups = _groups(policy.tokenizer, prompts, completions)
        return {"tokens": _tokens(groups), "groups": groups}

    return step


def reward_step(job: Mapping[str, Any]) -> Step:
    """Return a step of the pairwise reward model on the next `batch` pairs: all layers, LoRA on all, one head."""
    folder = Path(job["model"])
    layers = json.loads((folder / "config.json").read_text("utf-8"))["num_hidden_layers"]
    settings = RewardModelConfig(
        layers=layers, frozen=0, trains="lora", rank=job["rank"], heads=1, max_tokens=MAX_TOKENS
    )
    model = RewardModel.fresh(folder, settings, dtype=job["dtype"], seed=0)
    model.config = replace(settings, template=_template(model.tokenizer))
    windows = itertools.cycle([_examples(model.tokenizer, each, ("chosen", "rejected")) for each in _windows(job)])
    trainer = Trainer(model, reward, reward.Config(heads=1), _optimiser(job), steps=STEPS)

    def step(turn: Mapping[str, Any]) -> dict[str, Any]:
        prompts, completions = next(windows)
        encoded = [
            model.encode(each.text, prompt.text)
            for prompt, group in zip(prompts, completions, strict=True)
            for each in group
        ]
        rows = len(encoded)
        batch = Batch(
            completion_mask_BT=torch.ones(rows, 1, dtype=torch.bool),
            group_B=torch.arange(len(prompts)).repeat_interleave(2),
            probability_B=torch.ones(rows),
            weights_BK=torch.ones(rows, 1),
            scalars={"weight": float(len(prompts))},
        )
        trainer.advance(batch, [Slice(torch.arange(rows), model.activations(encoded))])
        groups = _groups(model.tokenizer, prompts, completions)
        return {"tokens": _tokens(groups), "groups": groups}

    return step


def _optimiser(job: Mapping[str, Any]) -> OptimiserConfig:
    return OptimiserConfig(learning_rate=job["learning_rate"], warmup_steps=0)


def _windows(job: Mapping[str, Any]) -> list[list[Mapping[str, str]]]:
    """Return the pairs in whole steps, in the order in which the other side takes them too."""
    pairs, batch = job["pairs"], job["batch"]
    return [pairs[start : start + batch] for start in range(0, len(pairs) - batch + 1, batch)]


def _examples(
    tokenizer: Any, pairs: Sequence[Mapping[str, str]], sides: Sequence[str]
) -> tuple[list[Prompt], list[list[Completion]]]:
    """Return prompts, and for each its completions of these sides, each ended."""
    prompts = [Prompt.of(pair["prompt"]) for pair in pairs]
    completions = [
        [_completion(tokenizer, prompt, pair[side]) for side in sides]
        for prompt, pair in zip(prompts, pairs, strict=True)
    ]
    return prompts, completions


def _completion(tokenizer: Any, prompt: Prompt, text: str) -> Completion:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return Completion(prompt.id, text, token_ids=(*ids, tokenizer.eos_token_id))


def _asked(tokenizer: Any, text: str) -> str:
    return str(
        tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False)
    )


def _template(tokenizer: Any) -> str:
    """Return the chat template with the prompt asked and the text answered, ended: what the other side sees too."""
    return f"{_asked(tokenizer, '{prompt}')}{{text}}{tokenizer.eos_token}"


def _groups(
    tokenizer: Any, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]]
) -> list[tuple[int, list[int]]]:
    """Return tokens of each prompt and of its completions, as the reference formula counts them."""
    return [
        (
            len(tokenizer(_asked(tokenizer, prompt.text), add_special_tokens=False)["input_ids"]),
            [len(each.token_ids or ()) for each in group],
        )
        for prompt, group in zip(prompts, completions, strict=True)
    ]


def _tokens(groups: Sequence[tuple[int, Sequence[int]]]) -> int:
    return sum(sum(lengths) for _, lengths in groups)

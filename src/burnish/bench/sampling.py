"""Our side of `generate` and `mixed`: completions from the engine, each exactly as long as asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.records import Completion, Prompt, Sampling


def load(job: Mapping[str, Any]) -> Policy:
    """Return the job's model, with its adapter where the job names a rank."""
    policy = Policy.load(Path(job["model"]), dtype=job["dtype"])
    if "rank" in job:
        policy.add_lora(rank=job["rank"], alpha=job["alpha"], seed=0)
    return policy


def sampled(job: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return a step that answers {"prompts", "limits", "n"}: n completions of a prompt, `limits` tokens each."""
    policy = load(job)
    policy.end_ids = frozenset()  # every completion runs to its limit, so that both sides draw equally many tokens
    sampler = EngineSampler(policy)
    done = [0]

    def step(turn: Mapping[str, Any]) -> dict[str, Any]:
        done[0] += 1
        prompts = [Prompt.of(text) for text in turn["prompts"]]
        groups = draw(sampler, prompts, turn["limits"], n=turn["n"], seed=done[0])
        return {"tokens": sum(len(each.token_ids or ()) for group in groups for each in group)}

    return step


def draw(
    sampler: EngineSampler, prompts: Sequence[Prompt], limits: Sequence[int], *, n: int, seed: int
) -> list[list[Completion]]:
    """Return n completions for each prompt, those of prompt i of limits[i] tokens at most."""
    if len(set(limits)) == 1:
        return sampler.sample(prompts, Sampling(max_new_tokens=limits[0]), n=n, seed=seed)
    return [
        group
        for prompt, limit in zip(prompts, limits, strict=True)
        for group in sampler.sample([prompt], Sampling(max_new_tokens=limit), n=n, seed=seed)
    ]

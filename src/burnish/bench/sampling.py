"""Our side of `generate` and `mixed`: completions from the engine, each exactly as long as asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from burnish.models.engine import Engine, Request
from burnish.models.general import GeneralEngine
from burnish.models.policy import Policy
from burnish.models.sampler import ROWS, EngineSampler
from burnish.records import Prompt, Sampling, seed_of


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
    sampler = EngineSampler(policy, weights=job.get("weights", "as-is"))
    done = [0]

    def step(turn: Mapping[str, Any]) -> dict[str, Any]:
        done[0] += 1
        prompts, limits = [Prompt.of(text) for text in turn["prompts"]], turn["limits"]
        if len(set(limits)) > 1:
            return {"tokens": draw_mixed(policy, prompts, limits, n=turn["n"], seed=done[0])}
        groups = sampler.sample(prompts, Sampling(max_new_tokens=limits[0]), n=turn["n"], seed=done[0])
        return {"tokens": sum(len(each.token_ids or ()) for group in groups for each in group)}

    return step


def draw_mixed(policy: Policy, prompts: Sequence[Prompt], limits: Sequence[int], *, n: int, seed: int) -> int:
    """Draw n completions for each prompt, those of prompt i of limits[i] tokens; return how many tokens that were.

    All go to the engine at once, in the order of the prompts: where one has ended, the next takes its place.
    """
    engine: Engine | GeneralEngine
    if policy.decoder is None:
        engine = GeneralEngine(policy.model, policy.end_ids, policy.decode, rows=ROWS)
    else:
        engine = Engine(policy.decoder, policy.end_ids, policy.decode, rows=ROWS, packed=policy.packed())
    for prompt, limit in zip(prompts, limits, strict=True):
        asked, sampling = tuple(policy.encode(prompt)), Sampling(max_new_tokens=limit)
        for number in range(n):
            engine.submit(Request(asked, sampling, seed_of(seed, prompt.id, number)))
    return sum(1 for _ in engine.run())

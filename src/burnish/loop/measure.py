"""Completions -> `Sample`s: KL and likelihood by the policy and the untouched model, ratings by proxy and gold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from burnish import files, progress
from burnish.evaluation.samples import Sample
from burnish.loop.gold import Gold
from burnish.models.policy import Policy
from burnish.plain import completion_from_plain, to_plain
from burnish.records import Completion, FinishReason, Prompt, Reward
from burnish.rewards.on_topic import is_on_topic

PROMPTS_AT_ONCE = 8


def write(path: Path, groups: Sequence[Sequence[Completion]], statistics: Sequence[tuple[float, float]]) -> None:
    """Write completions with their (KL, reference likelihood), one line each."""
    flat = [completion for group in groups for completion in group]
    lines = (
        json.dumps({**to_plain(c), "kl_nats": kl, "reference_nll": nll}, ensure_ascii=False)
        for c, (kl, nll) in zip(flat, statistics, strict=True)
    )
    files.write_atomic(path, "\n".join(lines) + "\n")


def read(path: Path) -> list[tuple[Completion, float, float]]:
    """Return (completion, KL, reference negative log-likelihood) of each line."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        plain: dict[str, Any] = json.loads(line)
        kl, nll = plain.pop("kl_nats"), plain.pop("reference_nll")
        found.append((completion_from_plain(plain), kl, nll))
    return found


@torch.no_grad()
def likelihood(
    policy: Policy,
    prompts: Sequence[Prompt],
    groups: Sequence[Sequence[Completion]],
    temperature: float,
    what: str,
    *,
    adapter: bool = True,
) -> list[tuple[float, float]]:
    """Return, for each completion, its KL to the untouched model (at the sampling temperature) and the untouched
    model's negative log-likelihood of it (at temperature 1: perplexity is the model's own), both summed over tokens."""
    found: list[tuple[float, float]] = []
    with progress.bar(len(prompts), what, "prompts") as bar:
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            part = slice(start, start + PROMPTS_AT_ONCE)
            rows = policy.pack(prompts[part], groups[part])
            kl, nll = policy.divergence(rows, temperature=temperature, adapter=adapter)
            found.extend(zip(kl, nll, strict=True))
            bar.advance(len(prompts[part]))
    return found


def samples(
    prompts: Sequence[Prompt],
    drawn: Sequence[tuple[Completion, float, float]],
    proxy: Reward,
    rating: Reward,
    gold: Gold | None,
    *,
    heeds: bool,
) -> list[Sample]:
    """Return everything that was measured on each completion; `heeds`: gold is nearness to the asked rating."""
    by_id = {prompt.id: prompt for prompt in prompts}
    asked = [by_id[completion.prompt_id] for completion, _, _ in drawn]
    completions = [completion for completion, _, _ in drawn]
    proxies = proxy.score(asked, completions)
    ratings = rating.score(asked, completions)
    golds = gold.rate([c.text for c in completions]).tolist() if gold else [None] * len(completions)
    return [
        _sample(prompt, *row, proxy=p.value, rated=r.value, members=r.members, gold=g, heeds=heeds)
        for prompt, row, p, r, g in zip(asked, drawn, proxies, ratings, golds, strict=True)
    ]


def _sample(
    prompt: Prompt, completion: Completion, kl: float, nll: float,
    *, proxy: float | None, rated: float | None, members: Sequence[float], gold: float | None, heeds: bool,
) -> Sample:  # fmt: skip
    wanted = prompt.metadata.get("asked") if heeds else None
    spread = float(torch.tensor(members).std()) if len(members) > 1 else None
    spoken = bool(completion.text.strip())
    return Sample(
        prompt_id=prompt.id,
        prompt=prompt.text,
        thing=str(prompt.metadata.get("thing", "")),
        asked=wanted,
        asked_words=str(prompt.metadata.get("asked_words", "")),
        index=completion.index,
        text=completion.text,
        tokens=len(completion.token_ids or ()),
        truncated=completion.finish_reason is FinishReason.LENGTH,
        gold=None if gold is None or not spoken else gold if wanted is None else -abs(gold - wanted),
        proxy=proxy,
        proxy_spread=spread,
        rated_gold=gold if spoken else None,
        rated_proxy=rated,
        on_topic=is_on_topic(prompt, completion.text),
        reference_nll=nll,
        kl_nats=kl,
    )

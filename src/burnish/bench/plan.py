"""What is measured: the shapes of every bench, and which sides take part. Plain data, the same for both sides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files as resources
from typing import Any

from burnish.errors import InputError, nearest

BATCHES = (1, 16, 64)
"""Rows of `generate`."""
GENERATED = 64
"""Tokens of each completion of `generate`."""
MIXED_PROMPTS, MIXED_EACH, MIXED_LIMITS, MIXED_BATCH = 32, 8, (8, 128), 64
LORA = {"rank": 16, "alpha": 8.0, "learning_rate": 1e-5}
"""peft's own default alpha, since TRL's side leaves it."""
GRPO = {"prompts_per_step": 4, "group_size": 8, "max_new_tokens": 32, "beta": 0.04, "letter": "e", **LORA}
OFFLINE = {"batch": 8, "beta": 0.1, **LORA}
TOPICS_OF_GRPO = 8


@dataclass(frozen=True)
class Also:
    """Another way in which burnish does what a bench measures: faster somewhere, and not the same thing."""

    job: Mapping[str, Any]
    """What its job has beside that of burnish."""
    shapes: Sequence[str]
    """The only turns it takes part in."""
    dtype: str
    """The number format it is another way for."""


@dataclass(frozen=True)
class Bench:
    """One thing that is measured."""

    name: str
    summary: str
    peer: str
    """Whom it is compared with: trl or transformers; empty: nobody."""
    scripts: Mapping[str, Sequence[Mapping[str, Any]]]
    """The peer's scripts by name, each with the jobs it is run with, beside model and dtype. `one_dtype`: it takes
    minutes (mixed) or is the slower by far (continuous batching on a CPU), so it is run in our number format alone."""
    same_tokens: bool = False
    """Both sides draw equally many tokens, so the time of a token is compared."""
    trains: bool = False
    """Has a reference formula: its share of the peak is told."""
    also: Mapping[str, Also] = field(default_factory=dict)
    """Other ways in which burnish does the same, by name; each is a side of its own."""


_ONE: Sequence[Mapping[str, Any]] = ({},)
BENCHES: Mapping[str, Bench] = {
    bench.name: bench
    for bench in (
        Bench(
            "generate",
            "sampling, batches of 1, 16 and 64 rows, 64 tokens each",
            "transformers",
            {"hf_generate": ({"mode": "generate"}, {"mode": "continuous", "one_dtype": True})},
            same_tokens=True,
            also={"int8 weights": Also({"weights": "int8"}, ("1",), "bfloat16")},
        ),
        Bench(
            "mixed",
            "sampling 256 completions of 8 to 128 tokens for 32 prompts",
            "transformers",
            {"hf_generate": ({"mode": "generate", "one_dtype": True},)},
            same_tokens=True,
        ),
        Bench(
            "grpo", "GRPO step, 4 prompts x 8 completions of at most 32 tokens", "trl", {"trl_grpo": _ONE}, trains=True
        ),
        Bench("dpo", "DPO step, 8 pairs", "trl", {"trl_offline": _ONE}, trains=True),
        Bench("sft", "SFT step, 8 examples", "trl", {"trl_offline": _ONE}, trains=True),
        Bench("reward", "reward-model step, 8 pairs", "trl", {"trl_offline": _ONE}, trains=True),
        Bench("growth", "GRPO step against completions, length, group size and depth", "", {}, trains=True),
    )
}


def bench(name: str) -> Bench:
    """Return a bench by name. Raises InputError with the nearest name when there is none."""
    if name not in BENCHES:
        raise InputError(f"bench: {name!r} is not known.{nearest(name, BENCHES)}")
    return BENCHES[name]


def texts() -> dict[str, Any]:
    """Return `texts.json`: 64 topics, and for the first 32 two sentences each, sampled once."""
    found: dict[str, Any] = json.loads(resources("burnish.bench").joinpath("texts.json").read_text("utf-8"))
    return found


def asked(topic: str) -> str:
    """Return the prompt about a topic."""
    return f"Write one sentence about {topic}."


def job(name: str) -> dict[str, Any]:
    """Return what both sides are told beside model and dtype."""
    known = texts()
    if name in ("grpo", "growth"):
        return {"name": "grpo", "prompts": [asked(topic) for topic in known["topics"][:TOPICS_OF_GRPO]], **GRPO}
    if name in ("dpo", "sft", "reward"):
        pairs = [{"prompt": asked(each["topic"]), **each} for each in known["pairs"]]
        return {"name": name, "pairs": pairs, **OFFLINE}
    return {"name": name}


def turns(name: str) -> list[dict[str, Any]]:
    """Return the turns of one repetition; more than one where several shapes are measured."""
    prompts = [asked(topic) for topic in texts()["topics"]]
    if name == "generate":
        return [
            {"shape": str(rows), "prompts": prompts[:rows], "limits": [GENERATED] * rows, "n": 1, "batch": rows}
            for rows in BATCHES
        ]
    if name == "mixed":
        return [
            {
                "shape": "mixed",
                "prompts": prompts[:MIXED_PROMPTS],
                "limits": mixed_limits(),
                "n": MIXED_EACH,
                "batch": MIXED_BATCH,
            }
        ]
    return [{"shape": name}]


def warm_up(name: str) -> list[dict[str, Any]]:
    """Return the turns that are done first and not counted: those of a repetition, but shorter where it is long."""
    if name == "mixed":
        return [{**turn, "limits": [4] * len(turn["limits"])} for turn in turns(name)]
    return turns(name)


def mixed_limits() -> list[int]:
    """Return the tokens each prompt's completions get: 8 to 128 evenly, in an order that mixes long and short."""
    low, high = MIXED_LIMITS
    step = (high - low) / (MIXED_PROMPTS - 1)
    return [round(low + step * (i * 13 % MIXED_PROMPTS)) for i in range(MIXED_PROMPTS)]


AXES: Mapping[str, Sequence[int]] = {
    "completions": (8, 16, 32, 64, 128, 256),
    "length": (32, 64, 128, 256, 512),
    "group_size": (2, 4, 8, 16, 32),
}
"""What is varied in `growth`, from 4 prompts x 8 completions x 32 tokens and the whole model; and its depth."""
DEPTHS = (1 / 6, 1 / 3, 2 / 3, 1.0)


def growth(layers: int) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield (axis, value, changes of the job). Every completion runs to the limit, so that the axis is the work."""
    for value in AXES["completions"]:
        yield "completions", value, {"endless": True, "prompts_per_step": value // 8}
    for value in AXES["length"]:
        yield "length", value, {"endless": True, "max_new_tokens": value}
    for value in AXES["group_size"]:
        yield "group_size", value, {"endless": True, "group_size": value, "prompts_per_step": 32 // value}
    for depth in dict.fromkeys(max(1, round(layers * share)) for share in DEPTHS):
        yield "layers", depth, {"endless": True, "layers": depth}

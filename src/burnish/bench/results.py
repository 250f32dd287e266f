"""From measured steps to the JSON of a bench: medians, the ratio, the share of the peak, the machine."""

from __future__ import annotations

import dataclasses
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from burnish.bench.flops import Size, step_flops
from burnish.machine import system


def summary(what: str, steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return median, min and max of the steps' seconds, tokens a second over all of them, and the peak of memory."""
    seconds = [float(each["seconds"]) for each in steps]
    return {
        "what": what,
        "median": statistics.median(seconds),
        "min": min(seconds),
        "max": max(seconds),
        "seconds": seconds,
        "tokens": [int(each["tokens"]) for each in steps],
        "tokens_per_second": sum(each["tokens"] for each in steps) / sum(seconds),
        "peak_memory_gib": max(float(each["peak_memory_gib"]) for each in steps),
    }


def compared(ours: Mapping[str, Any], peers: Sequence[Mapping[str, Any]], *, same_tokens: bool) -> dict[str, Any]:
    """Return ours beside the best of the peers: "ratio" is the peer's median time over ours.

    same_tokens: both sides were to draw equally many tokens, so the better peer is the one with more tokens a second
    and the ratio is that of the times a token took. Else the time of a step counts.
    """
    found: dict[str, Any] = {"ratio": None, "ours": dict(ours), "peer": None, "memory_ratio": None}
    if peers:
        cost = _seconds_per_token if same_tokens else _seconds
        best = min(peers, key=cost)
        found["peer"] = dict(best)
        found["ratio"] = cost(best) / cost(ours)
        found["memory_ratio"] = best["peak_memory_gib"] / ours["peak_memory_gib"]
        found["peers"] = [dict(each) for each in peers]
    return found


def _seconds(side: Mapping[str, Any]) -> float:
    return float(side["median"])


def _seconds_per_token(side: Mapping[str, Any]) -> float:
    return float(statistics.median(s / max(t, 1) for s, t in zip(side["seconds"], side["tokens"], strict=True)))


def peak_share(
    method: str, size: Size, steps: Sequence[Mapping[str, Any]], matrix_gflops: float
) -> tuple[float, dict[str, float]]:
    """Return the median share of the matrix-product peak that steps reached, and the same for each part of a step.

    share = operations of the reference formula / seconds / rate of a 2048^3 product. A step tells its "groups", and in
    "parts" the seconds of its parts when it has several.
    """
    shares: list[float] = []
    parts: dict[str, list[float]] = {}
    for each in steps:
        wanted = step_flops(method, size, each["groups"])
        shares.append(sum(wanted.values()) / each["seconds"] / (matrix_gflops * 1e9))
        for part, seconds in each.get("parts", {}).items():
            parts.setdefault(part, []).append(wanted[part] / seconds / (matrix_gflops * 1e9))
    return statistics.median(shares), {part: statistics.median(values) for part, values in parts.items()}


def machine() -> dict[str, Any]:
    """Return what the figures are measured on, and how busy it is at this moment."""
    load = list(os.getloadavg()) if hasattr(os, "getloadavg") else None
    return {**dataclasses.asdict(system.read()), "python": platform.python_version(), "load_average": load}

"""Medians and ratios by hand."""

import pytest

from burnish.bench.flops import Size
from burnish.bench.results import compared, machine, peak_share, summary


def step(seconds, tokens=10, memory=1.0):
    return {"seconds": seconds, "tokens": tokens, "peak_memory_gib": memory}


def test_a_summary():
    found = summary("burnish", [step(3.0, 30), step(1.0, 10, 2.5), step(2.0, 20)])
    assert (found["median"], found["min"], found["max"]) == (2.0, 1.0, 3.0)
    assert found["tokens_per_second"] == pytest.approx(10.0)
    assert found["peak_memory_gib"] == 2.5
    assert found["tokens"] == [30, 10, 20]


def test_the_faster_peer_counts_and_all_are_kept():
    ours = summary("burnish", [step(2.0, memory=1.0)])
    slow, fast = summary("trl float32", [step(10.0)]), summary("trl bfloat16", [step(8.0, memory=4.0)])
    found = compared(ours, [slow, fast], same_tokens=False)
    assert found["ratio"] == 4.0
    assert found["peer"]["what"] == "trl bfloat16"
    assert found["memory_ratio"] == 4.0
    assert [each["what"] for each in found["peers"]] == ["trl float32", "trl bfloat16"]


def test_where_tokens_should_be_equal_the_time_of_a_token_counts():
    ours, peer = summary("burnish", [step(2.0, 100)]), summary("transformers", [step(2.0, 50)])
    assert compared(ours, [peer], same_tokens=True)["ratio"] == pytest.approx(2.0)
    assert compared(ours, [peer], same_tokens=False)["ratio"] == 1.0


def test_alone_there_is_no_ratio():
    found = compared(summary("burnish", [step(1.0)]), [], same_tokens=False)
    assert found["ratio"] is None
    assert found["peer"] is None


def test_the_share_of_the_peak():
    size = Size(layers=1_000_000, head=0)
    steps = [
        {"seconds": 2.0, "groups": [(0, [100])], "parts": {"sample": 0.5, "train": 1.5}},
        {"seconds": 4.0, "groups": [(0, [100])], "parts": {"sample": 1.0, "train": 3.0}},
    ]
    # by hand: 0.2 GFLOP a forward pass; four of them in 2 or 4 s at 1 GFLOP/s
    share, parts = peak_share("grpo", size, steps, 1.0)
    assert share == pytest.approx((0.8 / 2 + 0.8 / 4) / 2)
    assert parts["sample"] == pytest.approx((0.2 / 0.5 + 0.2 / 1.0) / 2)
    assert parts["train"] == pytest.approx((0.6 / 1.5 + 0.6 / 3.0) / 2)


def test_the_machine_is_told():
    assert {"processor", "flags", "usable_cores", "memory_bytes", "load_average", "python"} <= machine().keys()

"""Forty ways to train something else than was meant while every curve looks healthy, and a check for each.

A check takes a model and rows, `check(policy, rows)`, or nothing, `check()`; it raises AssertionError with what is
wrong and what to do. Our own tests, `burnish doctor --model M --data D` and third parties call the same ones. The
mutation that each check catches stands in `benchmarks/mutations.toml`, the list in docs/traps.md.
"""

from __future__ import annotations

from burnish.conformance.traps import logprobs, losses, masks, rewards, system
from burnish.conformance.traps.trap import Trap, some_rows

__all__ = ["Trap", "some_rows", "traps"]


def traps() -> list[Trap]:
    """Return all traps, T1 to T40, in their order."""
    checks = [check for family in (masks, rewards, logprobs, losses, system) for check in family.CHECKS]
    return [Trap(int(check.__name__[1:3]), check) for check in checks]

"""Which settings a machine asks for, each with its reason. The same description always gives the same settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.machine.description import Machine
from burnish.machine.plan import BYTES, GIB, MOST_ROWS, SMOLLM2_135M, Plan, Size, Work, plan, row_bytes, token_bytes

MARGIN = 1.2
"""bfloat16 must multiply this many times as fast as float32 before its rounding is accepted."""
WORTH = 1.05
"""More threads must save this much of the time before they are taken."""
DEFAULT = Work()
"""What `burnish run reviews` does."""
TOKENS_TOGETHER = 2048
"""Tokens of a slice; more fill the matrix products no better and only take memory."""
_SHARE = 0.5
"""Of what is left of the free memory that one slice may take; the rest is for the system and others."""


@dataclass(frozen=True)
class Choice:
    """A setting, and why."""

    value: str | int
    reason: str


@dataclass(frozen=True)
class Fit:
    """The settings that a machine asks for."""

    dtype: Choice
    threads: Choice
    prompts_per_slice: Choice
    """Prompts, with their whole groups, that go through the model together in training."""
    rollout_rows: Choice
    """Completions decoded together."""
    warnings: tuple[str, ...] = field(default=())


def fit(machine: Machine, size: Size = SMOLLM2_135M, work: Work = DEFAULT, *, dtype: str = "") -> Fit:
    """Return the settings for a machine, a model and a run; dtype: the one that was asked for, empty to choose it."""
    chosen = Choice(dtype, "as it was set") if dtype else fit_dtype(machine)
    name = str(chosen.value)
    slices, tight = fit_slices(machine, size, work, name)
    return Fit(
        dtype=chosen,
        threads=fit_threads(machine, name),
        prompts_per_slice=slices,
        rollout_rows=fit_rows(machine, size, work, name),
        warnings=(*_busy(machine), *tight),
    )


def planned(machine: Machine, found: Fit, size: Size = SMOLLM2_135M, work: Work = DEFAULT) -> Plan:
    """Return what a run with the settings that were found holds in memory."""
    slices, rows = int(found.prompts_per_slice.value), int(found.rollout_rows.value)
    free = machine.load.free_bytes
    return plan(size, work, str(found.dtype.value), prompts_per_slice=slices, rows=rows, free=free)


# ----------------------------------------------------------------------------------------------------------- the dtype


def fit_dtype(machine: Machine) -> Choice:
    """Return bfloat16 where it multiplies faster by the margin, else float32.

    By the rates of one thread: those of several say as much about who else is at work.
    """
    full, half = (machine.speed.gflops(dtype, 1) for dtype in ("float32", "bfloat16"))
    if not full or not half:
        return Choice("float32", "nothing was measured, and float32 is right everywhere")
    rates = f"{half:,.0f} against {full:,.0f} GFLOP/s on one thread"
    if half >= MARGIN * full:
        return Choice("bfloat16", f"its products are {half / full:.1f} times as fast as float32's: {rates}")
    faster = "hardly faster" if half >= full else "slower"
    return Choice("float32", f"bfloat16's products are {faster} here: {rates}")


# ------------------------------------------------------------------------------------------------------------- threads


def fit_threads(machine: Machine, dtype: str) -> Choice:
    """Return the number of threads that takes the least time, half of it in large products and half in small ones.

    Beside other processes only the small ones count, because they were measured now; so the number falls when a second
    thread would wait for a core that somebody else holds.
    """
    most = machine.system.most_threads
    times = {each.threads: _time(machine, dtype, each.threads) for each in machine.load.small}
    times = {threads: time for threads, time in times.items() if threads <= most}
    if most == 1:
        return Choice(1, _one_core(machine))
    if 1 not in times:
        return Choice(most, "as many as can run at once; nothing was measured")
    best = 1
    for threads in sorted(times):
        if times[threads] * WORTH <= times[best]:
            best = threads
    if best == 1:
        other = min((threads for threads in times if threads > 1), key=lambda each: times[each], default=1)
        return Choice(1, f"{other} threads {_as_long(times[other])} now" if other > 1 else "as measured")
    gain = f"{times[1] / times[best]:.1f} times as fast as one"
    return Choice(best, gain if best == max(times) else f"{gain}; more gain nothing")


def _one_core(machine: Machine) -> str:
    quota = machine.system.quota_cores
    if quota is not None and quota < machine.system.usable_cores:
        return f"a control group grants {quota:.1f} cores"
    return "this process may use one core"


def _time(machine: Machine, dtype: str, threads: int) -> float:
    """Return the time with so many threads, in that of one thread."""
    small = 1 / (machine.load.gain(threads) or 1.0)
    alone, together = machine.speed.gflops(dtype, 1), machine.speed.gflops(dtype, threads)
    if not machine.load.is_quiet or not alone or not together:
        return small
    return (small + alone / together) / 2


def _as_long(ratio: float) -> str:
    """Return what threads do in so many times the time of one thread; what is less than `WORTH` is no difference."""
    return f"take {ratio:.1f} times as long" if ratio >= WORTH else "take just as long"


def _busy(machine: Machine) -> tuple[str, ...]:
    """Return what to tell of other processes, in a sentence."""
    load, most = machine.load, machine.system.most_threads
    if load.is_quiet or load.busy_cores is None:
        return ()
    cores = f"{load.busy_cores:.0%} of a core" if load.busy_cores < 1 else f"{load.busy_cores:.1f} cores"
    who = f"other processes use {cores}" + (f", {load.busiest} most of it" if load.busiest else "")
    gain = load.gain(most)
    slow = f"{most} threads {_as_long(1 / gain)} as one now; " if most > 1 and gain is not None and gain < WORTH else ""
    return (f"{who}: {slow}timings will not hold. End them, or expect to wait.",)


# -------------------------------------------------------------------------------------------------------------- memory


def budget_bytes(machine: Machine, size: Size, work: Work, dtype: str) -> int | None:
    """Return what a slice may take of the memory that is free; None when nobody knows how much is."""
    free = machine.load.free_bytes
    return None if free is None else max(0, int(_SHARE * (free - plan(size, work, dtype).standing)))


def fit_slices(machine: Machine, size: Size, work: Work, dtype: str) -> tuple[Choice, tuple[str, ...]]:
    """Return how many prompts go through the model together, and a warning when even one takes too much memory."""
    tokens = work.group_tokens
    most = work.prompts_per_step
    if work.minibatches > 1:  # a window must have as many slices
        most = max(1, -(-work.prompts_per_step // (work.minibatches - 1)) - 1)
    slices = -(-work.prompts_per_step * tokens // TOKENS_TOGETHER)
    wanted = max(1, min(most, -(-work.prompts_per_step // slices)))  # slices of one size
    budget = budget_bytes(machine, size, work, dtype)
    one = tokens * token_bytes(size, dtype, recompute=work.recompute)
    if budget is None:
        return Choice(wanted, f"about {wanted * tokens:,} tokens together fill the products"), ()
    fits = budget // one
    if fits < 1:
        free = (machine.load.free_bytes or 0) / GIB
        said = (
            f"memory: the texts of one prompt take about {one / GIB:.1f} GiB in training, and {budget / GIB:.1f} of "
            f"{free:.1f} GiB free can be spared. Lower rl.group_size or sampling.max_new_tokens, or set "
            "rl.recompute = true."
        )
        return Choice(1, "memory is short"), (said,)
    if fits < wanted:
        reason = f"{fits * one / GIB:.1f} GiB; more would take over half of the free memory"
        return Choice(int(fits), reason), ()
    takes = f"about {wanted * tokens:,} tokens, {wanted * one / GIB:.1f} GiB"
    return Choice(wanted, f"{takes}; more fill the products no better" if wanted < most else takes), ()


def fit_rows(machine: Machine, size: Size, work: Work, dtype: str) -> Choice:
    """Return how many completions are decoded together."""
    budget = budget_bytes(machine, size, work, dtype)
    row = row_bytes(size.layers, size.keys, BYTES[dtype], work.prompt_tokens + work.max_new_tokens)
    if budget is not None and budget // row < MOST_ROWS:
        rows = max(1, budget // row)
        takes = f"{rows * row / GIB:.1f} GiB of keys and values"
        return Choice(rows, f"{takes}; more would take over half of the free memory")
    return Choice(MOST_ROWS, f"{MOST_ROWS * row / GIB:.2f} GiB of keys and values; more gain little")

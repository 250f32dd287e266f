"""The choices for machines made up here: each follows from the description alone, and says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.machine.description import Load, Machine, Rate, Small, Speed, System
from burnish.machine.fit import budget_bytes, fit, planned
from burnish.machine.plan import BYTES, MOST_ROWS, SMOLLM2_135M, Size, Work, row_bytes, token_bytes

GIB = 2**30


def machine(
    *, float32=60.0, bfloat16=190.0, cores=2, gains=None, busy=0.0, free=16 * GIB, quota=None, busiest=""
) -> Machine:
    """A machine with the rates of one thread; gains: number of threads -> times as fast, in products of both kinds."""
    gains = {1: 1.0, **({2: 1.8} if cores > 1 else {}), **(gains or {})}
    rates = [
        Rate(dtype, threads, 1024, rate * gain)
        for dtype, rate in (("float32", float32), ("bfloat16", bfloat16))
        for threads, gain in gains.items()
    ]
    small = tuple(Small(threads, 300 / gain) for threads, gain in gains.items())
    system = System("Linux x86_64", usable_cores=cores, logical_cores=cores, quota_cores=quota, torch="2.9.0")
    return Machine(system, Speed(tuple(rates)), Load(busy, busiest, small, free))


# ----------------------------------------------------------------------------------------------------------- dtype


@pytest.mark.parametrize(
    ("float32", "bfloat16", "dtype", "reason"),
    [
        (60, 190, "bfloat16", "3.2 times as fast as float32's: 190 against 60 GFLOP/s on one thread"),
        (60, 73, "bfloat16", "1.2 times as fast"),
        (60, 71, "float32", "hardly faster here: 71 against 60 GFLOP/s"),
        (60, 60, "float32", "hardly faster"),
        (60, 8, "float32", "slower here: 8 against 60 GFLOP/s"),
    ],
)
def test_bfloat16_is_taken_where_it_is_faster(float32, bfloat16, dtype, reason):
    found = fit(machine(float32=float32, bfloat16=bfloat16)).dtype
    assert found.value == dtype
    assert reason in found.reason


def test_other_work_does_not_change_the_number_format():
    """By the rates of one thread: those of two collapse beside other work, and with them the comparison."""
    quiet = machine()
    rates = tuple(replace(r, gflops=r.gflops / 50) if r.threads == 2 else r for r in quiet.speed.products)
    busy = replace(quiet, speed=replace(quiet.speed, products=rates), load=replace(quiet.load, busy_cores=1.0))
    assert fit(busy).dtype == fit(quiet).dtype


def test_an_explicit_number_format_wins():
    found = fit(machine(), dtype="float32")
    assert (found.dtype.value, found.dtype.reason) == ("float32", "as it was set")
    assert fit(machine(float32=60, bfloat16=8), dtype="bfloat16").dtype.value == "bfloat16"


def test_without_a_measurement_the_choice_is_safe():
    found = fit(Machine(System("Linux x86_64", usable_cores=4)))
    assert (found.dtype.value, found.threads.value) == ("float32", 4)
    assert "nothing was measured" in found.dtype.reason
    assert "nothing was measured" in found.threads.reason
    assert (found.prompts_per_slice.value, found.rollout_rows.value, found.warnings) == (3, MOST_ROWS, ())


# --------------------------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize(
    ("described", "threads", "reason"),
    [
        (machine(), 2, "1.8 times as fast as one"),
        (machine(cores=1), 1, "this process may use one core"),
        (machine(cores=64, quota=1.5), 1, "a control group grants 1.5 cores"),
        (machine(cores=2, gains={2: 1.02}), 1, "2 threads take just as long now"),
        (machine(cores=2, gains={2: 0.98}), 1, "2 threads take just as long now"),
        (machine(cores=2, gains={2: 0.95}), 1, "2 threads take 1.1 times as long now"),
        (machine(cores=2, gains={2: 0.05}, busy=1.0), 1, "2 threads take 20.0 times as long now"),
        (machine(cores=2, gains={2: 1.3}, busy=0.4), 2, "1.3 times as fast as one"),
        (machine(cores=64, gains={2: 1.9, 4: 3.6, 8: 6.0, 16: 7.0, 32: 7.1, 64: 3.0}), 16, "more gain nothing"),
        (machine(cores=64, gains={2: 2.0, 4: 4.0, 8: 8.0, 16: 15.0, 32: 28.0, 64: 50.0}), 64, "50.0 times as fast"),
        (machine(cores=8, gains={2: 0.9, 4: 1.9, 8: 3.0}), 8, "3.0 times as fast"),
        (machine(cores=64, quota=4.0, gains={2: 1.9, 4: 3.6, 64: 30.0}), 4, "3.6 times as fast as one"),
    ],
)
def test_as_many_threads_as_save_time(described, threads, reason):
    found = fit(described).threads
    assert found.value == threads
    assert reason in found.reason


def test_a_speed_measured_when_it_was_quiet_does_not_count_beside_other_work():
    """The large products were measured last week; only the small ones know of the process that came since."""
    quiet = machine()
    small = (Small(1, 300.0), Small(2, 900.0))
    assert fit(replace(quiet, load=replace(quiet.load, small=small))).threads.value == 1
    small = (Small(1, 300.0), Small(2, 330.0))
    assert fit(replace(quiet, load=replace(quiet.load, small=small))).threads.value == 2
    assert fit(replace(quiet, load=replace(quiet.load, small=small, busy_cores=0.9))).threads.value == 1


# ------------------------------------------------------------------------------------------------------- other work


def test_nothing_is_told_of_a_quiet_machine():
    assert fit(machine(busy=0.1)).warnings == ()
    assert fit(replace(machine(), load=replace(machine().load, busy_cores=None))).warnings == ()


@pytest.mark.parametrize(
    ("described", "said"),
    [
        (
            machine(gains={2: 0.125}, busy=0.87, busiest="python (pid 7)"),
            "other processes use 87% of a core, python (pid 7) most of it: 2 threads take 8.0 times as long as one "
            "now; timings will not hold. End them, or expect to wait.",
        ),
        (machine(gains={2: 0.96}, busy=1.5), "other processes use 1.5 cores: 2 threads take just as long as one now; "),
        (machine(gains={2: 1.04}, busy=1.5), "other processes use 1.5 cores: 2 threads take just as long as one now; "),
        (machine(gains={2: 1.4}, busy=1.5), "other processes use 1.5 cores: timings will not hold."),
        (machine(cores=1, busy=1.0), "other processes use 1.0 cores: timings will not hold."),
    ],
)
def test_other_work_is_told(described, said):
    (warning,) = fit(described).warnings
    assert warning.startswith(said)


# ---------------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("free", "slices"), [(64 * GIB, 3), (16 * GIB, 3), (4 * GIB, 2), (3 * GIB, 1), (1 * GIB, 1), (0, 1), (None, 3)]
)
def test_slices_fit_into_memory(free, slices):
    assert fit(machine(free=free)).prompts_per_slice.value == slices


def test_a_machine_on_which_nothing_fits_says_so():
    found = fit(machine(free=GIB))
    (warning,) = found.warnings
    assert "of 1.0 GiB free can be spared" in warning
    assert "Lower rl.group_size or sampling.max_new_tokens" in warning
    assert found.prompts_per_slice.reason == "memory is short"


@pytest.mark.parametrize(
    ("work", "slices"),
    [
        (Work(), 3),  # 3,456 tokens: two slices of one size
        (Work(prompts_per_step=7), 4),
        (Work(prompts_per_step=1), 1),
        (Work(max_new_tokens=512), 1),
        (Work(max_new_tokens=16), 6),
        (Work(minibatches=6), 1),
        (Work(minibatches=2, max_new_tokens=16), 5),
        (Work(minibatches=3, max_new_tokens=16), 2),
    ],
)
def test_slices_fill_the_products_and_no_more(work, slices):
    found = int(fit(machine(), work=work).prompts_per_slice.value)
    assert found == slices
    assert -(-work.prompts_per_step // found) >= work.minibatches


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 64), st.integers(1, 64), st.integers(1, 2048), st.integers(0, 64), st.data())
def test_whatever_the_work_a_slice_fits_or_a_warning_is_given(group, prompts, tokens, gib, data):
    minibatches = data.draw(st.integers(1, prompts))
    work = Work(group_size=group, prompts_per_step=prompts, minibatches=minibatches, max_new_tokens=tokens)
    found = fit(machine(free=gib * GIB), work=work)
    slices = int(found.prompts_per_slice.value)
    assert 1 <= slices <= prompts
    assert -(-prompts // slices) >= minibatches
    taken = slices * (work.prompt_tokens + group * tokens) * token_bytes(SMOLLM2_135M, "bfloat16")
    budget = budget_bytes(machine(free=gib * GIB), SMOLLM2_135M, work, "bfloat16")
    assert budget is not None
    assert taken <= budget or len(found.warnings) == 1


def test_rows_fit_into_memory():
    assert fit(machine()).rollout_rows.value == MOST_ROWS
    long = Work(max_new_tokens=8192)
    few = fit(machine(free=4 * GIB), work=long).rollout_rows
    assert 1 <= int(few.value) < MOST_ROWS
    assert "more would take over half of the free memory" in few.reason
    taken = int(few.value) * row_bytes(30, SMOLLM2_135M.keys, BYTES["bfloat16"], 8192 + long.prompt_tokens)
    assert taken <= (budget_bytes(machine(free=4 * GIB), SMOLLM2_135M, long, "bfloat16") or 0)
    assert fit(machine(free=0), work=long).rollout_rows.value == 1


# ------------------------------------------------------------------------------------------------------ the model's


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["float32", "bfloat16"]), st.integers(4, 64), st.integers(1, 2048))
def test_what_is_chosen_fits_into_what_is_free(dtype, gib, tokens):
    """All that stands there counted: the packed weights too, which are a copy of the weights (they were not)."""
    work, here = Work(max_new_tokens=tokens), machine(free=gib * GIB)
    found = fit(here, work=work, dtype=dtype)
    assert planned(here, found, work=work).most <= gib * GIB or found.warnings


def test_with_layers_computed_again_more_goes_together():
    tight = machine(free=3 * GIB)
    assert fit(tight).prompts_per_slice.value == 1
    assert fit(tight, work=Work(recompute=True)).prompts_per_slice.value == 3


def test_a_larger_model_leaves_room_for_less():
    large = Size(parameters=1_700_000_000, layers=24, hidden=2048, feed_forward=8192, keys=2048, packed=1_700_000_000)
    assert fit(machine(free=12 * GIB), large).prompts_per_slice.value == 1
    assert fit(machine(free=12 * GIB)).prompts_per_slice.value == 3
    assert token_bytes(large, "float32") == 2 * token_bytes(large, "bfloat16")


def test_the_same_description_gives_the_same_choice():
    assert fit(machine()) == fit(Machine.from_json(machine().to_json()))

"""Settings that a recipe leaves to the machine: chosen once when a run begins, told with their reasons, and kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from burnish import corpora, progress
from burnish.loop import ready
from burnish.loop.recipe import Recipe
from burnish.machine import kept
from burnish.machine.fit import Fit, fit
from burnish.machine.plan import SMOLLM2_135M, Size, Work

AUTO = "auto"


def to_machine(recipe: Recipe) -> Recipe:
    """Return the recipe with what it leaves open filled in for this machine; nothing is measured when nothing is open.

    What was set stays as it was set, whatever the machine.
    """
    if recipe.dtype != AUTO and recipe.threads and recipe.rl.prompts_per_slice and recipe.sampling.together:
        return recipe
    machine = kept.current(corpora.folder())
    dtype = "" if recipe.dtype == AUTO else recipe.dtype
    found = fit(machine, size_of(recipe), work_of(recipe), dtype=dtype)
    progress.say(told(recipe, found))
    for warning in found.warnings:
        progress.say(f"  note: {warning}")
    return settled(recipe, _chosen(recipe, found))


def settled(recipe: Recipe, other: Recipe) -> Recipe:
    """Return the recipe with what it leaves open taken from another one, which may leave it open too."""
    slices = recipe.rl.prompts_per_slice or other.rl.prompts_per_slice
    together = recipe.sampling.together or other.sampling.together
    return replace(
        recipe,
        dtype=other.dtype if recipe.dtype == AUTO else recipe.dtype,
        threads=recipe.threads or other.threads,
        rl=replace(recipe.rl, prompts_per_slice=slices),
        sampling=replace(recipe.sampling, together=together),
    )


def told(recipe: Recipe, found: Fit) -> str:
    """Return in a line or two what was left open, how it was chosen, and why."""
    parts = []
    if recipe.dtype == AUTO:
        parts.append(f"{found.dtype.value} ({found.dtype.reason})")
    if not recipe.threads:
        parts.append(f"{progress.counted(int(found.threads.value), 'thread')} ({found.threads.reason})")
    if not recipe.rl.prompts_per_slice:
        slices = found.prompts_per_slice
        parts.append(f"slices of {progress.counted(int(slices.value), 'prompt')} ({slices.reason})")
    if not recipe.sampling.together:
        rows = found.rollout_rows
        parts.append(f"{progress.counted(int(rows.value), 'completion')} drawn together ({rows.reason})")
    return f"fitted to this machine: {', '.join(parts)}"


def size_of(recipe: Recipe) -> Size:
    """Return the size of the recipe's model; one that cannot be told counts as SmolLM2-135M."""
    if recipe.model == "tiny":
        return SMOLLM2_135M
    folder = Path(corpora.resolve(recipe.model))
    if (folder / ready.ADAPTER).exists():
        folder = ready.base_of(folder)
    return Size.of(folder) or SMOLLM2_135M


def work_of(recipe: Recipe) -> Work:
    """Return the settings that memory follows from."""
    return Work(
        group_size=recipe.rl.group_size,
        prompts_per_step=recipe.rl.prompts_per_step,
        minibatches=recipe.grpo.minibatches,
        max_new_tokens=recipe.sampling.max_new_tokens,
        rank=recipe.adapter.rank,
        recompute=recipe.rl.recompute,
    )


def _chosen(recipe: Recipe, found: Fit) -> Recipe:
    slices, together = int(found.prompts_per_slice.value), int(found.rollout_rows.value)
    return replace(
        recipe,
        dtype="bfloat16" if found.dtype.value == "bfloat16" else "float32",
        threads=int(found.threads.value),
        rl=replace(recipe.rl, prompts_per_slice=slices),
        sampling=replace(recipe.sampling, together=together),
    )

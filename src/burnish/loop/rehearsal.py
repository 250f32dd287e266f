"""Before a run's first stage: what it will hold in memory is told, and its reinforcement's heaviest slice is tried.

So a run that does not fit ends in its first seconds, with nothing done yet that could be lost, and not in a step of its
first hour that happens to have long texts (trap T40). Done again by whoever goes on with a run, as long as there is
reinforcement ahead: another machine, or the same one with less free, is what it would not know of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice

from burnish import progress
from burnish.examples import Row
from burnish.loop import fitted
from burnish.loop.recipe import Recipe
from burnish.machine.plan import Plan, Size, amount, plan
from burnish.methods import Needs, grpo
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.records import Prompt
from burnish.training import rehearsal

SMALLER = 'Take a smaller model, dtype = "bfloat16" where that is not set, or end what else takes memory.'
LOWER = "Set rl.prompts_per_slice, rl.group_size or sampling.max_new_tokens lower, or rl.recompute = true."


def rehearse(policy: Policy, prompts: Sequence[Prompt], recipe: Recipe, *, size: Size | None, free: int | None) -> None:
    """Tell the memory plan, then let the heaviest slice go through the policy and forget it.

    size: of the policy's model, None where it cannot be told, and with it the plan; free: bytes that were free before
    the policy was loaded. Raises InputError that names the slice, or the packed weights, and what to set when they do
    not fit into memory.
    """
    network = HeadedPolicy(policy, temperature=recipe.sampling.temperature)
    rows = heaviest(network, prompts, recipe)
    planned = None
    if size is not None:
        planned = planned_for(recipe, size, prompt_tokens=len(policy.encode(rows[0].prompt)), free=free)
        tell(planned)
    with rehearsal.within_memory(f"sampling: the copy of {policy.name}'s weights, packed for it,", SMALLER):
        policy.packed()  # from the first sampling on it stands beside every slice
    beside = planned.reward_model + planned.adapter if planned else 0
    rehearsal.rehearse(network, rows, _needs(recipe), lower=LOWER, beside=beside)


def heaviest(network: HeadedPolicy, prompts: Sequence[Prompt], recipe: Recipe) -> list[Row]:
    """Return the rows of the heaviest slice: the longest prompts' whole groups, all as long as they may become."""
    rl, longest = recipe.rl, recipe.sampling.max_new_tokens
    alone = rehearsal.drawn_longest(prompts, 1, longest)
    chosen = rehearsal.heaviest(network, alone, _needs(recipe), rl.prompts_per_slice)
    asked = islice(cycle(row.prompt for row in chosen), rl.prompts_per_slice)  # few prompts come again in a slice
    groups = rehearsal.drawn_longest(list(asked), rl.group_size, longest)
    return [row for group in groups for row in group.rows]


def _needs(recipe: Recipe) -> Needs:
    return grpo.needs(grpo.Config(beta=recipe.grpo.beta))


def planned_for(recipe: Recipe, size: Size, *, prompt_tokens: int, free: int | None) -> Plan:
    """Return what the run of a recipe, whose settings are all fitted, holds in memory."""
    work = replace(fitted.work_of(recipe), prompt_tokens=prompt_tokens)
    slices, rows = recipe.rl.prompts_per_slice, recipe.sampling.together
    return plan(size, work, recipe.dtype, prompts_per_slice=slices, rows=rows, free=free)


def tell(planned: Plan) -> None:
    """Say the plan in a line, and in another that it is too much where it is."""
    progress.say(planned.told())
    if planned.free is not None and planned.most > planned.free:
        short = amount(planned.most - planned.free)
        progress.say(f"  note: {short} more than is free: the run may be ended by the system. {LOWER}")

"""T10 to T18: where rewards are paid, what they are compared with, and what is not a reward at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from burnish.conformance.traps.trap import must, near
from burnish.examples import Row
from burnish.maths.advantages import group_relative
from burnish.maths.batch import Batch, Outputs
from burnish.maths.returns import at_last, generalised_advantages, whitened
from burnish.methods import grpo
from burnish.models.engine import finish_of
from burnish.models.policy import Policy
from burnish.records import Completion, FinishReason, Prompt, Sampling, Score
from burnish.rewards.combined import Combined, Part
from burnish.rewards.normalised import Normalised, fit

MASK_BT = torch.tensor([[True, True, False, True, False], [True, False, False, False, False]])
"""A row where a tool speaks in between and after, and a short one: what is masked is padding or not the model's."""


def t10_the_reward_is_on_the_last_trained_token() -> None:
    """The final reward is paid at the last trained token: not on padding, not on a tool's tokens after it."""
    found = at_last(torch.tensor([3.0, 5.0]), MASK_BT)
    wanted = torch.tensor([[0, 0, 0, 3.0, 0], [5.0, 0, 0, 0, 0]])
    near(found, wanted, "the final reward is paid elsewhere than at the last trained token", within=0.0)


def t11_advantages_step_over_what_is_masked() -> None:
    """GAE steps over masked tokens with one decay, whatever values and rewards stand there."""
    rewards_BT, values_BT = torch.tensor([[0.0, 0, 9, 1, 9]]), torch.tensor([[0.5, 0.25, -7, 0.75, math.nan]])
    found = generalised_advantages(rewards_BT, values_BT, MASK_BT[:1], discount=0.9, trace=0.8)
    packed = generalised_advantages(
        torch.tensor([[0.0, 0, 1]]), torch.tensor([[0.5, 0.25, 0.75]]), torch.ones(1, 3, dtype=torch.bool),
        discount=0.9, trace=0.8,
    )  # fmt: skip
    near(found[:, [0, 1, 3]], packed, "masked tokens change the advantages of the trained ones", within=1e-6)
    must(not found[:, [2, 4]].any(), "a masked token has an advantage of its own")


def t12_whitening_counts_trained_tokens_alone() -> None:
    """Mean and standard deviation (Bessel's) are of the trained tokens of the whole window, and of nothing else."""
    values_BT = torch.tensor([[1.0, 2, 99, 4, -99], [7.0, math.nan, 0, 0, 0]])
    known = torch.tensor([1.0, 2, 4, 7])
    wanted = (known - known.mean()) / known.std()
    near(whitened(values_BT, MASK_BT)[MASK_BT], wanted, "padding is in the mean or the spread", within=1e-5)


def t13_truncated_rows_leave_numerator_and_denominator() -> None:
    """Where truncated completions are masked they leave loss, counts, and their group's mean alike."""
    batch = Batch(
        completion_mask_BT=torch.ones(4, 3, dtype=torch.bool),
        group_B=torch.tensor([0, 0, 0, 0]),
        rewards_B=torch.tensor([1.0, 3.0, 50.0, 8.0]),
        truncated_B=torch.tensor([False, False, True, False]),
        scalars={"max_new_tokens": 3.0},
    )
    config = grpo.Config(truncated="mask", normaliser="completion", beta=0.0)
    ready = grpo.targets(batch, config)
    assert ready.advantages_B is not None
    wanted = torch.tensor([-3.0, -1, 0, 4])
    near(ready.advantages_B, wanted, "a truncated completion is in its group's mean", within=1e-6)
    share_B, _ = grpo.loss(ready, Outputs(logprobs_BT=torch.zeros(4, 3)), config)
    near(share_B, -wanted / 3, "truncated completions are counted though they are masked", within=1e-6)


def t14_every_end_ends(policy: Policy, rows: Sequence[Row]) -> None:
    """Each end token that the model's settings name ends a completion, and only the length limit truncates one."""
    configured = getattr(getattr(policy.model, "generation_config", None), "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    sampling = Sampling(max_new_tokens=2)
    for end in filter(None, [*ends, policy.tokenizer.eos_token_id]):
        must(end in policy.end_ids, f"token {end} is an end in generation_config.json, and sampling goes on after it")
        said = finish_of(sampling, [end + 1, end], policy.end_ids, policy.decode)
        must(said is FinishReason.STOP, f"token {end} at the very limit is taken for a truncation")
    other = next(number for number in range(len(policy.end_ids) + 1) if number not in policy.end_ids)
    said = finish_of(sampling, [other, other], policy.end_ids, policy.decode)
    must(said is FinishReason.LENGTH, "a completion that was cut off is not told as one: its penalty would not fire")


def t15_equal_rewards_teach_exactly_nothing() -> None:
    """A group with equal rewards has advantage exactly 0, not its mean's rounding; whether its KL pulls is a choice."""
    for value in (0.1, 0.7, 1 / 3, 123.456):
        for size in (3, 7, 11):
            for scale in ("none", "std", "batch_std"):
                found = group_relative(torch.full((size,), value), torch.zeros(size, dtype=torch.int64), scale=scale)
                must(not found.any(), f"{size} rewards of {value} give advantages up to {float(found.abs().max()):.2g}")
    kept, dropped = (_pulled(config) for config in (grpo.Config(beta=0.3), grpo.Config(beta=0.3, flat_groups="drop")))
    near(kept, torch.full((4,), 0.3 * 0.5 / 4), "a flat group that is kept has not the KL of any other", within=1e-6)
    wanted = torch.tensor([0, 0, 0.3 * 0.5 / 2, 0.3 * 0.5 / 2])
    near(dropped, wanted, "a flat group that is dropped is in the loss or among what is counted", within=1e-6)


def _pulled(config: grpo.Config) -> torch.Tensor:
    """Return what each completion's KL of half a nat adds to the loss; the first two are paid alike."""
    batch = Batch(
        completion_mask_BT=torch.ones(4, 1, dtype=torch.bool),
        group_B=torch.tensor([0, 0, 1, 1]),
        rewards_B=torch.tensor([0.7, 0.7, 0.0, 1.0]),
        scalars={"max_new_tokens": 1.0},
    )
    ready = grpo.targets(batch, config)
    outputs = Outputs(logprobs_BT=torch.zeros(4, 1), kl_BT=torch.full((4, 1), 0.5))
    with_kl, without = (grpo.loss(ready, outputs, each)[0] for each in (config, replace(config, beta=0.0)))
    return with_kl - without


def t16_the_spread_is_the_one_that_is_stated() -> None:
    """Standard deviations have Bessel's correction and eps 1e-4; by group and by batch differ; one alone is refused."""
    rewards_B, group_B = torch.tensor([1.0, 2, 3, 4, 10, 30]), torch.tensor([0, 0, 0, 0, 1, 1])
    by_group = group_relative(rewards_B, group_B, scale="std")
    first = torch.tensor([-1.5, -0.5, 0.5, 1.5])
    near(by_group[:4], first / (1.2909944 + 1e-4), "the group's spread is not sqrt(sum / (n - 1)) + 1e-4", within=1e-5)
    by_batch = group_relative(rewards_B, group_B, scale="batch_std")
    spread = math.sqrt((2 * (2.25 + 0.25) + 200) / 5)
    near(by_batch[:4], first / (spread + 1e-4), "the batch's spread is not that of all centred rewards", within=1e-5)
    try:
        group_relative(torch.ones(1), torch.zeros(1, dtype=torch.int64))
    except ValueError:
        return
    raise AssertionError("a group of one is accepted: its advantage would always be 0")


@dataclass(frozen=True)
class _Fixed:
    """`Reward` that gives these values."""

    values: tuple[float | None, ...]

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        return [Score(p, c, value) for p, c, value in zip(prompts, completions, self.values, strict=True)]


def _asked(count: int) -> tuple[list[Prompt], list[Completion]]:
    prompt = Prompt.of("q")
    return [prompt] * count, [Completion(prompt.id, str(number), index=number) for number in range(count)]


def t17_several_rewards_weigh_what_they_are_given() -> None:
    """An abstention is not 0, weights go to the parts they name, and normalising comes before summing where asked."""
    wide, narrow = _Fixed((100.0, 300.0, 200.0)), _Fixed((0.2, 0.1, None))
    found = Combined((Part("wide", wide), Part("narrow", narrow, weight=3.0)), scale="none").score(*_asked(3))
    values = [score.value for score in found]
    must(values[2] is None, f"a part that abstained counted as 0: the sum is {values[2]}")
    one, other = 100.0 + 3 * 0.2, 300.0 + 3 * 0.1
    must(values[:2] == [one, other], f"weights and parts are mixed up: {values[:2]} instead of {[one, other]}")
    scaled = Combined((Part("wide", wide, mean=200, std=100), Part("narrow", narrow, weight=3.0, mean=0.15, std=0.05)))
    first, second, _ = (score.value for score in scaled.score(*_asked(3)))
    must(first is not None and second is not None and first > second, "the widest reward decides alone though scaled")


def t18_a_reward_keeps_its_scale_until_it_is_fitted() -> None:
    """Normalisation is the identity until it is fitted, then mean 0 and spread 1; a shift changes no advantage."""
    inner = _Fixed((1.0, 2.0, 3.0, None))
    plain = [score.value for score in Normalised(inner).score(*_asked(4))]
    must(plain == [1.0, 2.0, 3.0, None], f"an unfitted normalisation changes rewards to {plain}")
    fitted = [score.value for score in fit(inner, inner.score(*_asked(4))).score(*_asked(4))]
    must(fitted == [-1.0, 0.0, 1.0, None], f"a fitted reward has not mean 0 and spread 1: {fitted}")
    rewards_B, group_B = torch.tensor([1.0, 2, 4, 8]), torch.tensor([0, 0, 1, 1])
    here, there = group_relative(rewards_B, group_B), group_relative(rewards_B + 16, group_B)
    near(here, there, "centring the reward changes advantages", within=1e-6)


CHECKS = (
    t10_the_reward_is_on_the_last_trained_token,
    t11_advantages_step_over_what_is_masked,
    t12_whitening_counts_trained_tokens_alone,
    t13_truncated_rows_leave_numerator_and_denominator,
    t14_every_end_ends,
    t15_equal_rewards_teach_exactly_nothing,
    t16_the_spread_is_the_one_that_is_stated,
    t17_several_rewards_weigh_what_they_are_given,
    t18_a_reward_keeps_its_scale_until_it_is_fitted,
)
